"""Grafana's recorded answers, as the client understands them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from blocks.models.errors import Failed, Unavailable
from tasks.clients.dashboards import Grafana

from .contracts import Recorded, Refusing, body

_URL = "http://grafana.test"
_START = datetime(2026, 11, 23, 8, 10, tzinfo=UTC)
_END = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
_QUERY = "POST /api/ds/query"


def _grafana(answers: dict[str, tuple[int, str]], token: str = "") -> tuple[Grafana, Recorded]:
    transport = Recorded(answers)
    return Grafana(_URL + "/", token, transport), transport


def _dashboard() -> dict[str, Any]:
    model: dict[str, Any] = body("grafana/dashboard_uid.200.json")["dashboard"]
    return model


def test_the_version_is_the_servers_own() -> None:
    grafana, _ = _grafana({"GET /api/health": (200, "grafana/health.200.json")})
    assert grafana.version() == body("grafana/health.200.json")["version"]


def test_a_dashboard_is_read_by_its_uid_with_the_token() -> None:
    grafana, transport = _grafana(
        {"GET /api/dashboards/uid/ebit-perf-test": (200, "grafana/dashboard_uid.200.json")}, token="canary"
    )
    assert grafana.dashboard("ebit-perf-test")["uid"] == "ebit-perf-test"
    assert transport.requests[0].headers["authorization"] == "Bearer canary"


def test_without_a_token_none_is_sent() -> None:
    grafana, transport = _grafana({"GET /api/health": (200, "grafana/health.200.json")})
    grafana.version()
    assert "authorization" not in transport.requests[0].headers


@pytest.mark.parametrize("name", ["error.401", "error.401_basic", "error.401_nocreds"])
def test_a_refused_token_says_what_to_set(name: str) -> None:
    grafana, _ = _grafana({"GET /api/dashboards/uid/x": (401, f"grafana/{name}.json")}, token="canary")
    with pytest.raises(Failed, match=r"refused the token \(401\); set observability\.grafana_token") as caught:
        grafana.dashboard("x")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "name", "said"),
    [(404, "dashboard_uid.404", "404"), (403, "error.403", "403"), (500, "error.500", "500")],
)
def test_any_other_error_quotes_the_server(status: int, name: str, said: str) -> None:
    grafana, _ = _grafana({"GET /api/dashboards/uid/x": (status, f"grafana/{name}.json")})
    with pytest.raises(Failed, match=f"HTTP {said} to GET /api/dashboards/uid/x: ") as caught:
        grafana.dashboard("x")
    assert body(f"grafana/{name}.json")["message"] in str(caught.value)


def test_a_server_that_is_down_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="did not answer: ConnectError"):
        Grafana(_URL, "", Refusing()).version()


@pytest.mark.parametrize(("status", "answers"), [(200, True), (503, True), (404, True), (400, False), (500, False)])
def test_a_data_source_is_healthy_unless_its_server_says_not(*, status: int, answers: bool) -> None:
    grafana, _ = _grafana(
        {
            "GET /api/datasources/uid/prom-main": (200, "grafana/datasource_uid.200.json"),
            "GET /api/datasources/uid/prom-main/health": (status, f"grafana/datasource_health.{status}.json"),
        }
    )
    said = grafana.data_source_health("prom-main")
    assert said == ("" if answers else body(f"grafana/datasource_health.{status}.json")["message"])


def test_a_data_source_that_does_not_exist_fails() -> None:
    grafana, _ = _grafana({"GET /api/datasources/uid/gone": (404, "grafana/datasource_uid.404.json")})
    with pytest.raises(Failed, match="HTTP 404"):
        grafana.data_source_health("gone")


def test_panels_inside_rows_are_asked_too_with_variables_filled_in() -> None:
    grafana, transport = _grafana({_QUERY: (200, "grafana/ds_query.200.json")})
    answers = grafana.ask_panels(_dashboard(), _START, _END)
    assert [(answer.title, answer.series, answer.error) for answer in answers] == [
        ("p95 latency", 1, ""),
        ("waiting", 1, ""),
    ]
    sent = transport.sent(0)
    assert (sent["from"], sent["to"]) == ("1795421400000", "1795421700000")
    assert 'service_name="api"' in sent["queries"][0]["expr"]
    assert "[$__rate_interval]" in sent["queries"][0]["expr"]


def test_an_error_of_one_query_is_the_panels_error() -> None:
    grafana, _ = _grafana({_QUERY: (400, "grafana/ds_query.refid_error.400.json")})
    answer = grafana.ask_panels(_dashboard(), _START, _END)[0]
    assert answer.error == "bad_data: 1:11: parse error: unclosed left parenthesis"


@pytest.mark.parametrize(
    ("status", "name"),
    [(400, "ds_query.ds_down.400"), (400, "ds_query.invalid_ds.400"), (500, "ds_query.no_backend.500")],
)
def test_a_query_that_failed_as_a_whole_is_an_error(status: int, name: str) -> None:
    grafana, _ = _grafana({_QUERY: (status, f"grafana/{name}.json")})
    assert all(answer.error for answer in grafana.ask_panels(_dashboard(), _START, _END))


def test_no_data_is_not_an_error() -> None:
    grafana, _ = _grafana({_QUERY: (200, "grafana/ds_query.nodata.200.json")})
    assert [answer.error for answer in grafana.ask_panels(_dashboard(), _START, _END)] == ["", ""]


def test_a_variable_without_a_value_is_refused() -> None:
    dashboard = _dashboard()
    dashboard["templating"]["list"] = []
    grafana, _ = _grafana({_QUERY: (200, "grafana/ds_query.200.json")})
    with pytest.raises(Failed, match="a variable without a value"):
        grafana.ask_panels(dashboard, _START, _END)


def test_a_snapshot_embeds_the_frames_of_its_panels() -> None:
    grafana, transport = _grafana(
        {_QUERY: (200, "grafana/ds_query.200.json"), "POST /api/snapshots": (200, "grafana/snapshot.200.json")}
    )
    answers = grafana.ask_panels(_dashboard(), _START, _END)
    stored = grafana.snapshot(_dashboard(), "stage 3", _START, _END, answers)
    assert stored.key == body("grafana/snapshot.200.json")["key"]
    assert stored.url == f"{_URL}/dashboard/snapshot/{stored.key}"
    sent = transport.sent()
    frames = body("grafana/ds_query.200.json")["results"]["A"]["frames"]
    assert [panel["targets"][0]["snapshot"] for panel in sent["dashboard"]["panels"]] == [frames, frames]
    assert {panel["targets"][0]["queryType"] for panel in sent["dashboard"]["panels"]} == {"snapshot"}
    assert sent["expires"] == 0
    assert sent["dashboard"]["time"] == {"from": "2026-11-23T08:10:00+00:00", "to": "2026-11-23T08:15:00+00:00"}


def test_a_snapshot_that_is_gone_fails() -> None:
    grafana, _ = _grafana({"GET /api/snapshots/k": (404, "grafana/snapshot.404.json")})
    with pytest.raises(Failed, match="does not give snapshot k back: HTTP 404"):
        grafana.snapshot_text("k")


class _Picture(httpx.BaseTransport):
    """A server whose renderer answers with this."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path.startswith("/render/d/")
        assert request.url.params["height"] == "-1"
        return self.answer


def _png(width: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + width.to_bytes(4) + (900).to_bytes(4) + b"\x08\x06\0\0\0"


def test_a_renderers_picture_is_taken_when_it_is_as_wide_as_asked() -> None:
    transport = _Picture(httpx.Response(200, content=_png(1600), headers={"content-type": "image/png"}))
    assert Grafana(_URL, "", transport).render("d", _START, _END, 1600, 30) == _png(1600)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(200, content=_png(478)), "a placeholder 478 pixels wide; wanted are 1600"),
        (httpx.Response(302, headers={"location": "/login"}), "HTTP 302 without a picture"),
        (httpx.Response(200, content=b"<html>log in</html>"), "HTTP 200 without a picture"),
        (httpx.Response(429, content=b"{}"), "HTTP 429 without a picture"),
    ],
)
def test_a_placeholder_a_login_and_an_error_are_no_picture(answer: httpx.Response, said: str) -> None:
    with pytest.raises(Failed, match=said):
        Grafana(_URL, "", _Picture(answer)).render("d", _START, _END, 1600, 30)


def test_a_server_says_whether_it_can_draw() -> None:
    grafana, _ = _grafana({"GET /api/frontend/settings": (200, "grafana/frontend_settings.200.json")})
    assert grafana.has_renderer() == body("grafana/frontend_settings.200.json")["rendererAvailable"]


def test_points_are_the_values_of_a_panels_series() -> None:
    grafana, _ = _grafana({_QUERY: (200, "grafana/ds_query.200.json")})
    assert all(answer.points > 0 for answer in grafana.ask_panels(_dashboard(), _START, _END))
    nothing, _ = _grafana({_QUERY: (200, "grafana/ds_query.nodata.200.json")})
    assert [answer.points for answer in nothing.ask_panels(_dashboard(), _START, _END)] == [0, 0]


def test_a_moment_is_annotated_in_milliseconds() -> None:
    grafana, transport = _grafana({"POST /api/annotations": (200, "grafana/annotation.200.json")})
    grafana.annotate("ebit-perf-test", _START, "stage 3", ["rampart"])
    assert transport.sent() == {
        "dashboardUID": "ebit-perf-test", "time": 1795421400000, "text": "stage 3", "tags": ["rampart"],
    }  # fmt: skip


def test_links_follow_the_clock_unless_they_have_an_end() -> None:
    grafana, _ = _grafana({})
    assert grafana.dashboard_link("d", None, None).endswith("/d/d?orgId=1&from=now-15m&to=now&refresh=5s")
    assert grafana.dashboard_link("d", _START, _END, kiosk=True).endswith("from=1795421400000&to=1795421700000&kiosk")
