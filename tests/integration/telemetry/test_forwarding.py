from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

from tests.integration.telemetry.process import DEADLINE_S, ROOT, Telemetry, answers, free_ports, until

pytestmark = pytest.mark.integration


class Collector:
    """The stand-in as a collector alone, in front of another one."""

    def __init__(self, forward_to: str) -> None:
        otlp, metrics = free_ports(2)
        self.otlp_url, self.metrics_url = f"http://127.0.0.1:{otlp}/v1/traces", f"http://127.0.0.1:{metrics}/metrics"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deployments.rehearsal.telemetry", "--otlp-port", str(otlp),
             "--metrics-port", str(metrics), "--forward-to", forward_to],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        until(lambda: answers(self.metrics_url), "the collector answers")

    def stop(self) -> tuple[int, str]:
        """End it; return its exit code and what it wrote to standard error."""
        self.process.send_signal(signal.SIGTERM)
        _, stderr = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, stderr


@pytest.fixture
def collector(telemetry: Telemetry) -> Iterator[Collector]:
    running = Collector(telemetry.otlp_url.removesuffix("/v1/traces"))
    yield running
    assert running.stop() == (0, "")


def send(url: str, names: list[str]) -> list[str]:
    """Export a span of each name; return the trace ids."""
    provider = TracerProvider(resource=Resource({"service.name": "api"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url)))
    ids = []
    for name in names:
        with provider.get_tracer("tests").start_as_current_span(name, kind=SpanKind.SERVER) as span:
            span.set_attribute("http.response.status_code", 201)
        ids.append(f"{span.get_span_context().trace_id:032x}")
    provider.shutdown()
    return ids


def test_spans_go_on_whole_and_are_counted_on_the_way(telemetry: Telemetry, collector: Collector) -> None:
    first, second = send(collector.otlp_url, ["POST /bets", "GET /history"])
    until(lambda: answers(f"{telemetry.jaeger_url}/api/traces/{second}"), "the second trace arrives")
    span = httpx.get(f"{telemetry.jaeger_url}/api/traces/{first}").json()["data"][0]["spans"][0]
    assert span["operationName"] == "POST /bets"
    assert {"key": "http.response.status_code", "type": "int64", "value": 201} in span["tags"]
    for url in (telemetry.metrics_url, collector.metrics_url):
        assert httpx.get(url).text.count("traces_span_metrics_calls_total{") == 2


def test_an_absent_jaeger_is_said_once_and_the_lost_spans_are_counted() -> None:
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}"
    collector = Collector(nowhere)
    send(collector.otlp_url, ["one", "two"])
    send(collector.otlp_url, ["three"])
    code, stderr = collector.stop()
    assert code == 0
    first, last = stderr.splitlines()
    assert first.startswith(f"{nowhere}/v1/traces does not take spans: ")
    assert last == f"3 spans did not reach {nowhere}/v1/traces"
