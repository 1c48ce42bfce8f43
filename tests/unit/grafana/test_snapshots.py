"""The store of snapshots."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployments.rehearsal.grafana.answers import ApiError, Json
from deployments.rehearsal.grafana.dashboards import Dashboard
from deployments.rehearsal.grafana.snapshots import Snapshots

KNOWN = {"d": Dashboard(1, "d.json", datetime(2026, 11, 23, tzinfo=UTC), {"uid": "d"})}
MODEL: Json = {"uid": "d", "title": "t", "panels": [{"id": 1, "anything": [1, None]}]}


def _status(caught: pytest.ExceptionInfo[ApiError]) -> int:
    return caught.value.status


def test_a_dashboard_comes_back_as_sent_plus_its_original_address(tmp_path: Path) -> None:
    store = Snapshots(tmp_path)
    item, _ = store.add({"dashboard": MODEL}, KNOWN)
    answer = store.read(item.key)
    assert isinstance(answer, dict)
    assert isinstance(MODEL, dict)
    assert answer["dashboard"] == {**MODEL, "snapshot": {"originalUrl": "/d/d"}}


def test_an_expired_snapshot_is_404(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Snapshots(tmp_path)
    item, _ = store.add({"dashboard": MODEL, "expires": 60}, KNOWN)
    monkeypatch.setattr("deployments.rehearsal.grafana.snapshots.time.time", lambda: item.expires)
    with pytest.raises(ApiError) as caught:
        store.read(item.key)
    assert (_status(caught), caught.value.body) == (404, {"message": "Dashboard snapshot not found"})


def test_a_key_that_is_taken_is_500(tmp_path: Path) -> None:
    store = Snapshots(tmp_path)
    store.add({"dashboard": MODEL, "key": "mine"}, KNOWN)
    with pytest.raises(ApiError) as caught:
        store.add({"dashboard": MODEL, "key": "mine"}, KNOWN)
    assert _status(caught) == 500


@pytest.mark.parametrize(
    "body", [{}, {"dashboard": []}, {"dashboard": MODEL, "expires": "1h"}, {"dashboard": {"uid": "nope"}}]
)
def test_what_is_no_snapshot_of_a_known_dashboard_is_400(tmp_path: Path, body: dict[str, Json]) -> None:
    with pytest.raises(ApiError) as caught:
        Snapshots(tmp_path).add(body, KNOWN)
    assert _status(caught) == 400


def test_a_hostile_key_names_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    item, _ = Snapshots(folder).add({"dashboard": MODEL, "key": "../../escape"}, KNOWN)
    assert {file.name for file in folder.iterdir()} == {"index.jsonl", "1.json"}
    assert Snapshots(folder).read(item.key)


def test_only_the_delete_key_deletes_by_delete_key(tmp_path: Path) -> None:
    store = Snapshots(tmp_path)
    item, _ = store.add({"dashboard": MODEL}, KNOWN)
    with pytest.raises(ApiError):
        store.delete_by_delete_key(item.key)
    assert store.delete_by_delete_key(item.delete_key) == item.id
    with pytest.raises(ApiError):
        Snapshots(tmp_path).read(item.key)


def test_the_list_keeps_delete_keys_to_itself(tmp_path: Path) -> None:
    store = Snapshots(tmp_path)
    item, _ = store.add({"dashboard": MODEL}, KNOWN)
    assert item.delete_key not in str(store.listed())
