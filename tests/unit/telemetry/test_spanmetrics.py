import re
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from deployments.rehearsal.telemetry.spanmetrics import BUCKETS_MS, SpanMetrics
from deployments.rehearsal.telemetry.store import Batch
from deployments.rehearsal.telemetry.wire import InstrumentationScope, Resource, Span
from tests.unit.telemetry.material import (
    CONTRACTS,
    ROOT_ID,
    TRACE_ID,
    StandIn,
    export,
    failed,
    recorded_trace,
    span,
    stand_in,
)

CALLS = "traces_span_metrics_calls_total"
DURATION = "traces_span_metrics_duration_milliseconds"
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def _parsed(parser: Callable[[str], Iterable[Any]], text: str) -> list[Any]:
    return list(parser(text))


def _samples(server: StandIn, name: str, **labels: str) -> list[Any]:
    families = _parsed(openmetrics, server.scrape(OPENMETRICS))
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return [sample for sample in samples if labels.items() <= sample.labels.items()]


def test_names_and_labels_are_those_of_the_contract() -> None:
    server = stand_in()
    server.send(recorded_trace())
    server.send(export(span(1)))
    line = re.compile(r"^(?:# TYPE )?(\w+)(?:\{(.*?)\})? ", re.MULTILINE)
    wanted, given = (
        {(name, frozenset(re.findall(r'(\w+)="', labels))) for name, labels in line.findall(text)}
        for text in ((CONTRACTS / "metrics/spanmetrics.prom").read_text(), server.scrape(OPENMETRICS))
    )
    assert wanted <= given


def test_calls_are_counted_by_service_span_kind_status_and_http_status() -> None:
    server = stand_in()
    limited = {"http.response.status_code": 429}
    server.send(export(span(1), span(2), span(3, attributes=limited), span(4, attributes=limited, **failed())))
    server.send(export(span(5, kind=3), service="auth"))
    counted = {tuple(sample.labels.values()): sample.value for sample in _samples(server, CALLS)}
    assert counted == {
        ("api", "GET /orders", "SPAN_KIND_SERVER", "STATUS_CODE_UNSET"): 2,
        ("api", "GET /orders", "SPAN_KIND_SERVER", "STATUS_CODE_UNSET", "429"): 1,
        ("api", "GET /orders", "SPAN_KIND_SERVER", "STATUS_CODE_ERROR", "429"): 1,
        ("auth", "GET /orders", "SPAN_KIND_CLIENT", "STATUS_CODE_UNSET"): 1,
    }


def test_the_extra_label_has_its_own_name() -> None:
    server = stand_in()
    server.send(export(span(1, attributes={"http.response.status_code": 429})))
    assert _samples(server, CALLS, http_response_status_code="429")


def test_durations_fall_into_the_collectors_default_buckets() -> None:
    server = stand_in()
    server.send(export(span(1, ms=1), span(2, ms=2), span(3, ms=3), span(4, ms=900), span(5, ms=60_000)))
    buckets = {sample.labels["le"]: sample.value for sample in _samples(server, f"{DURATION}_bucket")}
    assert list(buckets) == [*(f"{float(bound)}" for bound in BUCKETS_MS), "+Inf"]
    assert [buckets[bound] for bound in ("2.0", "4.0", "800.0", "1000.0", "15000.0", "+Inf")] == [2, 3, 3, 4, 4, 5]
    assert _samples(server, f"{DURATION}_count")[0].value == 5
    assert _samples(server, f"{DURATION}_sum")[0].value == 60_906


def test_a_bucket_carries_the_newest_span_as_exemplar() -> None:
    server = stand_in()
    server.send(export(span(2, ms=900), span(1, ms=950)))
    (bucket,) = _samples(server, f"{DURATION}_bucket", le="1000.0")
    assert bucket.exemplar.labels == {"trace_id": span(2)["traceId"], "span_id": span(2)["spanId"]}
    assert bucket.exemplar.value == 900
    assert float(bucket.exemplar.timestamp) == 1795421402.9
    assert server.get(f"/api/traces/{bucket.exemplar.labels['trace_id']}").status == 200


def test_the_recorded_span_has_the_recorded_exemplar() -> None:
    server = stand_in()
    server.send(recorded_trace())
    (bucket,) = _samples(server, f"{DURATION}_bucket", le="1000.0", span_name="GET /orders")
    assert bucket.exemplar.labels == {"trace_id": TRACE_ID, "span_id": ROOT_ID}
    assert bucket.exemplar.value == 843.5


def test_the_plain_format_has_the_same_numbers_without_exemplars() -> None:
    server = stand_in()
    server.send(export(span(1, 'say "hi"\\\n', ms=900)))
    text = server.scrape("text/plain")
    assert "# {" not in text
    assert "# EOF" not in text
    samples = {
        (sample.name, sample.labels.get("le")): sample for family in _parsed(plain, text) for sample in family.samples
    }
    assert samples[f"{DURATION}_bucket", "1000"].value == 1
    assert samples[CALLS, None].labels["span_name"] == 'say "hi"\\\n'


def test_a_span_that_ends_before_it_starts_lasted_no_time() -> None:
    server = stand_in()
    server.send(export(span(1, ms=-5)))
    assert _samples(server, f"{DURATION}_sum")[0].value == 0


def test_beyond_the_bound_new_series_are_counted_together() -> None:
    metrics = SpanMetrics(max_series=2)
    spans = [Span(trace_id=bytes(16), span_id=bytes(8), name=f"op{number}") for number in range(5)]
    metrics.add(Batch(Resource(), InstrumentationScope(), spans))
    counted = {series.labels.span: sum(series.counts) for series in metrics.series()}
    assert counted == {"op0": 1, "op1": 1, "overflow": 3}


def test_without_spans_both_formats_parse() -> None:
    server = stand_in()
    assert [family.samples for family in _parsed(plain, server.scrape())] == [[], []]
    assert [family.samples for family in _parsed(openmetrics, server.scrape(OPENMETRICS))] == [[], []]
