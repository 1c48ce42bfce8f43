"""The stand-in's answers, held against recorded answers of Grafana."""

from typing import Any

import pytest

from tests.integration.grafana.servers import Grafana
from tests.integration.grafana.shapes import contract, shape_problems

pytestmark = pytest.mark.integration

UID = "ebit-perf-test"
MODEL = frozenset({"$.dashboard.templating", "$.dashboard.panels", "$.dashboard.annotations"})


@pytest.mark.parametrize(
    ("name", "path", "ignore"),
    [
        ("health.200", "/api/health", frozenset[str]()),
        ("search.200", "/api/search?query=ebit&type=dash-db", frozenset[str]()),
        ("search.200", f"/api/search?dashboardUIDs={UID}", frozenset[str]()),
        ("dashboard_uid.200", f"/api/dashboards/uid/{UID}", MODEL),
        (
            "dashboard_apis.200",
            f"/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards/{UID}",
            frozenset({"$.spec.templating", "$.spec.panels", "$.spec.annotations"}),
        ),
        ("datasources.200", "/api/datasources", frozenset[str]()),
        ("datasource_uid.200", "/api/datasources/uid/prom-main", frozenset[str]()),
        ("datasource_health.200", "/api/datasources/uid/prom-main/health", frozenset[str]()),
        ("frontend_settings.200", "/api/frontend/settings", frozenset[str]()),
    ],
)
def test_an_answer_has_the_recorded_shape(grafana: Grafana, name: str, path: str, ignore: frozenset[str]) -> None:
    answer = grafana.editor.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert shape_problems(contract(name), answer.json(), ignore) == []


@pytest.mark.parametrize(
    ("name", "method", "path", "body"),
    [
        ("dashboard_uid.404", "GET", "/api/dashboards/uid/nope", None),
        ("dashboard_apis.404", "GET", "/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards/nope", None),
        ("datasource_uid.404", "GET", "/api/datasources/uid/nope", None),
        ("datasource_health.500", "GET", "/api/datasources/uid/nope/health", None),
        ("annotation.400", "POST", "/api/annotations", {"time": 1}),
        ("annotation_patch.404", "PATCH", "/api/annotations/99999", {}),
        ("annotations_get.400", "GET", "/api/annotations?dashboardUID=nope", None),
        ("snapshot.400", "POST", "/api/snapshots", {"dashboard": {"uid": "nope"}}),
        ("snapshot.404", "GET", "/api/snapshots/nope", None),
        ("snapshot.404", "DELETE", "/api/snapshots/nope", None),
        ("snapshot.404", "GET", "/api/snapshots-delete/nope", None),
        ("ds_query.invalid_ds.400", "POST", "/api/ds/query", {"queries": [{"refId": "A", "expr": "up"}]}),
    ],
)
def test_a_refusal_has_the_recorded_status_and_body(
    grafana: Grafana, name: str, method: str, path: str, body: dict[str, Any] | None
) -> None:
    answer = grafana.editor.request(method, path, json=body)
    assert answer.status_code == int(name.rpartition(".")[2])
    assert answer.json() == contract(name)


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("error.401", {"Authorization": "Bearer glsa_wrong"}),
        ("error.401_basic", {"Authorization": "Basic YWRtaW46d3Jvbmc="}),
        ("error.401_nocreds", {}),
    ],
)
@pytest.mark.parametrize("path", ["/api/org", "/api/search", "/api/datasources", "/api/annotations", "/api/unknown"])
def test_wrong_or_missing_credentials_are_401(grafana: Grafana, name: str, headers: dict[str, str], path: str) -> None:
    answer = grafana.nobody.get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.json() == contract(name)


def test_a_token_is_probed_with_the_organisation_not_the_user(grafana: Grafana) -> None:
    assert grafana.editor.get("/api/org").json()["id"] == 1
    assert grafana.editor.get("/api/user").status_code == 404


def test_health_needs_no_credentials_and_says_it_is_a_stand_in(grafana: Grafana) -> None:
    assert "standin" in grafana.nobody.get("/api/health").json()["version"]


def test_a_viewer_may_read_but_neither_annotate_nor_snapshot(grafana: Grafana) -> None:
    assert grafana.viewer.get("/api/datasources").status_code == 200
    note = grafana.viewer.post("/api/annotations", json={"text": "x"})
    assert (note.status_code, note.json()) == (403, contract("annotation.403"))
    patch = grafana.viewer.patch("/api/annotations/99999", json={})
    assert patch.status_code == 403
    assert shape_problems(contract("error.403"), patch.json()) == []
    snapshot = grafana.viewer.post("/api/snapshots", json=contract("snapshot.request"))
    assert snapshot.status_code == 403
    assert "snapshots:create" in snapshot.json()["message"]


def test_down_data_sources_are_400_with_the_recorded_words(grafana_alone: Grafana) -> None:
    answer = grafana_alone.editor.get("/api/datasources/uid/prom-main/health")
    assert answer.status_code == 400
    assert shape_problems(contract("datasource_health.400"), answer.json()) == []
    assert "connection refused" in answer.json()["message"]
    assert grafana_alone.editor.get("/api/datasources/uid/jaeger-main/health").status_code == 400


def test_jaeger_is_healthy_when_it_lists_services(grafana: Grafana) -> None:
    answer = grafana.editor.get("/api/datasources/uid/jaeger-main/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "OK")


def test_there_is_no_renderer_and_the_settings_say_so(grafana: Grafana) -> None:
    meta = contract("render.no_renderer.meta")
    assert grafana.editor.get("/api/frontend/settings").json()["rendererAvailable"] is False
    for path in (
        f"/render/d/{UID}/x?width=1920&height=-1",
        "/render/d/nope/x?width=1000",
        "/render/d-solo/x/y?panelId=1",
    ):
        answer = grafana.editor.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (meta["status"], meta["content-type"])
        size = [int.from_bytes(answer.content[at : at + 4], "big") for at in (16, 20)]
        assert size == meta["pixel_size"]


def test_rendering_without_credentials_goes_to_the_login_and_with_a_wrong_width_fails(grafana: Grafana) -> None:
    answer = grafana.nobody.get(f"/render/d/{UID}/x")
    assert (answer.status_code, answer.headers["location"]) == (302, "/login")
    assert grafana.editor.get(f"/render/d/{UID}/x?width=abc").status_code == 400


def test_a_page_of_no_dashboard_answers_like_a_real_one(grafana: Grafana) -> None:
    real, nope = grafana.nobody.get(f"/d/{UID}/x"), grafana.nobody.get("/d/nope/x")
    assert (real.status_code, real.text) == (nope.status_code, nope.text)
    assert real.status_code == 200
    assert "Stand-in for Grafana: rehearsal only" in real.text
