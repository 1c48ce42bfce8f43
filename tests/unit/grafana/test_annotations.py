"""The store of annotations."""

from pathlib import Path

import pytest

from deployments.rehearsal.grafana.annotations import Annotations, view
from deployments.rehearsal.grafana.answers import ApiError, Json

UID = "ebit-perf-test"


@pytest.fixture
def store(tmp_path: Path) -> Annotations:
    return Annotations(tmp_path / "annotations.jsonl")


def _add(store: Annotations, **body: Json) -> int:
    return store.add({"text": "stage", "time": 1_000, "dashboardUID": UID, **body}, [UID])


def test_a_wrong_dashboard_uid_is_stored_for_the_whole_organisation(store: Annotations) -> None:
    shown = view(store.get(_add(store, dashboardUID="nope")), 0)
    assert isinstance(shown, dict)
    assert (shown["dashboardUID"], shown["dashboardId"]) == (None, 0)


def test_seconds_are_taken_as_milliseconds_without_complaint(store: Annotations) -> None:
    assert store.get(_add(store, time=1_795_421_400)).time == 1_795_421_400


def test_without_a_time_it_is_now(store: Annotations) -> None:
    assert store.get(_add(store, time=0)).time > 1_700_000_000_000


def test_an_end_before_the_start_is_swapped(store: Annotations) -> None:
    item = store.get(_add(store, time=5_000, timeEnd=2_000))
    assert (item.time, item.time_end) == (2_000, 5_000)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"text": ""}, "Failed to save annotation"),
        ({"time": "1795421400000"}, "bad request data"),
        ({"time": 1.5}, "bad request data"),
        ({"tags": ["x" * 300, "y" * 201]}, "Tags length exceeds the maximum allowed."),
    ],
)
def test_what_cannot_be_stored_is_400(store: Annotations, body: dict[str, Json], message: str) -> None:
    with pytest.raises(ApiError) as caught:
        _add(store, **body)
    assert caught.value.status == 400
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["message"] == message


def test_a_hundred_come_unless_more_are_asked_newest_first(store: Annotations) -> None:
    for moment in range(1, 151):
        _add(store, time=moment)
    assert [item.time for item in store.find()] == list(range(150, 50, -1))
    assert len(store.find(limit=1_000)) == 150


def test_tags_must_all_match_unless_any_is_asked(store: Annotations) -> None:
    _add(store, tags=["a", "b"])
    _add(store, tags=["b"])
    assert len(store.find(tags=["a", "b"])) == 1
    assert len(store.find(tags=["a", "b"], match_any=True)) == 2


def test_a_range_finds_what_overlaps_it(store: Annotations) -> None:
    _add(store, time=1_000, timeEnd=3_000)
    assert store.find(from_ms=2_000, to_ms=9_000)
    assert not store.find(from_ms=3_001, to_ms=9_000)


def test_a_patch_changes_only_what_it_names(store: Annotations) -> None:
    number = _add(store, tags=["a"])
    store.change(number, {"timeEnd": 4_000}, whole=False)
    item = store.get(number)
    assert (item.text, item.time, item.time_end, item.tags) == ("stage", 1_000, 4_000, ("a",))


def test_annotations_outlive_a_restart_and_a_torn_line(tmp_path: Path) -> None:
    file = tmp_path / "annotations.jsonl"
    first = Annotations(file)
    kept, dropped = _add(first), _add(first)
    first.delete(dropped)
    with file.open("a") as stream:
        stream.write('{"id": 3, "te')
    again = Annotations(file)
    added = _add(again)
    assert added > dropped
    assert {item.id for item in Annotations(file).find()} == {kept, added}
