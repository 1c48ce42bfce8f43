"""Cuts of a ramp: they tile the whole, and every scenario gets its users."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.models.errors import Refused
from blocks.models.load import LoadPlan
from tasks.rules.segments import cut_into_segments, segment_options, sequence_of
from tasks.rules.stages import read_load_plan

from .plans import inspected, mixed_plan, steps


@st.composite
def _ramps(draw: st.DrawFn) -> tuple[LoadPlan, int]:
    loadgens = draw(st.integers(1, 4))
    rises = draw(st.lists(st.integers(loadgens, 5000), min_size=2, max_size=10))
    levels = [sum(rises[: count + 1]) for count in range(len(rises))]
    scenarios = {
        name: steps([level * weight for level in levels])
        for name, weight in {"bet": 3, "signin": draw(st.integers(1, 9)), "ws": 1}.items()
    }
    return read_load_plan(inspected(scenarios), "ramp.js"), loadgens


@given(_ramps())
def test_cuts_tile_the_whole_exactly(ramp: tuple[LoadPlan, int]) -> None:
    plan, loadgens = ramp
    segments = cut_into_segments(plan, loadgens)
    assert segments[0].start == 0
    assert segments[-1].end == 1
    assert all(left.end == right.start for left, right in pairwise(segments))
    assert [segment.index for segment in segments] == list(range(1, len(plan.levels) * loadgens + 1))


@given(_ramps())
def test_the_sequence_rises_strictly_and_names_every_cut(ramp: tuple[LoadPlan, int]) -> None:
    segments = cut_into_segments(*ramp)
    corners = [Fraction(part) for part in sequence_of(segments).split(",")]
    assert corners[0] == 0
    assert corners[-1] == 1
    assert all(left < right for left, right in pairwise(corners))
    assert set(corners) == {Fraction(0)} | {segment.end for segment in segments}


@given(_ramps())
def test_the_cuts_up_to_a_stage_are_the_share_of_its_level(ramp: tuple[LoadPlan, int]) -> None:
    plan, loadgens = ramp
    segments = cut_into_segments(plan, loadgens)
    top = Fraction(plan.levels[-1].amount)
    for level in plan.levels:
        running = [segment for segment in segments if segment.stage <= level.number]
        assert sum((cut.end - cut.start for cut in running), Fraction(0)) == Fraction(level.amount) / top


@given(_ramps())
def test_load_generators_share_every_stage_equally(ramp: tuple[LoadPlan, int]) -> None:
    plan, loadgens = ramp
    segments = cut_into_segments(plan, loadgens)
    assert set(Counter(segment.stage for segment in segments).values()) == {loadgens}
    for number in range(1, len(plan.levels) + 1):
        cuts = [segment for segment in segments if segment.stage == number]
        assert [cut.loadgen for cut in cuts] == list(range(loadgens))
        assert len({cut.end - cut.start for cut in cuts}) == 1


def test_a_segment_without_a_user_for_a_scenario_is_refused() -> None:
    with pytest.raises(Refused, match=r"segment-01 would run scenario 'ws' with 0\.75 virtual users"):
        cut_into_segments(mixed_plan(), 4)


def test_a_segment_with_just_one_user_for_each_scenario_is_fine() -> None:
    assert len(cut_into_segments(mixed_plan(), 3)) == 9


def test_arrival_rates_may_be_cut_below_one() -> None:
    plan = read_load_plan(inspected({"a": steps([1, 2], executor="ramping-arrival-rate")}), "s.js")
    assert len(cut_into_segments(plan, 4)) == 8


def test_a_segment_rises_over_its_own_rise_to_the_whole_and_holds() -> None:
    plan = mixed_plan()
    options = segment_options(plan, cut_into_segments(plan, 1)[1], 7200.0, {})
    assert options["scenarios"]["ws"] == {
        "exec": "ws",
        "gracefulStop": "10s",
        "executor": "ramping-vus",
        "startVUs": 0,
        "stages": [{"duration": "60000ms", "target": 9}, {"duration": "7200000ms", "target": 9}],
    }
    assert options["noConnectionReuse"] is True


def test_an_arrival_rate_segment_counts_per_second() -> None:
    plan = read_load_plan(
        inspected({"a": steps([600, 1200], executor="ramping-arrival-rate", timeUnit="1m0s", preAllocatedVUs=5)}),
        "s.js",
    )
    scenario = segment_options(plan, cut_into_segments(plan, 1)[0], 60.0, {})["scenarios"]["a"]
    assert (scenario["startRate"], scenario["timeUnit"], scenario["preAllocatedVUs"]) == (0, "1s", 5)
    assert scenario["stages"][-1]["target"] == 20
    assert "startVUs" not in scenario


def test_thresholds_are_kept_but_none_aborts() -> None:
    plan = mixed_plan()
    options = segment_options(plan, cut_into_segments(plan, 1)[0], 60.0, {})
    assert options["thresholds"] == {
        "http_req_failed": [{"threshold": "rate<0.05", "abortOnFail": False}],
        "checks": ["rate>0.95"],
    }


def test_the_runs_tags_join_the_scripts_and_win() -> None:
    plan = mixed_plan()
    options = segment_options(plan, cut_into_segments(plan, 1)[0], 60.0, {"run_id": "r1", "testid": "ours"})
    assert options["tags"] == {"testid": "ours", "project": "ebit", "run_id": "r1"}


def test_segments_are_named_in_two_digits() -> None:
    segments = cut_into_segments(mixed_plan(), 1)
    assert [segment.name for segment in segments] == ["segment-01", "segment-02", "segment-03"]
    assert sum(segment.share for segment in segments) == pytest.approx(1)
