"""Jaeger's recorded answers, as the client understands them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from blocks.models.errors import Unavailable
from tasks.clients.traces import Jaeger

from .contracts import Recorded, Refusing, text

_URL = "http://jaeger.test"
_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
_START = datetime(2026, 11, 23, 8, 10, tzinfo=UTC)


def _jaeger(answers: dict[str, tuple[int, str]]) -> tuple[Jaeger, Recorded]:
    transport = Recorded(answers)
    return Jaeger(_URL, transport), transport


def test_services_are_sorted() -> None:
    jaeger, _ = _jaeger({"GET /api/services": (200, "jaeger/services.200.json")})
    assert jaeger.services() == ("api", "worker")


def test_a_trace_is_read_with_its_root_and_its_failure() -> None:
    jaeger, _ = _jaeger({f"GET /api/traces/{_ID}": (200, "jaeger/trace.200.json")})
    found = jaeger.get(_ID)
    assert found is not None
    trace, raw = found
    assert (trace.trace_id, trace.root, trace.duration_ms, trace.failed, trace.spans) == (
        _ID, "GET /orders", 843.5, True, 2,
    )  # fmt: skip
    assert trace.services == ("api",)
    assert raw == text("jaeger/trace.200.json")


def test_a_short_id_is_filled_up() -> None:
    jaeger, transport = _jaeger({f"GET /api/traces/{'abc'.zfill(32)}": (404, "jaeger/trace.404.json")})
    assert jaeger.get("abc") is None
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    ("status", "name"), [(404, "trace.404"), (200, "traces_search.empty.200"), (200, "traces_search.ids_unknown.200")]
)
def test_an_unknown_trace_is_none(status: int, name: str) -> None:
    jaeger, _ = _jaeger({f"GET /api/traces/{_ID}": (status, f"jaeger/{name}.json")})
    assert jaeger.get(_ID) is None


@pytest.mark.parametrize("name", ["trace.400", "trace.500"])
def test_a_servers_error_is_not_an_unknown_trace(name: str) -> None:
    status = int(name[-3:])
    jaeger, _ = _jaeger({f"GET /api/traces/{_ID}": (status, f"jaeger/{name}.json")})
    with pytest.raises(Unavailable, match=f"HTTP {status}"):
        jaeger.get(_ID)


def test_a_page_instead_of_json_is_unavailable() -> None:
    jaeger, _ = _jaeger(
        {
            "GET /api/services": (200, "jaeger/api_unknown.spa_200.html"),
            f"GET /api/traces/{_ID}": (200, "jaeger/api_unknown.spa_200.html"),
        }
    )
    with pytest.raises(Unavailable, match=r"/api/services with a page instead of JSON \(HTTP 200\)"):
        jaeger.services()
    with pytest.raises(Unavailable, match="a page instead of JSON"):
        jaeger.get(_ID)


def test_a_server_that_is_down_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="did not answer: ConnectError"):
        Jaeger(_URL, Refusing()).services()


def test_a_search_asks_in_microseconds() -> None:
    jaeger, transport = _jaeger({"GET /api/traces": (200, "jaeger/traces_search.200.json")})
    found = jaeger.search("api", _START, _START, operation="GET /orders", min_duration_ms=500)
    assert found[0].trace_id == _ID
    assert [trace.duration_ms for trace in found] == sorted((trace.duration_ms for trace in found), reverse=True)
    assert dict(transport.requests[0].url.params) == {
        "service": "api", "start": "1795421400000000", "end": "1795421400000000", "limit": "20",
        "operation": "GET /orders", "minDuration": "500ms",
    }  # fmt: skip


def test_a_search_that_finds_nothing_is_empty() -> None:
    jaeger, _ = _jaeger({"GET /api/traces": (200, "jaeger/traces_search.empty.200.json")})
    assert jaeger.search("api", _START, _START) == ()


def test_failed_traces_are_asked_for_and_each_is_looked_at_again() -> None:
    # Some servers of 2.7 to 2.16 give traces without an error for error=true.
    jaeger, transport = _jaeger({"GET /api/traces": (200, "jaeger/traces_search.error_tag.v2_13.200.json")})
    assert all(trace.failed for trace in jaeger.search("api", _START, _START, failed=True))
    assert transport.requests[0].url.params["tags"] == '{"error":"true"}'


def test_a_server_without_the_old_search_is_asked_for_summaries() -> None:
    jaeger, transport = _jaeger(
        {
            "GET /api/traces": (404, "jaeger/api_unknown.404.txt"),
            "GET /api/v3/trace-summaries": (200, "jaeger/v3_trace_summaries.200.json"),
        }
    )
    (found,) = jaeger.search("api", _START, _START, min_duration_ms=500, failed=True)
    assert (found.trace_id, found.root, found.duration_ms, found.failed, found.services) == (
        _ID, "GET /orders", 843.5, True, ("api",),
    )  # fmt: skip
    assert dict(transport.requests[1].url.params) == {
        "query.serviceName": "api", "query.startTimeMin": "2026-11-23T08:10:00Z",
        "query.startTimeMax": "2026-11-23T08:10:00Z", "query.searchDepth": "20", "query.durationMin": "500ms",
        "query.attributes": '{"error":"true"}',
    }  # fmt: skip


def test_summaries_without_a_match_are_empty() -> None:
    jaeger, _ = _jaeger(
        {
            "GET /api/traces": (404, "jaeger/api_unknown.404.txt"),
            "GET /api/v3/trace-summaries": (200, "jaeger/v3_trace_summaries.empty.200.json"),
        }
    )
    assert jaeger.search("api", _START, _START) == ()


def test_a_server_that_knows_no_search_is_unavailable() -> None:
    jaeger, _ = _jaeger(
        {
            "GET /api/traces": (404, "jaeger/api_unknown.404.txt"),
            "GET /api/v3/trace-summaries": (200, "jaeger/api_unknown.spa_200.html"),
        }
    )
    with pytest.raises(Unavailable, match="knows neither /api/traces nor /api/v3/trace-summaries"):
        jaeger.search("api", _START, _START)


def test_links_open_the_servers_own_pages() -> None:
    jaeger, _ = _jaeger({})
    assert jaeger.trace_link(_ID) == f"{_URL}/trace/{_ID}"
    assert "lookback=1h" in jaeger.search_link("api", _START)
    assert "end=1795421400000000" in jaeger.search_link("api", _START, _START)
