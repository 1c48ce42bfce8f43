"""Reading the stages out of a k6 script's resolved options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal

from blocks.models.errors import Refused
from blocks.models.load import Level, LoadPlan, ScenarioLoad
from tasks.rules.durations import go_duration, seconds_of

_VU_EXECUTORS = {"ramping-vus", "constant-vus"}
_RATE_EXECUTORS = {"ramping-arrival-rate", "constant-arrival-rate"}
_LOAD_KEYS = {"executor", "stages", "startVUs", "vus", "duration", "startRate", "rate", "startTime", "timeUnit"}
_TEST_KEYS = {"scenarios", "thresholds", "tags", "stages", "vus", "duration", "iterations", "paused"}
_EXECUTION_KEYS = {"totalDuration", "maxVUs", "executionSegment", "executionSegmentSequence"}

# Amounts closer than a thousandth of a virtual user are the same: what interpolating between corners leaves.
_SAME = 1e-3

Curve = list[tuple[float, float]]
"""Corners of the load over time: (seconds, amount); two corners at one time are a jump."""


def read_load_plan(inspected: Mapping[str, Any], script: str) -> LoadPlan:
    """Turn what ``k6 inspect --execution-requirements`` printed into levels and scenarios.

    A level is a stretch in which no scenario changes and more load runs than ever before. What falls after the
    highest level is the script's end and no stage.

    Args:
        inspected: the JSON object k6 printed.
        script: the script's name, for the messages.

    Raises:
        Refused: the script cannot be cut into held stages; says why.
    """
    scenarios: Mapping[str, Mapping[str, Any]] = inspected.get("scenarios") or {}
    if not scenarios:
        raise Refused(f"{script} has no scenarios; Rampart needs ramping-vus or arrival-rate scenarios with stages.")
    unit = _unit(scenarios, script)
    curves = {name: _curve(name, scenarios[name], script) for name in sorted(scenarios)}
    levels = _levels(curves)
    if len(levels) < 2:  # noqa: PLR2004 - a ramp has at least two stages
        raise Refused(
            f"{script} holds {len(levels)} load level(s); a stepped ramp needs at least two levels that are held: "
            "give its scenarios stages that rise and then stay."
        )
    _refuse_falls(curves, sum(level.rise_s + level.hold_s for level in levels) - levels[-1].hold_s, script)
    _refuse_unheld_peak(curves, levels[-1].amount, script)
    return LoadPlan(
        unit=unit,
        levels=levels,
        scenarios=tuple(
            ScenarioLoad(
                name=name,
                executor="ramping-vus" if unit == "vus" else "ramping-arrival-rate",
                options={key: value for key, value in without_nulls(scenarios[name]).items() if key not in _LOAD_KEYS},
                resolved=without_nulls(scenarios[name]),
            )
            for name in curves
        ),
        thresholds=dict(inspected.get("thresholds") or {}),
        tags=dict(inspected.get("tags") or {}),
        other={
            key: kept
            for key, value in sorted(inspected.items())
            if key not in _TEST_KEYS | _EXECUTION_KEYS and (kept := without_nulls(value)) not in (None, {})
        },
    )


def scale_load(plan: LoadPlan, *, load: float, time: float) -> LoadPlan:
    """Return the same plan with less load and shorter rises and holds.

    Args:
        plan: the script's plan.
        load: factor on virtual users or rate, above 0, at most 1.
        time: factor on rises and holds, above 0, at most 1.

    Raises:
        Refused: a level would be left without a virtual user for a scenario.
    """
    if load == time == 1:
        return plan
    levels = tuple(
        level.model_copy(
            update={
                "amounts": {
                    name: scaled_amount(plan, level, name, load, f"scaled by {load:g}") for name in level.amounts
                },
                "rise_s": level.rise_s * time,
                "hold_s": level.hold_s * time,
            }
        )
        for level in plan.levels
    )
    scenarios = tuple(
        scenario.model_copy(update={"resolved": _scaled_scenario(scenario.resolved, load, time)})
        for scenario in plan.scenarios
    )
    return rising(plan.model_copy(update={"levels": levels, "scenarios": scenarios}), f"scaled by {load:g}")


def scaled_amount(plan: LoadPlan, level: Level, scenario: str, factor: float, what: str) -> float:
    """Return a scenario's amount at a level times a factor: whole virtual users, or a rate as it is.

    Args:
        plan: the plan, for its unit.
        level: the level.
        scenario: the scenario's name.
        factor: above 0, at most 1.
        what: what is done, for the message: "scaled by 0.1".

    Raises:
        Refused: the scenario runs at the level and would be left without a virtual user.
    """
    amount = level.amounts[scenario] * factor
    if plan.unit == "rate" or not level.amounts[scenario]:
        return amount
    if amount < 1 - 1e-9:
        raise Refused(
            f"{what}, scenario '{scenario}' has {amount:.2f} virtual users at stage {level.number}; "
            "it needs at least one: choose a larger part."
        )
    return _whole(amount)


def rising(plan: LoadPlan, what: str) -> LoadPlan:
    """Return the plan when each level is above the one below.

    Raises:
        Refused: two levels are the same after what was done.
    """
    for below, level in pairwise(plan.levels):
        if level.amount <= below.amount:
            raise Refused(
                f"{what}, stages {below.number} and {level.number} both have {level.amount:g} {plan.unit}; "
                "a stage adds load: choose a larger part."
            )
    return plan


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Drop what k6 prints as null: it would be refused as an option."""
    if isinstance(value, Mapping):
        return {key: kept for key, item in value.items() if (kept := without_nulls(item)) is not None}
    return value


def _unit(scenarios: Mapping[str, Mapping[str, Any]], script: str) -> Literal["vus", "rate"]:
    executors = {str(scenario.get("executor")) for scenario in scenarios.values()}
    for name, scenario in scenarios.items():
        executor = scenario.get("executor")
        if executor not in _VU_EXECUTORS | _RATE_EXECUTORS:
            raise Refused(
                f"{script}: scenario '{name}' uses the executor {executor}, which cannot be held and stepped; "
                "use ramping-vus, constant-vus or an arrival-rate executor."
            )
    if executors <= _VU_EXECUTORS:
        return "vus"
    if executors <= _RATE_EXECUTORS:
        return "rate"
    raise Refused(f"{script} mixes virtual users and arrival rates ({', '.join(sorted(executors))}); use one kind.")


def _curve(name: str, scenario: Mapping[str, Any], script: str) -> Curve:
    begin = seconds_of(str(scenario.get("startTime") or "0"))
    executor = str(scenario["executor"])
    # k6's defaults: one virtual user, a rate per second.
    per_second = 1.0 / seconds_of(str(scenario.get("timeUnit") or "1s"))
    if executor in {"constant-vus", "constant-arrival-rate"}:
        amount = float(scenario.get("vus") or 1) if executor == "constant-vus" else float(scenario["rate"]) * per_second
        return [(begin, 0.0), (begin, amount), (begin + seconds_of(str(scenario["duration"])), amount)]
    factor = 1.0 if executor == "ramping-vus" else per_second
    first = scenario.get("startVUs" if executor == "ramping-vus" else "startRate")
    if first is None:
        first = 1 if executor == "ramping-vus" else 0
    now, corners = begin, [(begin, 0.0), (begin, float(first) * factor)]
    for stage in scenario.get("stages") or []:
        now += seconds_of(str(stage["duration"]))
        corners.append((now, float(stage["target"]) * factor))
    if len(corners) == 2:  # noqa: PLR2004 - only where it begins
        raise Refused(f"{script}: scenario '{name}' has no stages; give it stages that rise and then stay.")
    return corners


def _levels(curves: Mapping[str, Curve]) -> tuple[Level, ...]:
    levels: list[Level] = []
    previous_end = 0.0
    for start, end in _flat_times(curves):
        amounts = {name: _amount(curve, (start + end) / 2) for name, curve in curves.items()}
        if sum(amounts.values()) <= (levels[-1].amount if levels else 0.0) + _SAME:
            continue
        levels.append(Level(number=len(levels) + 1, amounts=amounts, rise_s=start - previous_end, hold_s=end - start))
        previous_end = end
    return tuple(levels)


def _flat_times(curves: Mapping[str, Curve]) -> list[tuple[float, float]]:
    """Return the stretches in which no scenario changes, neighbours of one height joined."""
    flat: list[tuple[float, float]] = []
    for start, end in pairwise(sorted({time for curve in curves.values() for time, _ in curve})):
        middle = (start + end) / 2
        if any(abs(_amount(curve, start) - _amount(curve, middle)) > _SAME for curve in curves.values()):
            continue
        joins = bool(flat) and flat[-1][1] == start
        if joins and all(
            abs(_amount(curve, flat[-1][0]) - _amount(curve, middle)) < _SAME for curve in curves.values()
        ):
            flat[-1] = (flat[-1][0], end)
        else:
            flat.append((start, end))
    return flat


def _amount(curve: Curve, time: float) -> float:
    """Return what runs right after a time."""
    if time < curve[0][0]:
        return 0.0
    for (start, low), (end, high) in pairwise(curve):
        if start <= time < end:
            return low + (high - low) * (time - start) / (end - start)
    return 0.0


def _refuse_falls(curves: Mapping[str, Curve], top_s: float, script: str) -> None:
    """Refuse a scenario that falls before the highest level begins: a stage only adds to what runs."""
    for name, curve in curves.items():
        end_s, last = curve[-1]
        for (_, before), (time, after) in pairwise([*curve, (end_s, 0.0)] if last else curve):
            if after < before and time <= top_s:
                raise Refused(
                    f"{script}: scenario '{name}' falls from {before:g} to {after:g} before the highest level begins; "
                    "a stage only adds load to what runs: let it rise and stay until the ramp's end."
                )


def _refuse_unheld_peak(curves: Mapping[str, Curve], top: float, script: str) -> None:
    peak = 0.0
    for start, end in pairwise(sorted({time for curve in curves.values() for time, _ in curve})):
        at_start, at_middle = (
            sum(_amount(curve, time) for curve in curves.values()) for time in (start, (start + end) / 2)
        )
        # Between two corners the load is a straight line.
        peak = max(peak, at_start, 2 * at_middle - at_start)
    if peak > top + _SAME:
        raise Refused(
            f"{script} rises to {peak:g} and does not stay there; the highest level it holds is {top:g}: "
            "hold the highest one, or leave it out."
        )


def _scaled_scenario(resolved: Mapping[str, Any], load: float, time: float) -> dict[str, Any]:
    """Scale a scenario as k6 resolved it; a rate is kept and its time unit stretched, which keeps it whole."""
    scaled = dict(resolved)
    for key in ("vus", "startVUs"):
        if key in scaled:
            scaled[key] = _whole(scaled[key] * load)
    if scaled["executor"] in _RATE_EXECUTORS:
        scaled["timeUnit"] = go_duration(seconds_of(str(scaled.get("timeUnit", "1s"))) / load)
    for key in ("duration", "startTime"):
        if key in scaled:
            scaled[key] = go_duration(seconds_of(str(scaled[key])) * time)
    if "stages" in scaled:
        scaled["stages"] = [
            {
                "duration": go_duration(seconds_of(str(stage["duration"])) * time),
                "target": _whole(stage["target"] * load) if scaled["executor"] in _VU_EXECUTORS else stage["target"],
            }
            for stage in scaled["stages"]
        ]
    return scaled


def _whole(amount: float) -> int:
    """Round half up; the rounding of a level and of the script's stages is the same."""
    return math.floor(amount + 0.5 + 1e-9)
