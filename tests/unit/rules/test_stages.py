"""Levels, shares and rises read from a script's resolved options."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.models.errors import Refused
from tasks.rules.stages import read_load_plan, scale_load, without_nulls

from .plans import inspected, mixed_plan, ramping, steps


def test_levels_are_the_held_stretches_over_all_scenarios() -> None:
    plan = mixed_plan()
    assert plan.unit == "vus"
    assert [(level.number, level.amount, level.rise_s, level.hold_s) for level in plan.levels] == [
        (1, 10, 60, 192),
        (2, 20, 60, 192),
        (3, 30, 60, 192),
    ]
    assert {scenario.name: scenario.peak for scenario in plan.scenarios} == {"signin": 21, "ws": 9}
    assert plan.script_seconds == 3 * 252


def test_options_beside_the_load_are_kept_and_nulls_are_dropped() -> None:
    plan = mixed_plan()
    assert plan.scenarios[0].options == {"exec": "signin", "gracefulStop": "10s"}
    assert plan.other == {"noConnectionReuse": True}
    assert plan.tags == {"testid": "ramp", "project": "ebit"}
    assert set(plan.thresholds) == {"http_req_failed", "checks"}


def test_a_jump_is_a_rise_of_no_time() -> None:
    plan = read_load_plan(inspected({"a": ramping([("0s", 5), ("30s", 5), ("0s", 10), ("30s", 10)])}), "s.js")
    assert [(level.amount, level.rise_s, level.hold_s) for level in plan.levels] == [(5, 0, 30), (10, 0, 30)]


def test_neighbouring_holds_of_one_height_are_one_level() -> None:
    plan = read_load_plan(
        inspected({"a": ramping([("10s", 5), ("20s", 5), ("30s", 5), ("10s", 9), ("5s", 9)])}), "s.js"
    )
    assert [(level.amount, level.hold_s) for level in plan.levels] == [(5, 50), (9, 5)]


def test_a_later_start_time_moves_the_first_rise() -> None:
    plan = read_load_plan(inspected({"a": steps([5, 10], startTime="30s")}), "s.js")
    assert [level.rise_s for level in plan.levels] == [90, 60]


def test_the_ramp_down_is_no_level() -> None:
    plan = read_load_plan(
        inspected({"a": ramping([("1m", 5), ("1m", 5), ("1m", 9), ("1m", 9), ("1m", 2), ("1m", 2), ("1m", 0)])}), "s.js"
    )
    assert [level.amount for level in plan.levels] == [5, 9]


def test_start_vus_that_are_held_are_the_first_level() -> None:
    plan = read_load_plan(inspected({"a": ramping([("1m", 5), ("1m", 10), ("1m", 10)], startVUs=5)}), "s.js")
    assert [(level.amount, level.rise_s, level.hold_s) for level in plan.levels] == [(5, 0, 60), (10, 60, 60)]


def test_arrival_rates_are_iterations_per_second_whatever_their_time_unit() -> None:
    rates = {
        "a": steps([600, 1200], executor="ramping-arrival-rate", timeUnit="1m0s", preAllocatedVUs=20),
        "b": steps([30, 60], executor="ramping-arrival-rate", timeUnit="1s", preAllocatedVUs=50, maxVUs=90),
    }
    plan = read_load_plan(inspected(rates), "s.js")
    assert plan.unit == "rate"
    assert [level.amount for level in plan.levels] == pytest.approx([40, 80])
    assert [scenario.peak for scenario in plan.scenarios] == pytest.approx([20, 60])
    assert {scenario.executor for scenario in plan.scenarios} == {"ramping-arrival-rate"}
    assert plan.scenarios[1].options["maxVUs"] == 90


def _constant(vus: int, start: str | None, duration: str) -> dict[str, Any]:
    return {"executor": "constant-vus", "startTime": start, "vus": vus, "duration": duration, "exec": None}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "has no scenarios"),
        (inspected({}), "has no scenarios"),
        ({"scenarios": None}, "has no scenarios"),
        (inspected({"a": {"executor": "per-vu-iterations", "vus": 5, "iterations": 3}}), "per-vu-iterations"),
        (inspected({"a": {"executor": "shared-iterations", "vus": 5}}), "cannot be held and stepped"),
        (inspected({"a": steps([10])}), "holds 1 load level"),
        (inspected({"a": _constant(10, None, "1m")}), "holds 1 load level"),
        (inspected({"a": ramping([("1m", 10), ("1m", 20)])}), "holds 0 load level"),
        (inspected({"a": ramping([])}), "has no stages"),
        (inspected({"a": steps([5, 10]), "b": steps([5, 30])}), "keep the shares the same"),
        (inspected({"a": _constant(10, None, "1m"), "b": _constant(20, "1m", "1m")}), "keep the shares the same"),
        (
            inspected({"a": steps([5, 10]), "b": steps([5, 10], executor="ramping-arrival-rate")}),
            "mixes virtual users and arrival rates",
        ),
        (inspected({"a": steps([5, 10], hold="three minutes")}), "is not a duration"),
    ],
)
def test_a_script_that_cannot_be_stepped_is_refused_with_its_reason(options: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        read_load_plan(options, "ramp.js")


def test_a_share_rounded_by_less_than_a_user_is_the_same_mix() -> None:
    plan = read_load_plan(inspected({"a": steps([3, 7]), "b": steps([7, 13])}), "s.js")
    assert [level.amount for level in plan.levels] == [10, 20]


def test_scaling_shrinks_load_and_time_alike_and_keeps_the_shares() -> None:
    scaled = scale_load(mixed_plan((100, 200)), load=0.1, time=0.5)
    assert [(level.amount, level.rise_s, level.hold_s) for level in scaled.levels] == [(10, 30, 96), (20, 30, 96)]
    assert [scenario.peak for scenario in scaled.scenarios] == pytest.approx([14, 6])


def test_a_scale_of_one_changes_nothing() -> None:
    assert scale_load(mixed_plan(), load=1.0, time=1.0) == mixed_plan()


def test_a_scale_that_leaves_a_scenario_without_a_user_is_refused() -> None:
    with pytest.raises(Refused, match=r"'ws' has 0\.90 virtual users at stage 1"):
        scale_load(mixed_plan(), load=0.3, time=1.0)


def test_nulls_are_dropped_at_every_depth() -> None:
    assert without_nulls({"a": None, "b": {"c": None, "d": 0}, "e": [1]}) == {"b": {"d": 0}, "e": [1]}
