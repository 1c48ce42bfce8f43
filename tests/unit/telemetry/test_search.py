import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.rehearsal.telemetry.params import duration_ns
from tests.unit.telemetry.material import V3_WINDOW, WINDOW, StandIn, export, failed, span, stand_in


@pytest.fixture
def server() -> StandIn:
    server = stand_in()
    server.send(
        export(
            span(2, "slow", ms=900, attributes={"run_id": "r1"}),
            span(3, "failed", ms=300, attributes={"http.response.status_code": 500}, **failed()),
            span(1, "fast", ms=5, attributes={"http.response.status_code": 200}),
            span(4, "limited", ms=2, attributes={"http.response.status_code": 429}),
        ),
    )
    server.send(export(span(5, "job", ms=5000, kind=5), service="worker", scope="bullmq"))
    return server


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("service=api", ["limited", "failed", "slow", "fast"]),
        ("service=api&limit=2", ["limited", "failed"]),
        ("service=worker", ["job"]),
        ("service=api&operation=slow", ["slow"]),
        ("service=api&operation=slo", []),
        ("service=worker&operation=slow", []),
        ("service=api&minDuration=300ms", ["failed", "slow"]),
        ("service=api&minDuration=301ms", ["slow"]),
        ("service=api&maxDuration=5ms", ["limited", "fast"]),
        ("service=api&minDuration=3ms&maxDuration=0.3s", ["failed", "fast"]),
        ("service=api&tag=error:true", ["failed"]),
        ("service=api&tag=error:false", ["limited", "slow", "fast"]),
        ("service=api&tag=http.response.status_code:429", ["limited"]),
        ("service=api&tag=http.response.status_code:42", []),
        ("service=api&tag=run_id:r1", ["slow"]),
        ("service=api&tag=run_id:r2", []),
        ("service=api&tag=host.name:c1&limit=1", ["limited"]),
        ("service=api&tag=host.name:c2", []),
        ("service=worker&tag=span.kind:consumer", ["job"]),
        ("service=worker&tag=otel.scope.name:bullmq", ["job"]),
        ("service=api&tag=otel.status_code:ERROR", ["failed"]),
        ("service=api&tag=error:true&tag=http.response.status_code:500", ["failed"]),
        ("service=api&tag=error:true&tag=http.response.status_code:429", []),
        ("service=api&lookback=1h", ["limited", "failed", "slow", "fast"]),
    ],
)
def test_a_search_finds_what_meets_all_conditions_newest_first(server: StandIn, query: str, wanted: list[str]) -> None:
    assert server.names(f"/api/traces?{query}&{WINDOW}") == wanted


def test_tags_may_be_one_json_map(server: StandIn) -> None:
    tags = quote(json.dumps({"error": "true", "http.response.status_code": "500"}))
    assert server.names(f"/api/traces?service=api&tags={tags}&{WINDOW}") == ["failed"]


def test_the_time_range_is_of_the_spans_start_in_microseconds(server: StandIn) -> None:
    assert server.names("/api/traces?service=api&start=1795421402000000&end=1795421403000000") == ["failed", "slow"]
    assert server.names("/api/traces?service=api&start=1795421402000001&end=1795421403000000") == ["failed"]


def test_without_times_the_last_two_days_are_searched() -> None:
    server = stand_in()
    now = time.time_ns()
    for number, age_s in ((1, 60), (2, 3 * 24 * 3600)):
        at = str(now - age_s * 10**9)
        server.send(export(span(number, f"{age_s}", startTimeUnixNano=at, endTimeUnixNano=at)))
    assert server.names("/api/traces?service=api") == ["60"]


def test_one_span_has_to_meet_all_conditions() -> None:
    server = stand_in()
    first = span(1, "a", ms=900)
    second = span(1, "b", ms=1, spanId="b" * 16, **failed())
    server.send(export(first, second))
    assert len(server.data(f"/api/traces?service=api&minDuration=500ms&{WINDOW}")) == 1
    assert server.data(f"/api/traces?service=api&minDuration=500ms&tag=error:true&{WINDOW}") == []


def test_v3_without_a_service_searches_all(server: StandIn) -> None:
    answer = json.loads(server.get(f"/api/v3/trace-summaries?{V3_WINDOW}").body)
    assert [summary["rootOperationName"] for summary in answer["summaries"]] == [
        "job",
        "limited",
        "failed",
        "slow",
        "fast",
    ]
    assert "errorSpanCount" not in answer["summaries"][0]


@pytest.mark.parametrize("limit", [-1, 0, 1001])
def test_a_limit_the_store_cannot_hold_is_500(server: StandIn, limit: int) -> None:
    assert server.get(f"/api/traces?service=api&limit={limit}").status == 500


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("500ms", 500_000_000),
        ("1m30.5s", 90_500_000_000),
        ("0", 0),
        ("2h", 7_200_000_000_000),
        (".5us", 500),
        ("-1ms", -1_000_000),
    ],
)
def test_go_durations_are_read(text: str, wanted: int) -> None:
    assert duration_ns(text) == wanted


@given(st.integers(0, 10**6), st.integers(0, 999))
def test_a_duration_written_in_two_units_is_their_sum(seconds: int, milliseconds: int) -> None:
    assert duration_ns(f"{seconds}s{milliseconds}ms") == (seconds * 1000 + milliseconds) * 1_000_000
