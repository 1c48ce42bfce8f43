"""Lines over the time of the load: how finely they are kept, and that a file says what was written."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.models.settings import MetricNames
from tasks.rules import series
from tasks.rules.record import fold

from .journals import START, breach, event, opened

_VALUES = st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32), max_size=50)


@pytest.mark.parametrize(("seconds", "step"), [(0, 1), (150, 1), (600, 1), (601, 2), (2520, 5), (3000, 5), (7200, 12)])
def test_a_plot_has_at_most_six_hundred_points_and_a_real_ramp_five_seconds(seconds: float, step: float) -> None:
    assert series.step_s(seconds) == step
    assert series.window_s(step) >= 2 * step


@given(_VALUES)
def test_what_was_written_is_read_back(values: list[float | None]) -> None:
    text = series.written(series.WANTED[0], START, 1.0, ["query"], {"one": values})
    curves = series.read(text)
    assert (curves.start, curves.step_s, dict(curves.lines)) == (START, 1.0, {"one": tuple(values)})
    assert curves.times() == [float(index) for index in range(len(values))]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"start": 1, "step_s": 1, "lines": {}}', '{"start": "2026-11-23"}'])
def test_what_is_no_file_of_series_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        series.read(text)


def test_points_lie_on_the_grid_and_what_is_no_number_is_missing() -> None:
    begin = START.timestamp()
    points = ((begin, 1.23456789), (begin + 5.2, float("nan")), (begin + 15, float("inf")), (begin + 20, 4.0))
    assert series.on_grid(points, START, START + timedelta(seconds=22), 5.0) == [1.23457, None, None, None, 4.0]


def test_the_time_of_the_load_reaches_to_what_was_stopped_last() -> None:
    stages = [event("stage_started", 10, number=1, vus=10), event("stage_ended", 60, number=1)]
    ramp = fold([opened(), *stages, breach(), event("load_stopped", 95.0)])
    assert series.loaded_time(ramp) == (START + timedelta(seconds=10), START + timedelta(seconds=100))
    smoke = event("smoke", started=START.isoformat(), ended=(START + timedelta(seconds=9)).isoformat())
    assert series.loaded_time(fold([opened(), smoke])) == (START, START + timedelta(seconds=9))
    assert series.loaded_time(fold([opened()])) is None


def test_every_family_asks_for_the_runs_own_series_or_the_systems() -> None:
    for wanted in series.WANTED:
        for query in wanted.queries:
            asked = query(MetricNames(), "run-1", 10.0)
            assert ('run_id="run-1"' in asked) != (wanted.name in {"cpu", "memory", "queues"}), asked
    assert len({wanted.name for wanted in series.WANTED}) == len(series.WANTED)


def test_a_file_is_the_same_text_each_time_and_one_line() -> None:
    first = series.written(series.WANTED[0], START, 1.0, ["q"], {"b": [1.0], "a": [2.0]})
    again = series.written(series.WANTED[0], START, 1.0, ["q"], {"a": [2.0], "b": [1.0]})
    assert first == again
    assert list(json.loads(first)["lines"]) == ["a", "b"]
