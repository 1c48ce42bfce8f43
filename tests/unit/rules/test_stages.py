"""Levels, shares and rises read from a script's resolved options."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.models.errors import Refused
from tasks.rules.stages import read_load_plan, scale_load, without_nulls

from .plans import inspected, mixed_plan, ramping, rate_plan, steps


def test_levels_are_the_held_stretches_over_all_scenarios() -> None:
    plan = mixed_plan()
    assert plan.unit == "vus"
    assert [(level.number, level.amount, level.rise_s, level.hold_s) for level in plan.levels] == [
        (1, 10, 60, 192),
        (2, 20, 60, 192),
        (3, 30, 60, 192),
    ]
    assert plan.levels[0].amounts == {"signin": 7, "ws": 3}
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
    assert plan.levels[-1].amounts == pytest.approx({"a": 20, "b": 60})
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
        (inspected({"a": _constant(10, None, "1m"), "b": _constant(20, "1m", "1m")}), "'a' falls from 10 to 0"),
        (inspected({"a": steps([5, 10, 4, 20])}), "'a' falls from 10 to 4 before the highest level begins"),
        (
            inspected({"a": ramping([("1m", 12), ("1s", 10), ("1m", 10), ("1m", 20), ("1m", 20)])}),
            "falls from 12 to 10",
        ),
        (inspected({"a": steps([5, 10]), "b": steps([9, 5])}), "holds 1 load level|falls from 9 to 5"),
        (
            inspected({"a": ramping([("1m", 5), ("1m", 5), ("1m", 9), ("1m", 9), ("1m", 30), ("1m", 0)])}),
            "rises to 30 and does not stay there; the highest level it holds is 9",
        ),
        (inspected({"a": ramping([("1m", 5), ("1m", 5), ("1m", 9), ("1m", 9), ("1m", 30)])}), "rises to 30"),
        (inspected({"a": {"executor": "externally-controlled", "vus": 5, "duration": "1m"}}), "externally-controlled"),
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


def test_the_mix_of_scenarios_may_change_from_level_to_level() -> None:
    plan = read_load_plan(inspected({"a": steps([5, 10]), "b": steps([5, 30])}), "s.js")
    assert [level.amounts for level in plan.levels] == [{"a": 5, "b": 5}, {"a": 10, "b": 30}]


def test_constant_scenarios_that_begin_one_after_another_are_a_staircase() -> None:
    stairs = {"a": _constant(10, None, "3m"), "b": _constant(5, "1m", "2m"), "c": _constant(2, "2m", "90s")}
    plan = read_load_plan(inspected(stairs), "s.js")
    assert [(level.amounts, level.rise_s, level.hold_s) for level in plan.levels] == [
        ({"a": 10, "b": 0, "c": 0}, 0, 60),
        ({"a": 10, "b": 5, "c": 0}, 0, 60),
        ({"a": 10, "b": 5, "c": 2}, 0, 60),
    ]


def test_constant_arrival_rates_are_a_staircase_too() -> None:
    def rate(number: int, start: str, duration: str, unit: str) -> dict[str, Any]:
        return {
            "executor": "constant-arrival-rate", "rate": number, "timeUnit": unit, "startTime": start,
            "duration": duration, "preAllocatedVUs": 5,
        }  # fmt: skip

    plan = read_load_plan(inspected({"a": rate(30, "0s", "2m", "1m0s"), "b": rate(1, "1m", "1m", "4s")}), "s.js")
    assert [level.amounts for level in plan.levels] == [{"a": 0.5, "b": 0}, {"a": 0.5, "b": 0.25}]
    assert plan.scenarios[0].options == {"preAllocatedVUs": 5}


def test_what_k6_does_not_print_has_k6s_defaults() -> None:
    begins = ramping([("1m", 1), ("1m", 5), ("1m", 5)], startVUs=None)
    plan = read_load_plan(inspected({"a": begins}), "s.js")
    assert [level.amount for level in plan.levels] == [1, 5]


def test_the_script_itself_is_kept_for_running_it_literally() -> None:
    plan = read_load_plan(inspected({"a": steps([5, 10], startTime="30s", exec="go")}), "s.js")
    resolved = plan.scenarios[0].resolved
    assert (resolved["startTime"], resolved["startVUs"], len(resolved["stages"])) == ("30s", 0, 4)
    assert None not in resolved.values()


def test_scaling_shrinks_load_and_time_alike_and_keeps_the_shares() -> None:
    scaled = scale_load(mixed_plan((100, 200)), load=0.1, time=0.5)
    assert [(level.amount, level.rise_s, level.hold_s) for level in scaled.levels] == [(10, 30, 96), (20, 30, 96)]
    assert [level.amounts for level in scaled.levels] == [{"signin": 7, "ws": 3}, {"signin": 14, "ws": 6}]


def test_a_scale_of_one_changes_nothing() -> None:
    assert scale_load(mixed_plan(), load=1.0, time=1.0) == mixed_plan()


def test_a_scale_that_leaves_a_scenario_without_a_user_is_refused() -> None:
    with pytest.raises(Refused, match=r"'ws' has 0\.90 virtual users at stage 1"):
        scale_load(mixed_plan(), load=0.3, time=1.0)


def test_scaled_users_are_whole_and_a_rate_is_exact() -> None:
    scaled = scale_load(mixed_plan((50, 110)), load=0.1, time=1.0)
    assert [level.amounts for level in scaled.levels] == [{"signin": 4, "ws": 2}, {"signin": 8, "ws": 3}]
    assert [level.amount for level in scale_load(rate_plan([1, 3]), load=0.1, time=1.0).levels] == pytest.approx(
        [0.1, 0.3]
    )


def test_a_scale_that_leaves_two_stages_alike_is_refused() -> None:
    plan = read_load_plan(inspected({"a": steps([100, 104])}), "s.js")
    with pytest.raises(Refused, match=r"scaled by 0\.1, stages 1 and 2 both have 10 vus"):
        scale_load(plan, load=0.1, time=1.0)


def test_nulls_are_dropped_at_every_depth() -> None:
    assert without_nulls({"a": None, "b": {"c": None, "d": 0}, "e": [1]}) == {"b": {"d": 0}, "e": [1]}
