"""The limits of a ramp: each is asked by itself at its own pace, and nothing that was not seen is health."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from blocks.models.breach import Breached
from blocks.models.errors import Unavailable
from blocks.models.load import LoadPlan
from blocks.models.rules import GuardRule
from blocks.models.triage import Saturation
from tasks.clients.loadgen import LoadGenerator
from tasks.metrics import prometheus_of
from tasks.polled import Polled, asking
from tasks.rules import queries
from tasks.rules.guard import SATURATED_READINGS, Answered, Found, Reading, RuleWatch, SaturationWatch
from tasks.rules.lag import WINDOW_S, IterationLag
from tasks.rules.thresholds import rules_of_ramp
from tasks.run import Run
from tasks.saturation import Counters, read_counters, reading_between

# k6 pushes every second; this old, two pushes are missing.
_FRESH_S = 3.0
# A process whose newest sample is older has no virtual users that anybody sees.
_USERS_WINDOW_S = 10.0
_SATURATION_EVERY_S = 2.0
# A load generator that is saturated from now on is told after this long: its lag is an average, and one reading is none.
SATURATION_TOLD_S = WINDOW_S + SATURATED_READINGS * _SATURATION_EVERY_S


@dataclass(frozen=True)
class Look:
    """What the answers since the last look say."""

    breach: Breached | None
    inconclusive: Breached | None
    """A load generator is saturated: what is measured says nothing about the system."""
    noted: tuple[str, ...]
    """Crossings that are expected, each said once."""
    seen_s: Mapping[str, float]
    """k6 processes with a fresh sample, and when it was asked for, by a clock that only goes forward."""
    users: Mapping[str, float] | None
    """Virtual users by k6 process; None when there is no new answer."""
    saturation: tuple[Saturation, ...]
    """New readings of the load generators."""
    failures: tuple[str, ...]
    """What cannot be asked now, and why."""


def guard_rules(run: Run, plan: LoadPlan) -> tuple[tuple[GuardRule, ...], tuple[str, ...]]:
    """Return the rules of the ramp, the script's own among them, and a sentence for each limit that is not enforced.

    Raises:
        Refused: a rule watches an endpoint that the script does not have.
    """
    return rules_of_ramp(run.profile.guard, plan)


class Limits:
    """The limits of a ramp, and what is remembered of them between two looks; one thread looks.

    Args:
        run: the run.
        rules: the rules, as ``guard_rules`` returns them.
        loadgens: the load generators, open.
    """

    def __init__(self, run: Run, rules: Sequence[GuardRule], loadgens: Sequence[LoadGenerator]) -> None:
        names, every_s = run.environment.metrics, run.profile.guard_poll_s
        self._profile = run.profile
        self._prometheus = prometheus_of(run)
        self._rules = [(rule, queries.guard_query(rule, names, run.id)) for rule in rules]
        self._fresh = queries.freshness_s(names, run.id)
        self._users = queries.users_by_process(names, run.id, _USERS_WINDOW_S)
        self._outside = queries.time_outside_requests_ms(names, run.id, WINDOW_S)
        pace_s = dict.fromkeys([self._fresh, self._users, *(query for _, query in self._rules)], every_s)
        pace_s[self._outside] = _SATURATION_EVERY_S
        self._asked = {query: Polled(query, partial(self._ask, query), pace) for query, pace in pace_s.items()}
        self._loadgens = {
            loadgen: Polled(f"the CPU of {loadgen.host.address}", partial(read_counters, loadgen), _SATURATION_EVERY_S)
            for loadgen in loadgens
        }
        self.reset()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask while the body works."""
        with asking([*self._asked.values(), *self._loadgens.values()]):
            yield

    def reset(self) -> None:
        """Forget what was seen, and what was asked for until now: k6 starts anew."""
        now_s = time.monotonic()
        self._watches = [RuleWatch(rule, self._profile.blind_after_s) for rule, _ in self._rules]
        self._saturated = SaturationWatch(self._profile.triage)
        self._lag = IterationLag()
        self._counters: dict[LoadGenerator, Counters] = {}
        self._judged_s = dict.fromkeys(self._asked, now_s)
        self._read_s = dict.fromkeys(self._loadgens, now_s)
        self._last_users: Mapping[str, float] = {}

    def look(self, now_s: float, stage_started_s: float, loaded: Collection[str] | None = None) -> Look:
        """Judge what was answered since the last look, and how old the newest answers are; waits for none.

        Args:
            now_s: a clock that only goes forward.
            stage_started_s: when the stage began, by the same clock.
            loaded: the endpoints that have load now; None = all.
        """
        new, newest = self._new_answers(), [polled.answer for polled in self._asked.values()]
        users = _users_of(new[self._users][0]) if self._users in new else None
        if users is not None:
            self._last_users = users
        if self._outside in new:
            self._lag.update(new[self._outside][0].readings, self._last_users, now_s)
        found = [self._judge(watch, new.get(query), now_s, stage_started_s, loaded) for watch, query in self._watched()]
        saturation = self._saturation()
        saturated = [breach for reading in saturation if (breach := self._saturated.judge(reading))]
        fresh, asked_s = new.get(self._fresh, (Answered(), now_s))
        return Look(
            breach=next((item.breach for item in found if item.breach), None),
            inconclusive=saturated[0] if saturated else None,
            noted=tuple(text for item in found for text in item.noted),
            seen_s={_process(reading): asked_s for reading in fresh.readings if reading.value <= _FRESH_S},
            users=users,
            saturation=saturation,
            failures=tuple(dict.fromkeys(said.value.failure for said in newest if said and said.value.failure)),
        )

    def _new_answers(self) -> dict[str, tuple[Answered, float]]:
        """Return the answers nobody judged yet, by query, with the time they were asked for."""
        new = {}
        for query, polled in self._asked.items():
            answer = polled.newer_than(self._judged_s[query])
            if answer is not None:
                self._judged_s[query] = answer.asked_s
                new[query] = (answer.value, answer.asked_s)
        return new

    def _watched(self) -> Iterator[tuple[RuleWatch, str]]:
        return ((watch, query) for (_, query), watch in zip(self._rules, self._watches, strict=True))

    @staticmethod
    def _judge(
        watch: RuleWatch,
        answer: tuple[Answered, float] | None,
        now_s: float,
        stage_started_s: float,
        loaded: Collection[str] | None,
    ) -> Found:
        if answer is None:
            return Found(breach=watch.missing(now_s, loaded))
        return watch.judge(*answer, stage_started_s, loaded)

    def _ask(self, query: str) -> Answered:
        try:
            samples = self._prometheus.query(query)
        except Unavailable as error:
            return Answered(failure=str(error))
        return Answered(readings=tuple(Reading(labels=sample.labels, value=sample.value) for sample in samples))

    def _saturation(self) -> tuple[Saturation, ...]:
        """Return what happened between the newest reading of each load generator and the one before."""
        readings: list[Saturation] = []
        for loadgen, polled in self._loadgens.items():
            answer = polled.newer_than(self._read_s[loadgen])
            if answer is None:
                continue
            self._read_s[loadgen], after = answer.asked_s, answer.value
            before = self._counters.get(loadgen)
            self._counters[loadgen] = after
            if before is not None:
                readings.append(reading_between(loadgen.host.address, before, after, self._lag.of(after.jobs)))
        return tuple(readings)


def _process(reading: Reading) -> str:
    return reading.labels.get("instance", "")


def _users_of(answer: Answered) -> dict[str, float] | None:
    if answer.failure:
        return None
    return {_process(reading): reading.value for reading in answer.readings}
