"""Cutting a ramp into execution segments: stage N is all cuts of levels 1..N running."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from blocks.models.errors import Refused
from blocks.models.load import LoadPlan, Segment
from tasks.rules.durations import go_duration


def cut_into_segments(plan: LoadPlan, loadgens: int) -> tuple[Segment, ...]:
    """Cut the load, level by level, into one k6 process per level and load generator.

    Args:
        plan: the ramp's plan.
        loadgens: how many hosts share the load equally, at least 1.

    Returns:
        Segments in the order of their sequence; those of one stage start together.

    Raises:
        Refused: a segment would give a scenario no virtual user.
    """
    top = Fraction(plan.levels[-1].amount).limit_denominator(10**6)
    segments: list[Segment] = []
    below = Fraction(0)
    for level in plan.levels:
        height = Fraction(level.amount).limit_denominator(10**6) / top
        step = (height - below) / loadgens
        for loadgen in range(loadgens):
            start = below + step * loadgen
            segments.append(
                Segment(
                    index=len(segments) + 1,
                    stage=level.number,
                    loadgen=loadgen,
                    start=start,
                    end=start + step,
                    rise_s=level.rise_s,
                )
            )
        below = height
    _refuse_empty_scenarios(plan, segments)
    return tuple(segments)


def sequence_of(segments: Sequence[Segment]) -> str:
    """Return ``--execution-segment-sequence`` for the whole ramp."""
    return ",".join([str(segments[0].start), *(str(segment.end) for segment in segments)])


def segment_options(plan: LoadPlan, segment: Segment, hold_s: float, tags: dict[str, str]) -> dict[str, Any]:
    """Return the options of the wrapper: the whole test at its top, risen to over the segment's own rise.

    k6 takes the segment's cut of it. Thresholds no longer abort: on whole-run averages one of N segments would
    vanish alone; the guard stops the load instead.
    """
    scenarios: dict[str, Any] = {}
    for scenario in plan.scenarios:
        top = round(scenario.peak)
        options: dict[str, Any] = {
            **scenario.options,
            "executor": scenario.executor,
            "stages": [
                {"duration": go_duration(segment.rise_s), "target": top},
                {"duration": go_duration(hold_s), "target": top},
            ],
        }
        if plan.unit == "vus":
            options["startVUs"] = 0
        else:
            options |= {"startRate": 0, "timeUnit": "1s"}
        scenarios[scenario.name] = options
    return {
        **plan.other,
        "scenarios": scenarios,
        "thresholds": {name: [_without_abort(limit) for limit in limits] for name, limits in plan.thresholds.items()},
        "tags": {**plan.tags, **tags},
    }


def _without_abort(limit: Any) -> Any:  # noqa: ANN401 - k6 prints a text or an object
    return limit if isinstance(limit, str) else {"threshold": limit["threshold"], "abortOnFail": False}


def _refuse_empty_scenarios(plan: LoadPlan, segments: Sequence[Segment]) -> None:
    if plan.unit != "vus":
        return
    for segment in segments:
        for scenario in plan.scenarios:
            if segment.share * scenario.peak < 1 - 1e-6:
                raise Refused(
                    f"{segment.name} would run scenario '{scenario.name}' with {segment.share * scenario.peak:.2f} "
                    "virtual users; every segment needs at least one of each: fewer load generators or more users."
                )
