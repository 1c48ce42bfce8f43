"""POST /api/ds/query against a real Prometheus: wire format and traps."""

import time
from typing import Any

import httpx
import pytest

from tests.integration.grafana.servers import Grafana
from tests.integration.grafana.shapes import contract, shape_problems

pytestmark = pytest.mark.integration

PROMETHEUS = {"type": "prometheus", "uid": "prom-main"}
JAEGER = {"type": "jaeger", "uid": "jaeger-main"}
VUS = "sum(k6_vus)"


def _query(expression: str, ref_id: str = "A", **more: Any) -> dict[str, Any]:
    return {
        "refId": ref_id,
        "datasource": PROMETHEUS,
        "expr": expression,
        "intervalMs": 1_000,
        "maxDataPoints": 300,
        **more,
    }


def _ask(grafana: Grafana, *queries: dict[str, Any], **more: Any) -> httpx.Response:
    return grafana.editor.post("/api/ds/query", json={"from": "now-3m", "to": "now", "queries": queries, **more})


def _values(answer: httpx.Response, ref_id: str = "A") -> list[list[float | None]]:
    frames = answer.json()["results"][ref_id]["frames"]
    return [frame["data"]["values"][1] for frame in frames]


def test_the_recorded_request_is_taken_and_answered_in_the_recorded_shape(grafana: Grafana) -> None:
    request = contract("ds_query.request")
    request["queries"][0]["legendFormat"] = "calls/s"
    end = int(time.time() * 1000)
    request.update({"from": str(end - 120_000), "to": str(end)})
    answer = grafana.editor.post("/api/ds/query", json=request)
    assert answer.status_code == 200
    assert shape_problems(contract("ds_query.200"), answer.json()) == []
    field = answer.json()["results"]["A"]["frames"][0]["schema"]["fields"][1]
    assert field["config"]["displayNameFromDS"] == "calls/s"


def test_a_range_query_shows_the_ramp(grafana: Grafana) -> None:
    (values,) = _values(_ask(grafana, _query(VUS)))
    assert max(value for value in values if value is not None) == 100


def test_an_instant_query_gives_one_point(grafana: Grafana) -> None:
    (values,) = _values(_ask(grafana, _query(VUS, instant=True, range=False)))
    assert len(values) == 1


def test_quantiles_of_native_histograms_are_numbers_per_scenario(grafana: Grafana) -> None:
    expression = (
        "histogram_quantile(0.95, sum by(scenario) (rate(k6_http_req_duration_seconds[$__rate_interval]))) * 1000"
    )
    answer = _ask(grafana, _query(expression, legendFormat="{{scenario}}"))
    frames = answer.json()["results"]["A"]["frames"]
    names = {frame["schema"]["fields"][1]["config"]["displayNameFromDS"] for frame in frames}
    assert names == {"signin", "bet", "history"}
    assert "rate(k6_http_req_duration_seconds[10s])" in frames[0]["schema"]["meta"]["executedQueryString"]


def test_nothing_found_is_200_with_an_empty_frame(grafana: Grafana) -> None:
    answer = _ask(grafana, _query("no_such_metric"))
    assert answer.status_code == 200
    assert shape_problems(contract("ds_query.nodata.200"), answer.json()) == []
    assert answer.json()["results"]["A"]["frames"][0]["schema"]["fields"] == []


def test_a_variable_nobody_replaced_finds_nothing_and_is_no_error(grafana: Grafana) -> None:
    answer = _ask(grafana, _query('k6_vus{instance="$instance"}'))
    assert answer.status_code == 200
    assert answer.json()["results"]["A"]["frames"][0]["data"]["values"] == []


def test_one_failing_ref_id_makes_it_400_with_the_good_ones_included(grafana: Grafana) -> None:
    answer = _ask(grafana, _query("sum(k6_vus"), _query(VUS, "B", legendFormat="vus"))
    assert answer.status_code == 400
    assert shape_problems(contract("ds_query.refid_error.400"), answer.json()) == []
    assert "parse error: unclosed left parenthesis" in answer.json()["results"]["A"]["error"]
    assert answer.json()["results"]["A"]["status"] == 400
    assert _values(answer, "B")


@pytest.mark.parametrize("uid", ["nope", "${datasource}"])
def test_one_unknown_data_source_fails_the_whole_request(grafana: Grafana, uid: str) -> None:
    answer = _ask(grafana, _query(VUS), _query(VUS, "B", datasource={"uid": uid}))
    assert answer.status_code == 404
    assert answer.json() == contract("ds_query.404")


def test_nan_is_null_with_its_rows_named(grafana: Grafana) -> None:
    answer = _ask(grafana, _query("0 * sum(k6_vus) / 0"))
    frame = answer.json()["results"]["A"]["frames"][0]["data"]
    assert frame["entities"] == [None, {"NaN": list(range(len(frame["values"][1])))}]


@pytest.mark.parametrize(
    "broken",
    [{"from": 1795421400000}, {"to": "soon"}, {"queries": []}, {"queries": ["up"]}],
)
def test_a_malformed_request_is_400(grafana: Grafana, broken: dict[str, Any]) -> None:
    assert _ask(grafana, _query(VUS), **broken).status_code == 400


def test_a_body_that_is_no_json_is_400(grafana: Grafana) -> None:
    answer = grafana.editor.post("/api/ds/query", content=b"{")
    assert (answer.status_code, answer.json()["message"]) == (400, "bad request data")


def test_a_prometheus_that_is_down_is_400_with_status_502(grafana_alone: Grafana) -> None:
    answer = _ask(grafana_alone, _query(VUS))
    assert answer.status_code == 400
    assert shape_problems(contract("ds_query.ds_down.400"), answer.json()) == []
    assert answer.json()["results"]["A"]["status"] == 502
    assert answer.json()["results"]["A"]["frames"] == []


def test_a_hidden_query_runs_and_a_missing_ref_id_is_a(grafana: Grafana) -> None:
    hidden = {key: value for key, value in _query(VUS, hide=True).items() if key != "refId"}
    assert _values(_ask(grafana, hidden))


def test_a_trace_is_found_by_its_id_and_an_unknown_one_is_an_error(grafana: Grafana) -> None:
    known = _ask(grafana, {"refId": "A", "datasource": JAEGER, "query": "4bf92f3577b34da6a3ce929d0e0e4736"})
    assert known.status_code == 200
    assert "GET /orders" in known.json()["results"]["A"]["frames"][0]["data"]["values"][3]
    unknown = _ask(grafana, {"refId": "A", "datasource": JAEGER, "query": "0" * 32})
    assert (unknown.status_code, unknown.json()["results"]["A"]["status"]) == (400, 404)


def test_every_panel_of_the_dashboard_runs_without_an_error(grafana: Grafana) -> None:
    model = grafana.editor.get("/api/dashboards/uid/ebit-perf-test").json()["dashboard"]
    silent = set()
    for panel in model["panels"]:
        queries = [
            {
                key: value.replace("$service", "api") if isinstance(value, str) else value
                for key, value in target.items()
            }
            for target in panel["targets"]
        ]
        # The story is in the range however long ago it was pushed.
        answer = _ask(
            grafana,
            *({**query, "intervalMs": 1_000, "maxDataPoints": 900} for query in queries),
            **{"from": "now-15m"},
        )
        assert answer.status_code == 200, (panel["title"], answer.text)
        if not any(result["frames"][0]["data"]["values"] for result in answer.json()["results"].values()):
            silent.add(panel["title"])
    assert silent == {"Failed calls per operation"}  # nothing failed in the story


def test_the_values_of_a_variable_come_from_prometheus(grafana: Grafana) -> None:
    path = "/api/datasources/uid/prom-main/resources/api/v1/label/service_name/values"
    answer = grafana.viewer.get(path, params={"match[]": "traces_span_metrics_calls_total"})
    assert answer.json()["data"] == ["api", "auth", "bet", "rt", "worker"]
