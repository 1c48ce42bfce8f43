"""What the stand-in costs while the system under test is loaded."""

import os
import sys
import time

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.telemetry.process import Telemetry
from tests.unit.telemetry.material import MS

pytestmark = pytest.mark.integration

SPANS_PER_TRACE = 5
TRACES = 21_000
SPANS_PER_BATCH = 500
"""About the export batch of an SDK, 512."""


def _batch(start_ns: int) -> bytes:
    """Return spans as an instrumented HTTP service makes them: a server span and its queries."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "api"
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "@opentelemetry/instrumentation-http"
    for number in range(SPANS_PER_BATCH):
        place = number % SPANS_PER_TRACE
        if place == 0:
            trace_id, parent_id = os.urandom(16), os.urandom(8)
        span = scope_spans.spans.add(
            trace_id=trace_id,
            span_id=os.urandom(8) if place else parent_id,
            parent_span_id=parent_id if place else b"",
            name="prisma:client:db_query" if place else "POST /bets",
            kind=3 if place else 2,
            start_time_unix_nano=start_ns + number * MS,
            end_time_unix_nano=start_ns + (number * 7 % 900 + number) * MS,
        )
        for key, text in (("http.request.method", "POST"), ("url.path", "/bets"), ("db.system", "postgresql")):
            span.attributes.add(key=key).value.string_value = text
        span.attributes.add(key="http.response.status_code").value.int_value = 201
    return bytes(request.SerializeToString())


def test_a_full_store_stays_small_and_spans_cost_little(telemetry: Telemetry) -> None:
    now = time.time_ns()
    batches = [_batch(now - number * MS) for number in range(TRACES * SPANS_PER_TRACE // SPANS_PER_BATCH)]
    before_s, began = telemetry.cpu_s(), time.monotonic()
    with httpx.Client(headers={"content-type": "application/x-protobuf"}) as client:
        for batch in batches:
            assert client.post(telemetry.otlp_url, content=batch).status_code == 200
    spans = len(batches) * SPANS_PER_BATCH
    cpu_us = (telemetry.cpu_s() - before_s) / spans * 1e6
    rate = spans / (time.monotonic() - began)
    began = time.monotonic()
    query = {"service": "api", "minDuration": "890ms", "tags": '{"http.response.status_code":"500"}', "limit": "20"}
    assert httpx.get(f"{telemetry.jaeger_url}/api/traces", params=query, timeout=30).json()["data"] == []
    fruitless_s = time.monotonic() - began
    sys.stdout.write(
        f"{rate:.0f} spans/s, {cpu_us:.1f} µs of CPU a span, {telemetry.rss_mb():.0f} MB, "
        f"search without a match {fruitless_s:.2f} s\n"
    )
    # 1,500 spans a second are to cost less than a tenth of a core, on a machine that others load too.
    assert cpu_us < 66
    assert telemetry.rss_mb() < 80
    assert fruitless_s < 10
