"""Annotations and snapshots over HTTP."""

import pytest

from tests.integration.grafana.servers import Grafana
from tests.integration.grafana.shapes import contract, shape_problems

pytestmark = pytest.mark.integration

UID = "ebit-perf-test"


def test_an_annotation_is_added_found_changed_and_deleted(grafana: Grafana) -> None:
    request = contract("annotation.request")
    added = grafana.editor.post("/api/annotations", json=request)
    assert added.status_code == 200
    assert shape_problems(contract("annotation.200"), added.json()) == []
    number = added.json()["id"]

    filters = {"dashboardUID": UID, "from": "1795421399000", "to": "1795421701000", "tags": "perf-stage"}
    found = grafana.viewer.get("/api/annotations", params=filters)
    assert shape_problems(contract("annotations_get.200"), found.json()) == []
    assert [item["id"] for item in found.json()] == [number]

    patched = grafana.editor.patch(f"/api/annotations/{number}", json=contract("annotation_patch.request"))
    assert patched.json() == contract("annotation_patch.200")
    assert grafana.editor.get(f"/api/annotations/{number}").json()["text"] == "Stage ramp-up (done)"

    assert grafana.editor.delete(f"/api/annotations/{number}").json() == {"message": "Annotation deleted"}
    assert grafana.viewer.get("/api/annotations", params=filters).json() == []


def test_a_wrong_dashboard_uid_is_200_and_organisation_wide(grafana: Grafana) -> None:
    answer = grafana.editor.post("/api/annotations", json={"dashboardUID": "nope", "text": "lost", "tags": ["lost"]})
    assert answer.status_code == 200
    (item,) = grafana.editor.get("/api/annotations", params={"tags": "lost"}).json()
    assert (item["dashboardUID"], item["dashboardId"]) == (None, 0)


def test_an_id_that_is_no_number_is_400(grafana: Grafana) -> None:
    answer = grafana.editor.patch("/api/annotations/x", json={})
    assert (answer.status_code, answer.json()["message"]) == (400, "annotationId is invalid")


def test_a_snapshot_is_kept_as_given_and_deleted_by_its_delete_key(grafana: Grafana) -> None:
    request = contract("snapshot.request")
    made = grafana.editor.post("/api/snapshots", json=request)
    assert made.status_code == 200
    assert shape_problems(contract("snapshot.200"), made.json()) == []
    key, delete_key = made.json()["key"], made.json()["deleteKey"]
    assert made.json()["url"] == f"{grafana.url}/dashboard/snapshot/{key}"

    read = grafana.nobody.get(f"/api/snapshots/{key}")
    assert shape_problems(contract("snapshot_get.200"), read.json(), frozenset({"$.dashboard.panels"})) == []
    assert read.json()["dashboard"] == {**request["dashboard"], "snapshot": {"originalUrl": f"/d/{UID}"}}

    assert grafana.nobody.get(f"/api/snapshots-delete/{delete_key}").status_code == 401
    deleted = grafana.editor.get(f"/api/snapshots-delete/{delete_key}")
    assert shape_problems(contract("snapshot_delete.200"), deleted.json()) == []
    assert deleted.json()["message"] == contract("snapshot_delete.200")["message"]
    assert grafana.nobody.get(f"/api/snapshots/{key}").status_code == 404


def test_a_key_already_used_is_500(grafana: Grafana) -> None:
    request = {**contract("snapshot.request"), "key": "own-key", "deleteKey": "own-delete-key"}
    first = grafana.editor.post("/api/snapshots", json=request)
    assert set(first.json()) == set(contract("snapshot.200"))
    again = grafana.editor.post("/api/snapshots", json=request)
    assert (again.status_code, again.json()) == (500, {"message": "Failed to create snapshot", "traceID": ""})
    assert grafana.editor.delete("/api/snapshots/own-key").status_code == 200
