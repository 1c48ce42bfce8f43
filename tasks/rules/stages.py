"""Reading the stages out of a k6 script's resolved options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from blocks.models.errors import Refused
from blocks.models.load import Level, LoadPlan, ScenarioLoad
from tasks.rules.durations import seconds_of

_VU_EXECUTORS = {"ramping-vus", "constant-vus"}
_RATE_EXECUTORS = {"ramping-arrival-rate", "constant-arrival-rate"}
_LOAD_KEYS = {"executor", "stages", "startVUs", "vus", "duration", "startRate", "rate", "startTime", "timeUnit"}
_TEST_KEYS = {"scenarios", "thresholds", "tags", "stages", "vus", "duration", "iterations", "paused"}
_EXECUTION_KEYS = {"totalDuration", "maxVUs", "executionSegment", "executionSegmentSequence"}

# Shares of the scenarios at two levels count as equal within half a virtual user of rounding.
_ROUNDING = 0.5

Curve = list[tuple[float, float]]
"""Corners of the load over time: (seconds, amount); two corners at one time are a jump."""


def read_load_plan(inspected: Mapping[str, Any], script: str) -> LoadPlan:
    """Turn what ``k6 inspect --execution-requirements`` printed into levels and shares.

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
    curves = {name: _curve(name, scenario, script) for name, scenario in scenarios.items()}
    times = _flat_times(curves)
    amounts = [{name: _amount(curve, (start + end) / 2) for name, curve in curves.items()} for start, end in times]
    kept = [index for index, amount in enumerate(amounts) if sum(amount.values()) > 0]
    rising = [
        index for index in kept if index == kept[0] or sum(amounts[index].values()) > sum(amounts[index - 1].values())
    ]
    _refuse_dips([sum(amounts[index].values()) for index in kept], script)
    levels: list[Level] = []
    previous_end = 0.0
    for number, index in enumerate(rising, start=1):
        start, end = times[index]
        levels.append(
            Level(
                number=number,
                amount=sum(amounts[index].values()),
                rise_s=start - previous_end,
                hold_s=end - start,
            )
        )
        previous_end = end
    if len(levels) < 2:  # noqa: PLR2004 - a ramp has at least two stages
        raise Refused(
            f"{script} holds {len(levels)} load level(s); a stepped ramp needs at least two levels that are held: "
            "give its scenarios stages that rise and then stay."
        )
    peaks = amounts[rising[-1]]
    _refuse_changing_shares([amounts[index] for index in rising], peaks, script)
    return LoadPlan(
        unit=unit,
        levels=tuple(levels),
        scenarios=tuple(
            ScenarioLoad(
                name=name,
                executor="ramping-vus" if unit == "vus" else "ramping-arrival-rate",
                peak=peaks[name],
                options=_kept_options(scenario),
            )
            for name, scenario in sorted(scenarios.items())
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
    levels = tuple(
        level.model_copy(
            update={"amount": level.amount * load, "rise_s": level.rise_s * time, "hold_s": level.hold_s * time}
        )
        for level in plan.levels
    )
    scenarios = tuple(scenario.model_copy(update={"peak": scenario.peak * load}) for scenario in plan.scenarios)
    scaled = plan.model_copy(update={"levels": levels, "scenarios": scenarios})
    smallest = min(scenarios, key=lambda scenario: scenario.peak)
    first = smallest.peak * levels[0].amount / levels[-1].amount
    if plan.unit == "vus" and first < 1 - 1e-9:
        raise Refused(
            f"scaled by {load:g}, scenario '{smallest.name}' has {first:.2f} virtual users at stage 1; "
            "it needs at least one: choose a larger scale."
        )
    return scaled


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Drop what k6 prints as null: it would be refused as an option."""
    if isinstance(value, Mapping):
        return {key: kept for key, item in value.items() if (kept := without_nulls(item)) is not None}
    return value


def _unit(scenarios: Mapping[str, Mapping[str, Any]], script: str) -> Any:  # noqa: ANN401 - a Literal
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
    per_second = 1.0 / seconds_of(str(scenario.get("timeUnit") or "1s"))
    if executor in {"constant-vus", "constant-arrival-rate"}:
        amount = float(scenario["vus"]) if executor == "constant-vus" else float(scenario["rate"]) * per_second
        return [(begin, 0.0), (begin, amount), (begin + seconds_of(str(scenario["duration"])), amount)]
    factor = 1.0 if executor == "ramping-vus" else per_second
    amount = float(scenario.get("startVUs" if executor == "ramping-vus" else "startRate") or 0) * factor
    now, corners = begin, [(begin, 0.0), (begin, amount)]
    for stage in scenario.get("stages") or []:
        now += seconds_of(str(stage["duration"]))
        corners.append((now, float(stage["target"]) * factor))
    if len(corners) == 2:  # noqa: PLR2004 - only where it begins
        raise Refused(f"{script}: scenario '{name}' has no stages; give it stages that rise and then stay.")
    return corners


def _flat_times(curves: Mapping[str, Curve]) -> list[tuple[float, float]]:
    """Return the stretches in which no scenario changes, neighbours of one height joined."""
    times = sorted({time for curve in curves.values() for time, _ in curve})
    flat: list[tuple[float, float]] = []
    for start, end in pairwise(times):
        middle = (start + end) / 2
        ends = [
            (_amount(curve, start + 1e-6), _amount(curve, middle), _amount(curve, end - 1e-6))
            for curve in curves.values()
        ]
        if any(abs(first - last) > 1e-3 for first, _, last in ends):  # noqa: PLR2004 - flat within a thousandth of a VU
            continue
        same = (
            flat
            and flat[-1][1] == start
            and all(
                abs(_amount(curve, (flat[-1][0] + start) / 2) - _amount(curve, middle)) < 1e-6  # noqa: PLR2004
                for curve in curves.values()
            )
        )
        if same:
            flat[-1] = (flat[-1][0], end)
        else:
            flat.append((start, end))
    return flat


def _amount(curve: Sequence[tuple[float, float]], time: float) -> float:
    if time < curve[0][0]:
        return 0.0
    for (start, low), (end, high) in pairwise(curve):
        if start <= time < end:
            return low + (high - low) * (time - start) / (end - start)
    return curve[-1][1] if time <= curve[-1][0] else 0.0


def _refuse_dips(amounts: Sequence[float], script: str) -> None:
    """Refuse a load that rises again after it fell: stages are cut from below; a fall at the end is no stage."""
    highest = 0.0
    for earlier, later in pairwise(amounts):
        highest = max(highest, earlier)
        if earlier < later < highest or (later > earlier and earlier < highest):
            raise Refused(
                f"{script} holds {earlier:g} after {highest:g} and then rises again; a stepped ramp only rises: remove the dip."
            )


def _refuse_changing_shares(amounts: Sequence[Mapping[str, float]], peaks: Mapping[str, float], script: str) -> None:
    top = sum(peaks.values())
    for number, amount in enumerate(amounts, start=1):
        total = sum(amount.values())
        for name, value in amount.items():
            if abs(value - total * peaks[name] / top) > _ROUNDING * len(amount):
                raise Refused(
                    f"{script}: scenario '{name}' has {value:g} of {total:g} at level {number}, but "
                    f"{peaks[name]:g} of {top:g} at the top; a ramp is cut from one mix: keep the shares the same."
                )


def _kept_options(scenario: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in sorted(scenario.items()) if key not in _LOAD_KEYS and value is not None}
