"""The matrix of triage: its rows, the limits of their signals, what was read, and what is suggested."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Row = Literal["prisma-pool", "bullmq-backlog", "ws-handshake", "http-429", "oom-kill", "k6-saturated"]
Unit = Literal["ms", "ratio", "jobs", "kills"]
TriageVerdict = Literal["matched", "not matched", "inconclusive"]
Answer = Literal["resume", "throttle", "halt"]

CAUSES: dict[Row, str] = {
    "prisma-pool": "The database connection pool is too small: queries wait for a connection",
    "bullmq-backlog": "Workers are slower than arrivals: jobs pile up in a queue",
    "ws-handshake": "rt cannot accept WebSockets: its event loop or socket map is exhausted",
    "http-429": "The system's own rate limit turns requests away: an artefact of the test",
    "oom-kill": "A container was killed for memory",
    "k6-saturated": "The load generator is at its limit: its numbers are not the system's",
}
"""The rows of the matrix, in the checklist's order, with their causes in words."""


class Frozen(BaseModel):
    """A value: compared by content, never changed."""

    model_config = ConfigDict(frozen=True)


class TriageRules(Frozen):
    """The limits of the matrix' signals, and what its decisions need to know."""

    window_s: float = Field(60.0, ge=2, le=600, description="Seconds each value looks back; the checklist's 1 min.")
    span_lag_s: float = Field(
        5.0,
        ge=0,
        le=120,
        description="Seconds until a span is exported and scraped: span metrics are read later by it.",
    )
    db_query_p95_ms: float = Field(
        50.0,
        gt=0,
        description="p95 of database spans; a bound of the default buckets, so crossing it is no estimate.",
    )
    queue_jobs: float = Field(100.0, gt=0, description="Jobs that wait in one queue.")
    queue_growth_jobs: float = Field(
        5.0, gt=0, description="Growth over the window that is growth; the gate's floor for queues."
    )
    ws_failure_ratio: float = Field(0.05, gt=0, lt=1, description="Failed handshakes of all; the guard's error rate.")
    ws_p95_ms: float = Field(
        1000.0, gt=0, description="p95 of the handshake; below a second a user does not notice it."
    )
    ws_service: str = Field(
        "rt", min_length=1, description="The service of the WebSockets, part of its container's name."
    )
    event_loop_cpu: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="CPU of that service, as a part of its quota or of one core, from which it is saturated.",
    )
    too_many_requests_ratio: float = Field(0.01, gt=0, lt=1, description="Answers 429 of all answers.")
    k6_lag_ms: float = Field(
        20.0, gt=0, description="How much later iterations end; measured: 1 ms healthy, 51 ms saturated at 58 % CPU."
    )
    k6_cpu_busy: float = Field(0.9, gt=0, lt=1, description="CPU of the load generator's host, 0 to 1.")
    k6_run_queue_share: float = Field(
        0.7,
        gt=0,
        lt=1,
        description="Part of the time k6 was ready and waited for a CPU; on a shared machine it may be high without lag, so lag decides too.",
    )
    same_onset_s: float = Field(
        5.0, ge=0, le=120, description="Onsets this close count as one: the sources are sampled at different times."
    )
    queue_scenarios: dict[str, str] = Field(
        default_factory=lambda: {"settlement": "bet", "notifications": "bet"},
        description="Which scenario fills which queue: the one to throttle.",
    )
    throttle_share: float = Field(0.5, gt=0, lt=1, description="What is left of a throttled scenario.")


class Saturation(Frozen):
    """One reading of a load generator, taken by the guard while the load ran."""

    loadgen: str
    """Its address."""
    at: datetime
    cpu_busy: float | None = None
    """CPU of the whole host, 0 to 1."""
    lag_ms: float | None = None
    """How much later iterations end than they would on an idle host."""
    run_queue_share: float | None = None
    """Part of the time k6's threads waited for a CPU, 0 to 1."""


class Measure(Frozen):
    """One number of a row's signal at the breach, beside its limit and the run's own last stable stage."""

    name: str
    """What is measured, such as 'db_query p95'."""
    unit: Unit
    observed: float
    limit: float
    baseline: float | None = None
    """Its highest value in the last stable stage; None when there was none, or where it has none by nature."""
    onset: datetime | None = None
    """Since when it has been over the limit without a break; None when unknown."""

    @property
    def over(self) -> bool:
        """Whether it is over its limit and above the last stable stage."""
        return self.observed > self.limit and (self.baseline is None or self.observed > self.baseline)

    @property
    def excess(self) -> float:
        """How many times its limit it is; with a limit of 0, the number itself."""
        return self.observed / self.limit if self.limit else self.observed


class Subject(Frozen):
    """What the numbers belong to: a service, a queue, a container, a load generator."""

    name: str
    measures: tuple[Measure, ...] = Field(min_length=1)
    """All have to be over for the subject to be."""
    decisive: bool = True
    """False: it explains a match and makes none."""

    @property
    def over(self) -> bool:
        """Whether all its numbers are over."""
        return all(measure.over for measure in self.measures)

    @property
    def excess(self) -> float:
        """How many times its limit the number that is least over is."""
        return min(measure.excess for measure in self.measures)

    @property
    def onset(self) -> datetime | None:
        """Since when all its numbers have been over."""
        known = [measure.onset for measure in self.measures if measure.onset is not None]
        return max(known) if known else None


class Signal(Frozen):
    """What was read for a row of the matrix."""

    row: Row
    query: str
    """What was asked, as it can be asked again: PromQL or commands."""
    subjects: tuple[Subject, ...] = ()
    problem: str = ""
    """Why it could not be read, or not all of it; empty = all was read."""
    evidence: str = ""
    """Further sentences."""
    link: str = ""


class Suggestion(Frozen):
    """The decision of the matrix."""

    decision: Answer
    scenario: str | None = None
    """With throttle: which scenario."""
    share: float | None = None
    """With throttle: what is left of it."""
    why: str
