"""One look of the guard: every limit is asked at once, and nothing that was not seen is health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from blocks.models.breach import Breached
from blocks.models.errors import Unavailable
from blocks.models.load import LoadPlan
from blocks.models.rules import GuardRule
from blocks.models.triage import Saturation
from tasks.clients.loadgen import LoadGenerator
from tasks.metrics import prometheus_of
from tasks.rules import queries
from tasks.rules.guard import Answered, Reading, RuleWatch, SaturationWatch
from tasks.rules.lag import WINDOW_S, IterationLag
from tasks.rules.thresholds import rules_of_ramp
from tasks.run import Run
from tasks.saturation import Counters, read_saturation, reading_between

# k6 pushes every second; this old, two pushes are missing.
_FRESH_S = 3.0
# A process whose newest sample is older has no virtual users that anybody sees.
_USERS_WINDOW_S = 10.0
_SATURATION_EVERY_S = 2.0
_AT_ONCE = 8


@dataclass(frozen=True)
class Look:
    """What one look saw."""

    breach: Breached | None
    inconclusive: Breached | None
    """A load generator is saturated: what is measured says nothing about the system."""
    noted: tuple[str, ...]
    """Crossings that are expected, each said once."""
    seen: bool
    """Whether k6 was seen: its newest sample is fresh."""
    users: Mapping[str, float] | None
    """Virtual users by k6 process; None when they could not be asked."""
    saturation: tuple[Saturation, ...]
    """New readings of the load generators."""
    failures: tuple[str, ...]
    """What could not be asked, and why."""


def guard_rules(run: Run, plan: LoadPlan) -> tuple[tuple[GuardRule, ...], tuple[str, ...]]:
    """Return the rules of the ramp, the script's own among them, and a sentence for each limit that is not enforced.

    Raises:
        Refused: a rule watches an endpoint that the script does not have.
    """
    return rules_of_ramp(run.profile.guard, plan)


class Limits:
    """The limits of a ramp, and what is remembered of them between two looks; for one thread.

    Args:
        run: the run.
        rules: the rules, as ``guard_rules`` returns them.
        loadgens: the load generators, open.
    """

    def __init__(self, run: Run, rules: Sequence[GuardRule], loadgens: Sequence[LoadGenerator]) -> None:
        names = run.environment.metrics
        self._profile = run.profile
        self._rules = [(rule, queries.guard_query(rule, names, run.id)) for rule in rules]
        self._loadgens = loadgens
        self._prometheus = prometheus_of(run)
        self._fresh = queries.freshness_s(names, run.id)
        self._users = queries.users_by_process(names, run.id, _USERS_WINDOW_S)
        self._outside = queries.time_outside_requests_ms(names, run.id, WINDOW_S)
        self._pool = ThreadPoolExecutor(_AT_ONCE, "limits")
        self._ssh = ThreadPoolExecutor(max(1, len(loadgens)), "saturation")
        self._pending: dict[LoadGenerator, Future[Counters | str]] = {}
        self.reset()

    def reset(self) -> None:
        """Forget what was seen: k6 starts anew."""
        self._watches = [RuleWatch(rule, self._profile.blind_after_s) for rule, _ in self._rules]
        self._saturated = SaturationWatch(self._profile.triage)
        self._lag = IterationLag()
        self._counters: dict[LoadGenerator, Counters] = {}
        self._asked_s: float | None = None

    def look(self, now_s: float, stage_started_s: float) -> Look:
        """Ask everything at once and judge it.

        Args:
            now_s: a clock that only goes forward.
            stage_started_s: when the stage began, by the same clock.
        """
        due = not self._pending and (self._asked_s is None or now_s - self._asked_s >= _SATURATION_EVERY_S)
        wanted = dict.fromkeys([self._fresh, self._users, *(query for _, query in self._rules)])
        asked = {query: self._pool.submit(self._ask, query) for query in (*wanted, *([self._outside] if due else []))}
        if due:
            self._asked_s = now_s
            self._pending = {loadgen: self._ssh.submit(read_saturation, loadgen) for loadgen in self._loadgens}
        answers = {query: future.result() for query, future in asked.items()}
        users = _users_of(answers[self._users])
        if due:
            self._lag.update(answers[self._outside].readings, users or {}, now_s)
        found = [
            watch.judge(answers[query], now_s, stage_started_s)
            for (_, query), watch in zip(self._rules, self._watches, strict=True)
        ]
        saturation, unread = self._saturation()
        saturated = [breach for reading in saturation if (breach := self._saturated.judge(reading))]
        return Look(
            breach=next((item.breach for item in found if item.breach), None),
            inconclusive=saturated[0] if saturated else None,
            noted=tuple(text for item in found for text in item.noted),
            seen=any(reading.value <= _FRESH_S for reading in answers[self._fresh].readings),
            users=users,
            saturation=saturation,
            failures=(*dict.fromkeys(answer.failure for answer in answers.values() if answer.failure), *unread),
        )

    def _ask(self, query: str) -> Answered:
        try:
            samples = self._prometheus.query(query)
        except Unavailable as error:
            return Answered(failure=str(error))
        return Answered(readings=tuple(Reading(labels=sample.labels, value=sample.value) for sample in samples))

    def _saturation(self) -> tuple[tuple[Saturation, ...], tuple[str, ...]]:
        """Collect the readings that came in; a slow host delays no other limit."""
        readings: list[Saturation] = []
        failures: list[str] = []
        for loadgen in [loadgen for loadgen, future in self._pending.items() if future.done()]:
            after = self._pending.pop(loadgen).result()
            if isinstance(after, str):
                failures.append(after)
                continue
            before = self._counters.get(loadgen)
            self._counters[loadgen] = after
            if before is not None:
                readings.append(reading_between(loadgen.host.address, before, after, self._lag.of(after.jobs)))
        return tuple(readings), tuple(failures)


def _users_of(answer: Answered) -> dict[str, float] | None:
    if answer.failure:
        return None
    return {reading.labels.get("instance", ""): reading.value for reading in answer.readings}
