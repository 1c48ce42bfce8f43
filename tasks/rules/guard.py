"""Deciding whether a value crosses a limit, and for how long it has."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from blocks.models.rules import GuardRule
from tasks.rules.queries import guard_label

_SHOWN = {"p95_ms": "{:.0f} ms", "queue_depth": "{:.0f} jobs"}


class Reading(BaseModel):
    """A value of a metric with the thing it belongs to."""

    model_config = ConfigDict(frozen=True)

    labels: dict[str, str]
    value: float


class Crossing(BaseModel):
    """A limit that is crossed now, and since when."""

    model_config = ConfigDict(frozen=True)

    rule: str
    subject: str
    observed: str
    limit: str
    since_s: float


def crossings(
    rule: GuardRule, readings: Sequence[Reading], since: dict[str, float], now_s: float
) -> tuple[dict[str, float], tuple[Crossing, ...]]:
    """Judge one rule's readings.

    Args:
        rule: the rule.
        readings: what the query returned; NaN is no value and neither crosses nor clears a limit.
        since: when each subject crossed first, as returned by the last call.
        now_s: a clock that only goes forward.

    Returns:
        The new ``since``, and the crossings that have lasted as long as the rule asks.
    """
    label = guard_label(rule)
    kept: dict[str, float] = {}
    found: list[Crossing] = []
    for reading in readings:
        subject = reading.labels.get(label, "") if label else ""
        if rule.scope and label and subject != rule.scope:
            continue
        if not math.isfinite(reading.value):
            if subject in since:
                kept[subject] = since[subject]
            continue
        crossed = reading.value > rule.limit if rule.operator == ">" else reading.value < rule.limit
        if not crossed:
            continue
        kept[subject] = since.get(subject, now_s)
        if now_s - kept[subject] >= rule.for_s:
            found.append(
                Crossing(
                    rule=f"{rule.name} ({subject})" if subject and subject != rule.scope else rule.name,
                    subject=subject,
                    observed=shown(rule, reading.value),
                    limit=f"{rule.operator} {shown(rule, rule.limit)}"
                    + (f" for {rule.for_s:g} s" if rule.for_s else ""),
                    since_s=kept[subject],
                )
            )
    return kept, tuple(found)


def shown(rule: GuardRule, value: float) -> str:
    """Write a value in the rule's unit."""
    return _SHOWN.get(rule.metric, "{:.1%}").format(value)
