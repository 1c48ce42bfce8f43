import signal
import subprocess

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from tests.integration.telemetry.process import ROOT, Telemetry, command, free_ports

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
def test_the_sdks_exporter_is_understood(telemetry: Telemetry, compression: Compression) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "api"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(telemetry.otlp_url, compression=compression)))
    tracer = provider.get_tracer("tests")
    with (
        tracer.start_as_current_span("POST /bets", kind=SpanKind.SERVER) as server,
        tracer.start_as_current_span("prisma:client:db_query", kind=SpanKind.CLIENT) as query,
    ):
        query.set_status(StatusCode.ERROR, "deadlock")
    provider.shutdown()
    trace_id = f"{server.get_span_context().trace_id:032x}"
    found = httpx.get(
        f"{telemetry.jaeger_url}/api/traces", params={"service": "api", "tags": '{"error":"true"}'}
    ).json()
    assert [trace["traceID"] for trace in found["data"]] == [trace_id]
    page = httpx.get(f"{telemetry.jaeger_url}/trace/{trace_id}")
    assert page.status_code == 200
    assert "deadlock" in page.text
    assert 'status_code="STATUS_CODE_ERROR"' in httpx.get(telemetry.metrics_url).text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(telemetry: Telemetry, number: signal.Signals) -> None:
    with httpx.Client() as client:  # a connection kept open must not hold it up
        client.get(f"{telemetry.jaeger_url}/search")
        assert telemetry.stop(number) == (0, "")


def test_a_port_already_taken_is_one_sentence(telemetry: Telemetry) -> None:
    taken = httpx.URL(telemetry.jaeger_url).port
    assert taken
    second = subprocess.run(
        command([*free_ports(2), taken]), cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert second.returncode == 1
    assert second.stderr.startswith(f"port {taken} on 127.0.0.1 cannot be used")
    assert second.stderr.count("\n") == 1


def test_a_body_above_the_collectors_bound_is_413(telemetry: Telemetry) -> None:
    headers = {"content-type": "application/json"}
    assert httpx.post(telemetry.otlp_url, content=bytes(21 * 1024 * 1024), headers=headers).status_code == 413


def test_each_port_serves_its_own_part(telemetry: Telemetry) -> None:
    otlp = telemetry.otlp_url.removesuffix("/v1/traces")
    assert httpx.get(f"{otlp}/api/services").status_code == 404
    assert httpx.get(f"{telemetry.metrics_url.removesuffix('/metrics')}/search").status_code == 404
    quoted = httpx.get(f"{telemetry.jaeger_url}/api/services/a%2Fb/operations")
    assert quoted.json()["data"] is None
    assert httpx.head(f"{telemetry.jaeger_url}/search").status_code == 200
