"""Cuts of a ramp: they tile the whole, every scenario gets its users, and k6's own deal gives exactly these."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.models.errors import Refused
from blocks.models.load import LoadPlan, Segment
from tasks.rules.segments import (
    cut_into_segments,
    finer_plan,
    literal_options,
    next_probe,
    renumber,
    segment_options,
    sequence_of,
    throttle,
    timeline,
    with_system_tags,
)
from tasks.rules.stages import read_load_plan, scale_load

from .plans import inspected, mixed_plan, ramping, rate_plan, steps


@st.composite
def _ramps(draw: st.DrawFn) -> tuple[LoadPlan, int]:
    """Up to three scenarios that rise by different numbers at each level, on up to four load generators."""
    loadgens = draw(st.integers(1, 4))
    count = draw(st.integers(2, 6))
    scenarios = {}
    for name in ("bet", "signin", "ws")[: draw(st.integers(1, 3))]:
        rises = draw(st.lists(st.integers(loadgens, 60), min_size=count, max_size=count))
        scenarios[name] = steps([sum(rises[: number + 1]) for number in range(count)])
    return read_load_plan(inspected(scenarios), "ramp.js"), loadgens


def _k6_scales(total: int, segment: Segment, segments: tuple[Segment, ...]) -> int:
    """Deal a total out as k6 does, by its rule taken literally: slot by slot, the larger segments first."""
    widths = [cut.end - cut.start for cut in segments]
    order = sorted(range(len(widths)), key=lambda cut: widths[cut], reverse=True)
    dealt = Counter[int]()
    for slot in range(total):
        taker = next(cut for cut in order if Fraction(slot) >= dealt[cut] / widths[cut])
        dealt[taker] += 1
    return dealt[segments.index(segment)]


@given(_ramps())
def test_cuts_tile_the_whole_exactly(ramp: tuple[LoadPlan, int]) -> None:
    plan, loadgens = ramp
    segments = cut_into_segments(plan, loadgens)
    assert segments[0].start == 0
    assert segments[-1].end == 1
    assert all(left.end == right.start < right.end for left, right in pairwise(segments))
    assert [segment.index for segment in segments] == list(range(1, len(plan.levels) * loadgens + 1))


@given(_ramps())
@settings(max_examples=40, deadline=None)
def test_k6s_cut_of_every_target_is_the_amount(ramp: tuple[LoadPlan, int]) -> None:
    plan, loadgens = ramp
    segments = cut_into_segments(plan, loadgens)
    for segment in segments:
        for name, amount in segment.amounts.items():
            assert _k6_scales(round(segment.targets[name]), segment, segments) == amount


@given(_ramps())
def test_the_cuts_up_to_a_stage_are_its_level_scenario_by_scenario(ramp: tuple[LoadPlan, int]) -> None:
    plan, loadgens = ramp
    segments = cut_into_segments(plan, loadgens)
    for level in plan.levels:
        running = Counter[str]()
        for segment in segments:
            if segment.stage <= level.number:
                running.update({name: round(amount) for name, amount in segment.amounts.items()})
        assert dict(running) == level.amounts


@given(_ramps())
def test_load_generators_share_every_stage_equally(ramp: tuple[LoadPlan, int]) -> None:
    plan, loadgens = ramp
    segments = cut_into_segments(plan, loadgens)
    for number in range(1, len(plan.levels) + 1):
        cuts = [segment for segment in segments if segment.stage == number]
        assert [cut.loadgen for cut in cuts] == list(range(loadgens))
        users = [sum(cut.amounts.values()) for cut in cuts]
        assert max(users) - min(users) <= 1


@given(_ramps())
def test_the_sequence_rises_strictly_and_names_every_cut_whatever_their_indexes(ramp: tuple[LoadPlan, int]) -> None:
    segments = cut_into_segments(*ramp)
    again = (*renumber(segments[:1], 90), *segments[1:])
    assert sequence_of(again[::-1]) == sequence_of(segments)
    corners = [Fraction(part) for part in sequence_of(segments).split(",")]
    assert corners[0] == 0
    assert corners[-1] == 1
    assert all(left < right for left, right in pairwise(corners))
    assert set(corners) == {Fraction(0)} | {segment.end for segment in segments}


def test_a_cut_that_is_started_again_differs_in_nothing_but_its_name() -> None:
    segments = cut_into_segments(mixed_plan(), 2)
    again = renumber(segments[2:4], 7)
    assert [segment.name for segment in again] == ["segment-07", "segment-08"]
    assert [segment.model_copy(update={"index": 0}) for segment in again] == [
        segment.model_copy(update={"index": 0}) for segment in segments[2:4]
    ]


def test_a_segment_without_a_user_for_a_scenario_is_refused() -> None:
    with pytest.raises(Refused, match=r"Each k6 of stage 1 would run scenario 'ws' with 0\.75 virtual users"):
        cut_into_segments(mixed_plan(), 4)


def test_a_segment_with_just_one_user_for_each_scenario_is_fine() -> None:
    assert len(cut_into_segments(mixed_plan(), 3)) == 9


def test_a_scenario_that_does_not_rise_at_a_level_is_left_out_of_its_segments() -> None:
    plan = read_load_plan(inspected({"a": steps([4, 8, 12]), "b": steps([2, 2, 4])}), "s.js")
    segments = cut_into_segments(plan, 2)
    assert [segment.amounts for segment in segments] == [{"a": 2, "b": 1}] * 2 + [{"a": 2}] * 2 + [{"a": 2, "b": 1}] * 2
    assert list(segment_options(plan, segments[2], 1.0, {})["scenarios"]) == ["a"]


def test_a_segment_rises_over_its_own_rise_to_the_whole_and_holds() -> None:
    plan = mixed_plan()
    options = segment_options(plan, cut_into_segments(plan, 1)[1], 7200.0, {})
    target = options["scenarios"]["ws"]["stages"][0]["target"]
    assert options["scenarios"]["ws"] == {
        "exec": "ws",
        "gracefulStop": "10s",
        "executor": "ramping-vus",
        "startVUs": 0,
        "stages": [{"duration": "60000ms", "target": target}, {"duration": "7200000ms", "target": target}],
    }
    assert target <= 9
    assert options["noConnectionReuse"] is True


def test_rates_are_told_in_whole_iterations_an_hour_so_that_none_is_rounded_to_nothing() -> None:
    plan = rate_plan([15, 30], timeUnit="1m0s")
    segments = cut_into_segments(plan, 2)
    assert [segment.amounts for segment in segments] == [{"a": 0.125}] * 4
    scenario = segment_options(plan, segments[0], 60.0, {})["scenarios"]["a"]
    assert (scenario["startRate"], scenario["timeUnit"], scenario["preAllocatedVUs"]) == (0, "3600000ms", 8)
    assert scenario["stages"][-1]["target"] == 1800
    assert "startVUs" not in scenario


def test_virtual_users_of_a_rate_follow_its_target_when_the_mix_changes() -> None:
    scenarios = {
        name: steps(amounts, executor="ramping-arrival-rate", preAllocatedVUs=10, maxVUs=20)
        for name, amounts in {"a": [10, 10], "b": [10, 40]}.items()
    }
    plan = read_load_plan(inspected(scenarios), "s.js")
    first, second = cut_into_segments(plan, 1)
    assert first.targets == pytest.approx({"a": 25, "b": 25})
    made = segment_options(plan, first, 1.0, {})["scenarios"]
    assert [(made[name]["preAllocatedVUs"], made[name]["maxVUs"]) for name in "ab"] == [(25, 50), (7, 13)]
    assert list(segment_options(plan, second, 1.0, {})["scenarios"]) == ["b"]


def test_a_rate_without_a_virtual_user_for_a_segment_is_refused() -> None:
    with pytest.raises(Refused, match=r"segment-01 would run scenario 'a' with 0\.67 of its preAllocatedVUs"):
        cut_into_segments(rate_plan([10, 20], preAllocatedVUs=4), 3)


def test_thresholds_are_kept_but_none_aborts() -> None:
    plan = mixed_plan()
    expected = {
        "http_req_failed": [{"threshold": "rate<0.05", "abortOnFail": False}],
        "checks": ["rate>0.95"],
    }
    assert segment_options(plan, cut_into_segments(plan, 1)[0], 60.0, {})["thresholds"] == expected
    assert literal_options(plan, {})["thresholds"] == expected


def test_the_runs_tags_join_the_scripts_and_win() -> None:
    plan = mixed_plan()
    expected = {"testid": "ours", "project": "ebit", "run_id": "r1"}
    tags = {"run_id": "r1", "testid": "ours"}
    assert segment_options(plan, cut_into_segments(plan, 1)[0], 60.0, tags)["tags"] == expected
    assert literal_options(plan, tags)["tags"] == expected


def test_segments_are_named_in_two_digits() -> None:
    segments = cut_into_segments(mixed_plan(), 1)
    assert [segment.name for segment in segments] == ["segment-01", "segment-02", "segment-03"]
    assert sum(segment.share for segment in segments) == pytest.approx(1)


def test_the_script_as_it_is_keeps_its_own_stages_start_and_end() -> None:
    own = ramping(
        [("10s", 4), ("10s", 4), ("10s", 8), ("10s", 8), ("5s", 0)], startVUs=2, startTime="7s", gracefulRampDown="3s",
    )  # fmt: skip
    plan = read_load_plan(inspected({"a": own}, noConnectionReuse=True), "s.js")
    options = literal_options(plan, {"run_id": "r1"})
    assert options["scenarios"]["a"] == {key: value for key, value in own.items() if value is not None}
    assert options["noConnectionReuse"] is True


def test_the_script_as_it_is_scales_with_the_profile() -> None:
    own = ramping([("10s", 40), ("10s", 40), ("10s", 80), ("10s", 80), ("5s", 0)], startVUs=20, startTime="8s")
    scenario = literal_options(scale_load(read_load_plan(inspected({"a": own}), "s.js"), load=0.1, time=0.5), {})[
        "scenarios"
    ]["a"]
    assert (scenario["startVUs"], scenario["startTime"], scenario["gracefulStop"]) == (2, "4000ms", "10s")
    assert [(stage["duration"], stage["target"]) for stage in scenario["stages"]] == [
        ("5000ms", 4), ("5000ms", 4), ("5000ms", 8), ("5000ms", 8), ("2500ms", 0),
    ]  # fmt: skip


def test_a_rate_of_the_script_as_it_is_scales_by_its_time_unit() -> None:
    plan = scale_load(rate_plan([1, 3], timeUnit="10s"), load=0.1, time=1.0)
    scenario = literal_options(plan, {})["scenarios"]["a"]
    assert scenario["timeUnit"] == "100000ms"
    assert [stage["target"] for stage in scenario["stages"]] == [1, 1, 3, 3]


def test_the_timeline_is_the_scripts_own() -> None:
    plan = read_load_plan(inspected({"a": steps([5, 10], rise="1m", hold="3m", startTime="30s")}), "s.js")
    assert timeline(plan) == ((1, 90, 270), (2, 330, 510))


def test_throttling_takes_a_part_of_one_scenario_at_every_level() -> None:
    plan = throttle(mixed_plan(), "signin", 0.5, 1)
    assert [level.amounts for level in plan.levels] == [
        {"signin": 4, "ws": 3}, {"signin": 7, "ws": 6}, {"signin": 11, "ws": 9},
    ]  # fmt: skip
    assert [(level.rise_s, level.hold_s) for level in plan.levels] == [(60, 192)] * 3


def test_throttling_a_rate_takes_its_exact_part() -> None:
    assert [level.amount for level in throttle(rate_plan([10, 20]), "a", 0.25, 2).levels] == [2.5, 5]


@pytest.mark.parametrize(
    ("scenario", "share", "loadgens", "said"),
    [
        ("sign-in", 0.5, 1, r"no scenario 'sign-in'; it has signin, ws\."),
        ("ws", 1.0, 1, "throttled to 1; wanted is a part between 0 and 1"),
        ("ws", 0.0, 1, "between 0 and 1"),
        ("ws", -0.5, 1, "between 0 and 1"),
        ("ws", float("nan"), 1, "between 0 and 1"),
        ("ws", 0.3, 1, r"throttled to 0\.3, scenario 'ws' has 0\.90 virtual users at stage 1"),
        ("ws", 0.4, 2, r"stage 1 would run scenario 'ws' with 0\.50 virtual users"),
    ],
)
def test_a_throttle_that_makes_no_sense_is_refused_with_its_reason(
    scenario: str, share: float, loadgens: int, said: str
) -> None:
    with pytest.raises(Refused, match=said):
        throttle(mixed_plan(), scenario, share, loadgens)


def test_a_throttle_that_leaves_two_stages_alike_is_refused() -> None:
    plan = read_load_plan(inspected({"a": steps([10, 12])}), "s.js")
    with pytest.raises(Refused, match="stages 1 and 2 both have 1 vus; a stage adds load"):
        throttle(plan, "a", 0.1, 1)


def test_a_finer_plan_keeps_the_stable_levels_and_divides_the_next_rise_in_eight() -> None:
    plan = mixed_plan((100, 200, 1000, 2000))
    finer = finer_plan(plan, 2, 3, 2)
    assert finer.levels[:2] == plan.levels[:2]
    assert [level.amount for level in finer.levels[2:]] == [300, 400, 500, 600, 700, 800, 900, 1000]
    assert [level.number for level in finer.levels] == list(range(1, 11))
    assert {level.rise_s for level in finer.levels[2:]} == {7.5}
    amounts = [segment.amounts for segment in cut_into_segments(plan, 2)]
    assert [segment.amounts for segment in cut_into_segments(finer, 2)][:4] == amounts[:4]


@pytest.mark.parametrize(("loadgens", "parts"), [(1, 8), (2, 4), (4, 2), (8, 1)])
def test_a_small_rise_is_divided_as_far_as_every_segment_gets_users(loadgens: int, parts: int) -> None:
    plan = read_load_plan(inspected({"a": steps([8, 16, 24])}), "s.js")
    finer = finer_plan(plan, 1, 2, loadgens)
    assert len(finer.levels) == 1 + parts
    assert finer.levels[-1].amount == 16


def test_a_finer_plan_divides_the_whole_rise_to_the_breached_level_over_levels_that_could_not_be_judged() -> None:
    plan = mixed_plan((100, 200, 1000, 1800, 4000))
    finer = finer_plan(plan, 2, 4, 2)
    assert [level.amount for level in finer.levels] == [100, 200, 400, 600, 800, 1000, 1200, 1400, 1600, 1800]
    # As steep as the script over the whole of it: two rises of a minute.
    assert {level.rise_s for level in finer.levels[2:]} == {15.0}


def test_a_rise_that_cannot_be_divided_keeps_the_levels_up_to_the_breached_one() -> None:
    plan = read_load_plan(inspected({"a": steps([8, 16, 24, 32])}), "s.js")
    assert finer_plan(plan, 1, 3, 16).levels == plan.levels[:3]


@pytest.mark.parametrize("ceiling", range(1, 9))
def test_three_probes_find_the_ceiling_among_eight_parts(ceiling: int) -> None:
    low, high, probes = 0, 8, 0
    while (probe := next_probe(low, high)) is not None:
        probes += 1
        low, high = (probe, high) if probe < ceiling else (low, probe)
    assert (low, high) == (ceiling - 1, ceiling)
    assert probes == 3


def test_system_tags_of_a_script_are_kept_beside_those_that_are_measured_by() -> None:
    mine = ["check", "error_code", "expected_response", "scenario", "status"]
    assert with_system_tags({"systemTags": ["url", "status"], "userAgent": "k6"}) == {
        "systemTags": [*mine, "url"], "userAgent": "k6",
    }  # fmt: skip
    assert with_system_tags({"systemTags": []})["systemTags"] == mine
    assert with_system_tags({"userAgent": "k6"}) == {"userAgent": "k6"}
