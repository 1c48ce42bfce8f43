"""Frames in Grafana's wire format."""

import json
from typing import Any, cast

import pytest

from deployments.rehearsal.grafana.answers import Json
from deployments.rehearsal.grafana.frames import Naming, empty_frame, matrix_frames, vector_frames


def _naming(legend: str = "") -> Naming:
    return Naming("A", legend, "sum(up)", "Expr: sum(up)\nStep: 15s")


def _series(*values: str, **labels: str) -> dict[str, Any]:
    return {"metric": labels, "values": [[1795421400 + 15 * row, value] for row, value in enumerate(values)]}


def _field(frame: Json) -> dict[str, Any]:
    return cast("dict[str, Any]", frame)["schema"]["fields"][1]  # type: ignore[no-any-return]


def _data(frame: Json) -> dict[str, Any]:
    return cast("dict[str, Any]", frame)["data"]  # type: ignore[no-any-return]


def test_times_are_milliseconds_and_values_are_columns() -> None:
    (frame,) = matrix_frames(_naming("calls"), [_series("12.1", "12.4")], 15_000)
    assert _data(frame) == {"values": [[1795421400000, 1795421415000], [12.1, 12.4]]}


def test_nan_and_infinities_are_null_with_their_rows_named() -> None:
    (frame,) = matrix_frames(_naming(), [_series("NaN", "1", "+Inf", "-Inf", "NaN")], 15_000)
    assert _data(frame)["values"][1] == [None, 1.0, None, None, None]
    assert _data(frame)["entities"] == [None, {"NaN": [0, 4], "Inf": [2], "NegInf": [3]}]
    json.dumps(frame, allow_nan=False)


@pytest.mark.parametrize(
    ("legend", "labels", "name"),
    [
        ("{{scenario}} p95", {"scenario": "bet"}, "bet p95"),
        ("{{ missing }}x", {}, "x"),
        ("", {"__name__": "up", "job": "k6", "a": "b"}, 'up{a="b", job="k6"}'),
        ("", {}, "sum(up)"),
        ("__auto", {}, "sum(up)"),
    ],
)
def test_a_series_is_named_by_legend_labels_or_expression(legend: str, labels: dict[str, str], name: str) -> None:
    (frame,) = matrix_frames(_naming(legend), [_series("1", **labels)], 1_000)
    assert _field(frame)["config"] == {"displayNameFromDS": name}


def test_auto_leaves_the_name_of_a_labelled_series_to_the_page() -> None:
    (frame,) = matrix_frames(_naming("__auto"), [_series("1", scenario="bet")], 1_000)
    assert _field(frame)["config"] == {}


def test_a_field_carries_the_metric_name_and_all_labels() -> None:
    (frame,) = vector_frames(_naming(), [{"metric": {"__name__": "k6_vus", "instance": "1"}, "value": [1, "5"]}])
    assert _field(frame)["name"] == "k6_vus"
    assert _field(frame)["labels"] == {"__name__": "k6_vus", "instance": "1"}


def test_a_native_histogram_without_values_is_left_out() -> None:
    assert matrix_frames(_naming(), [{"metric": {}, "histograms": [[1, {}]]}], 1_000) == []


def test_the_empty_frame_has_no_fields_but_tells_the_query() -> None:
    frame = cast("dict[str, Any]", empty_frame("B", "Expr: x\nStep: 1s"))
    assert frame["schema"]["fields"] == []
    assert frame["schema"]["meta"]["executedQueryString"] == "Expr: x\nStep: 1s"
