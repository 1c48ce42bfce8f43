"""Deciding when the load has to stop: a limit that is crossed, numbers that are missing, a load generator at its limit."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from blocks.models.breach import Breached
from blocks.models.rules import GuardRule
from blocks.models.triage import Saturation, TriageRules
from blocks.models.verdict import Verdict
from tasks.rules.queries import guard_label

_SHOWN = {"p95_ms": "{:.0f} ms", "queue_depth": "{:.0f} jobs"}
# Three of the last four readings of a load generator, one every two seconds: one hiccup is none, and the lag of a
# saturated one swings, as requests that take longer shorten what is left beside them for a moment.
_SATURATED, _READINGS = 3, 4


class Reading(BaseModel):
    """A value of a metric with the thing it belongs to."""

    model_config = ConfigDict(frozen=True)

    labels: Mapping[str, str]
    value: float
    """NaN where there was nothing to divide by or to take a quantile of."""


class Answered(BaseModel):
    """What a query gave: readings, none, or a failure. The three are different things and none of them is health."""

    model_config = ConfigDict(frozen=True)

    readings: tuple[Reading, ...] = ()
    failure: str = ""
    """Why the query was not answered."""


class Crossing(BaseModel):
    """A limit that is crossed now, and since when."""

    model_config = ConfigDict(frozen=True)

    rule: str
    subject: str
    observed: str
    limit: str
    since_s: float


class Found(BaseModel):
    """What one look at one rule found."""

    model_config = ConfigDict(frozen=True)

    breach: Breached | None = None
    noted: tuple[str, ...] = ()
    """Sentences on crossings that are expected, each once."""


class RuleWatch:
    """One rule and what is remembered of it between two looks.

    Args:
        rule: the rule.
        blind_after_s: seconds without a number that count as a breach.
    """

    def __init__(self, rule: GuardRule, blind_after_s: float) -> None:
        self._rule, self._blind_after_s = rule, blind_after_s
        self._since: dict[str, float] = {}
        self._noted: set[str] = set()
        self._numbers_s: dict[str, float] = {}
        self._first_look_s: float | None = None
        self._answer_s: float | None = None

    def judge(self, answered: Answered, now_s: float, stage_started_s: float) -> Found:
        """Judge one answer.

        A rule whose numbers stay away is a breach of its own. One that never had a number gets its window's time more:
        there may have been nothing to measure yet.

        Args:
            answered: what its query gave.
            now_s: a clock that only goes forward.
            stage_started_s: when the stage began, by the same clock.
        """
        rule = self._rule
        if self._first_look_s is None:
            self._first_look_s = self._answer_s = now_s
        if not answered.failure:
            self._answer_s = now_s
        for reading in _in_scope(rule, answered.readings):
            if math.isfinite(reading.value):
                self._numbers_s[_subject(rule, reading)] = now_s
        self._since = {
            subject: since
            for subject, since in self._since.items()
            if now_s - self._numbers_s[subject] <= self._blind_after_s
        }
        self._since, crossed = crossings(rule, answered.readings, self._since, now_s)
        if now_s - stage_started_s < rule.settle_s:
            self._since, crossed = {}, ()
        surprising = [crossing for crossing in crossed if crossing.subject not in rule.expected]
        if surprising:
            first = surprising[0]
            return Found(breach=Breached(first.rule, first.observed, first.limit))
        return Found(breach=self._missing(answered, now_s), noted=self._note(crossed))

    def _missing(self, answered: Answered, now_s: float) -> Breached | None:
        assert self._first_look_s is not None
        assert self._answer_s is not None
        limit_s = self._blind_after_s
        if now_s - self._answer_s > limit_s:
            return Breached(
                f"query failed: {self._rule.name}", answered.failure, f"an answer at least every {limit_s:g} s"
            )
        if not self._numbers_s:
            limit_s += self._rule.window_s
        silent_s = now_s - max(self._numbers_s.values(), default=self._first_look_s)
        if silent_s <= limit_s:
            return None
        what = "the query failed" if answered.failure else "only NaN" if answered.readings else "no series"
        return Breached(
            f"no data: {self._rule.name}", f"{what} for {silent_s:.0f} s", f"a number at least every {limit_s:g} s"
        )

    def _note(self, crossed: Sequence[Crossing]) -> tuple[str, ...]:
        new = [crossing for crossing in crossed if crossing.subject not in self._noted]
        self._noted.update(crossing.subject for crossing in new)
        return tuple(
            f"{crossing.rule} is {crossing.observed}, limit {crossing.limit}; expected: {self._rule.expected[crossing.subject]}"
            for crossing in new
        )


def crossings(
    rule: GuardRule, readings: Sequence[Reading], since: dict[str, float], now_s: float
) -> tuple[dict[str, float], tuple[Crossing, ...]]:
    """Judge one rule's readings.

    Args:
        rule: the rule.
        readings: what the query returned; NaN, or no reading at all, neither crosses nor clears a limit.
        since: when each subject crossed first, as returned by the last call.
        now_s: a clock that only goes forward.

    Returns:
        The new ``since``, and the crossings that have lasted as long as the rule asks.
    """
    kept = dict(since)
    found: list[Crossing] = []
    for reading in _in_scope(rule, readings):
        subject = _subject(rule, reading)
        if not math.isfinite(reading.value):
            continue
        if not (reading.value > rule.limit if rule.operator == ">" else reading.value < rule.limit):
            kept.pop(subject, None)
            continue
        kept.setdefault(subject, now_s)
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


class SaturationWatch:
    """Whether a load generator is at its limit: its iterations end late, and a CPU is what they wait for.

    Either alone is none: the system's own slowness is measured inside requests and k6 may use the CPU it was given.

    Args:
        rules: the limits; triage has the same.
    """

    def __init__(self, rules: TriageRules) -> None:
        self._rules = rules
        self._last: dict[str, deque[bool]] = {}

    def judge(self, reading: Saturation) -> Breached | None:
        """Return an INCONCLUSIVE breach when a load generator is saturated in most of its last readings, this one too."""
        last = self._last.setdefault(reading.loadgen, deque(maxlen=_READINGS))
        last.append(is_saturated(reading, self._rules))
        if not last[-1] or sum(last) < _SATURATED:
            return None
        rules, unknown = self._rules, "unknown"
        cpu = unknown if reading.cpu_busy is None else f"{reading.cpu_busy:.0%}"
        waits = unknown if reading.run_queue_share is None else f"{reading.run_queue_share:.0%}"
        return Breached(
            f"load generator {reading.loadgen} is saturated",
            f"iterations end {reading.lag_ms:.0f} ms late, CPU busy {cpu}, k6 waiting for a CPU {waits}",
            f"{rules.k6_lag_ms:g} ms with CPU {rules.k6_cpu_busy:.0%} or waiting {rules.k6_run_queue_share:.0%} "
            f"in {_SATURATED} of {_READINGS} readings",
            verdict=Verdict.INCONCLUSIVE,
        )


def is_saturated(reading: Saturation, rules: TriageRules) -> bool:
    """Whether a reading is over the limit of lag and over one of the two of the CPU."""
    late = reading.lag_ms is not None and reading.lag_ms > rules.k6_lag_ms
    busy = reading.cpu_busy is not None and reading.cpu_busy >= rules.k6_cpu_busy
    waits = reading.run_queue_share is not None and reading.run_queue_share >= rules.k6_run_queue_share
    return late and (busy or waits)


def _in_scope(rule: GuardRule, readings: Sequence[Reading]) -> list[Reading]:
    return [
        reading
        for reading in readings
        if not (rule.scope and guard_label(rule)) or _subject(rule, reading) == rule.scope
    ]


def _subject(rule: GuardRule, reading: Reading) -> str:
    label = guard_label(rule)
    return reading.labels.get(label, "") if label else ""
