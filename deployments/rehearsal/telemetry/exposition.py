"""The span metrics as Prometheus reads them: plain text, or OpenMetrics with exemplars when the scraper asks for it."""

from collections.abc import Iterable

from deployments.rehearsal.telemetry.spanmetrics import BUCKETS_MS, Exemplar, Labels, Series, SpanMetrics
from deployments.rehearsal.telemetry.web import Handler, Request, Response, not_found
from deployments.rehearsal.telemetry.wire import Span, Status

CALLS = "traces_span_metrics_calls"
DURATION = "traces_span_metrics_duration_milliseconds"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_MS_PER_S = 1000


def exposition(metrics: SpanMetrics) -> Handler:
    """Return the handler of the metrics port."""

    def handle(request: Request) -> Response:
        if request.path != "/metrics":
            return not_found()
        openmetrics = "application/openmetrics-text" in request.headers.get("accept", "")
        body = "".join(f"{line}\n" for line in _lines(metrics, openmetrics=openmetrics)).encode()
        return Response(200, body, OPENMETRICS if openmetrics else PLAIN)

    return handle


def _lines(metrics: SpanMetrics, *, openmetrics: bool) -> Iterable[str]:
    labelled = [(_labels(series.labels), series) for series in metrics.series()]
    # OpenMetrics names the family, the plain format the sample.
    yield f"# TYPE {CALLS}{'' if openmetrics else '_total'} counter"
    for labels, series in labelled:
        yield f"{CALLS}_total{{{labels}}} {sum(series.counts)}"
    yield f"# TYPE {DURATION} histogram"
    for labels, series in labelled:
        yield from _histogram(labels, series, openmetrics=openmetrics)
    if openmetrics:
        yield "# EOF"


def _histogram(labels: str, series: Series, *, openmetrics: bool) -> Iterable[str]:
    # OpenMetrics writes bounds as floats; the plain format of the Go client writes whole ones without a point.
    bounds = [*(str(float(bound) if openmetrics else bound) for bound in BUCKETS_MS), "+Inf"]
    cumulative = 0
    for bound, count, exemplar in zip(bounds, series.counts, series.exemplars, strict=True):
        cumulative += count
        suffix = _exemplar(exemplar) if openmetrics and exemplar else ""
        yield f'{DURATION}_bucket{{{labels},le="{bound}"}} {cumulative}{suffix}'
    yield f"{DURATION}_sum{{{labels}}} {series.sum_ms:.6f}"
    yield f"{DURATION}_count{{{labels}}} {cumulative}"


def _exemplar(exemplar: Exemplar) -> str:
    at = f"{exemplar.at_ms // _MS_PER_S}.{exemplar.at_ms % _MS_PER_S:03d}"
    return f' # {{trace_id="{exemplar.trace_id}",span_id="{exemplar.span_id}"}} {exemplar.duration_ms} {at}'


def _labels(labels: Labels) -> str:
    pairs = {
        "service_name": labels.service,
        "span_name": labels.span,
        "span_kind": _enum_name(Span.SpanKind, labels.kind),
        "status_code": _enum_name(Status.StatusCode, labels.status),
    }
    if labels.http_status:
        pairs["http_response_status_code"] = labels.http_status
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs.items())


def _enum_name(enum: type[Span.SpanKind] | type[Status.StatusCode], number: int) -> str:
    """Return the number's name; a number newer than this library stays a number."""
    return enum.Name(number) if number in enum.values() else str(number)
