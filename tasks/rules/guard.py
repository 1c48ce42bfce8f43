"""Deciding when the load has to stop: a limit that is crossed, numbers that are missing, a load generator at its limit."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from blocks.models.breach import Breached
from blocks.models.rules import GuardRule
from blocks.models.triage import Saturation, TriageRules
from blocks.models.verdict import Verdict
from tasks.rules.queries import guard_label
from tasks.rules.sight import LastSeen

# Digits after the point, and the unit; everything else is a share.
_SHOWN = {"p95_ms": (0, "{:.{digits}f} ms"), "queue_depth": (0, "{:.{digits}f} jobs")}
_MORE_DIGITS = 3
# Three of the last four readings of a load generator, one every two seconds: one hiccup is none, and the lag of a
# saturated one swings, as requests that take longer shorten what is left beside them for a moment.
SATURATED_READINGS, _READINGS = 3, 4


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
        self._subjects = LastSeen[str](blind_after_s)
        self._first_look_s: float | None = None
        # When there was no load last that the rule measures.
        self._idle_s = -math.inf
        self._answer_s = 0.0
        self._last = Answered()

    def judge(
        self, answered: Answered, asked_s: float, stage_started_s: float, loaded: Collection[str] | None = None
    ) -> Found:
        """Judge one answer.

        A rule whose numbers stay away is a breach of its own, and so is one of its endpoints, containers or queues that
        had numbers and has none any more. A rule that never had a number gets its window's time more: there may have
        been nothing to measure yet.

        Args:
            answered: what its query gave.
            asked_s: when it was asked, by a clock that only goes forward.
            stage_started_s: when the stage began, by the same clock.
            loaded: the endpoints that have load now, the others may be silent; None = all have.
        """
        rule, self._last = self._rule, answered
        self._begin(asked_s)
        if not answered.failure:
            self._answer_s = asked_s
        for reading in _in_scope(rule, answered.readings):
            if math.isfinite(reading.value):
                self._numbers_s[_subject(rule, reading)] = asked_s
        self._since = {
            subject: since
            for subject, since in self._since.items()
            if asked_s - self._numbers_s[subject] <= self._blind_after_s
        }
        self._since, crossed = crossings(rule, answered.readings, self._since, asked_s)
        # Without a time to settle an answer from just before the stage counts like any other.
        if rule.settle_s and asked_s - stage_started_s < rule.settle_s:
            self._since, crossed = {}, ()
        surprising = [crossing for crossing in crossed if crossing.subject not in rule.expected]
        if surprising:
            first = surprising[0]
            return Found(breach=Breached(first.rule, first.observed, first.limit))
        return Found(breach=self.missing(asked_s, loaded), noted=self._note(crossed))

    def missing(self, now_s: float, loaded: Collection[str] | None = None) -> Breached | None:
        """Return a breach when answers or numbers have stayed away for too long; asked too while no new answer comes.

        Args:
            now_s: a clock that only goes forward.
            loaded: as for ``judge``.
        """
        rule, limit_s = self._rule, self._blind_after_s
        first_s = self._begin(now_s)
        if now_s - self._answer_s > limit_s:
            failure = self._last.failure or f"no answer for {now_s - self._answer_s:.0f} s"
            return Breached(f"query failed: {rule.name}", failure, f"an answer at least every {limit_s:g} s")
        of_handshakes = rule.metric == "ws_handshake_success"
        by_load = loaded if of_handshakes or guard_label(rule) == "scenario" else None
        endpoint = "ws" if of_handshakes else rule.scope
        # What setup asks belongs to no endpoint and is not waited for: its subject is no endpoint under load.
        due = [subject for subject in self._numbers_s if by_load is None or (subject or endpoint) in by_load]
        # A number outlives the last request by the window its rate looks back: the blind time comes on top of that.
        silent = self._subjects.silent(self._numbers_s, due, now_s)
        if by_load is not None and not (endpoint in by_load if endpoint else by_load):
            self._idle_s = now_s
            return None
        name, readings = rule.name, self._last.readings
        if not due:
            silent_s = now_s - max([first_s, self._idle_s, *self._numbers_s.values()])
            limit_s += rule.window_s
            if silent_s <= limit_s:
                return None
        elif not silent:
            return None
        elif len(silent) == len(due):
            silent_s = min(silent.values())
        else:
            subject, silent_s = next(iter(silent.items()))
            name = f"{rule.name} ({subject})"
            readings = tuple(reading for reading in readings if _subject(rule, reading) == subject)
        what = "the query failed" if self._last.failure else "only NaN" if readings else "no series"
        return Breached(f"no data: {name}", f"{what} for {silent_s:.0f} s", f"a number at least every {limit_s:g} s")

    def _begin(self, now_s: float) -> float:
        """Return when the rule was looked at first; numbers are waited for from then on."""
        if self._first_look_s is None:
            self._first_look_s = self._answer_s = now_s
        return self._first_look_s

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
                    observed=shown(rule.metric, reading.value, beside=rule.limit),
                    limit=f"{rule.operator} {shown(rule.metric, rule.limit)}"
                    + (f" for {rule.for_s:g} s" if rule.for_s else ""),
                    since_s=kept[subject],
                )
            )
    return kept, tuple(found)


def shown(metric: str, value: float, beside: float | None = None) -> str:
    """Write a value in the unit of its metric, with as many digits as tell it from the one beside it."""
    fewest, form = _SHOWN.get(metric, (1, "{:.{digits}%}"))

    def written(number: float, digits: int) -> str:
        return form.format(number, digits=digits)

    enough = range(fewest, fewest + _MORE_DIGITS)
    told = (digits for digits in enough if beside is None or written(value, digits) != written(beside, digits))
    return written(value, next(told, enough.stop))


def what_stops(rules: Sequence[GuardRule]) -> str:
    """Say what the guard stops all load on."""
    limits = [
        f"{rule.name} {rule.operator} {shown(rule.metric, rule.limit)}"
        + (f" for {rule.for_s:g} s" if rule.for_s else "")
        for rule in rules
    ]
    return f"The guard stops all load on: {'; '.join(limits)}."


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
        if not last[-1] or sum(last) < SATURATED_READINGS:
            return None
        rules, unknown = self._rules, "unknown"
        cpu = unknown if reading.cpu_busy is None else f"{reading.cpu_busy:.0%}"
        waits = unknown if reading.run_queue_share is None else f"{reading.run_queue_share:.0%}"
        return Breached(
            f"load generator {reading.loadgen} is saturated",
            f"iterations end {reading.lag_ms:.0f} ms late, CPU busy {cpu}, k6 waiting for a CPU {waits}",
            f"{rules.k6_lag_ms:g} ms with CPU {rules.k6_cpu_busy:.0%} or waiting {rules.k6_run_queue_share:.0%} "
            f"in {SATURATED_READINGS} of {_READINGS} readings",
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
