"""OpenTelemetry spans of a service: exported over OTLP/HTTP, linked across services by `traceparent`.

Standard variables apply: OTEL_EXPORTER_OTLP_ENDPOINT for the address, OTEL_TRACES_SAMPLER and
OTEL_TRACES_SAMPLER_ARG for the share (default: everything), OTEL_SDK_DISABLED to export nothing.
"""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

EXPORT_EVERY_MS = 1000
"""A trace should be found about a second after its request."""
EXPORT_TIMEOUT_S = 2.0
"""A collector that hangs costs one worker thread this long, never a request."""
QUEUE_SPANS = 4096
"""About 10 s of spans at 200 requests a second; older ones are dropped when the collector is away."""
SHUTDOWN_S = 0.6
"""Last export at exit; with the server's own second it keeps a stop under two."""

_propagator = TraceContextTextMapPropagator()


class Telemetry:
    """The tracer of one service.

    Args:
        service: `service.name` of every span.
    """

    def __init__(self, service: str) -> None:
        # An absent collector is no news for every batch: spans are dropped, requests go on.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._processor = BatchSpanProcessor(
            OTLPSpanExporter(timeout=EXPORT_TIMEOUT_S),
            max_queue_size=QUEUE_SPANS,
            schedule_delay_millis=EXPORT_EVERY_MS,
        )
        provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("ebit")

    @contextmanager
    def span(
        self,
        name: str,
        kind: SpanKind,
        *,
        parent: Mapping[str, str] | None = None,
        attributes: Mapping[str, str | int] | None = None,
    ) -> Iterator[Span]:
        """Open a span for the duration of the block.

        Args:
            name: span name.
            kind: role in the call.
            parent: carrier with `traceparent` from another service; None continues the current span.
            attributes: set at start, so that a sampler sees them.
        """
        context = None if parent is None else _propagator.extract(parent)
        span = self._tracer.start_span(name, context=context, kind=kind, attributes=attributes)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            yield span

    def shutdown(self) -> None:
        """Export what is left, for at most SHUTDOWN_S."""
        last = threading.Thread(target=self._processor.shutdown, daemon=True)
        last.start()
        last.join(SHUTDOWN_S)


def traceparent() -> dict[str, str]:
    """Header that makes the receiver's span a child of the current one; empty outside a span."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"}


def set_http_status(span: Span, status: int) -> None:
    """Record a server's answer; from 500 on the span is an error (HTTP semantic conventions: 4xx is not)."""
    span.set_attribute("http.response.status_code", status)
    if status >= 500:  # noqa: PLR2004 - first server error
        span.set_status(StatusCode.ERROR)
