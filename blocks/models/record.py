"""The public result of a run, record.json. Fields are only ever added."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from blocks.models.triage import TriageVerdict
from blocks.models.verdict import Verdict

SCHEMA_VERSION = 1


class Part(BaseModel):
    """A part of the record."""

    model_config = ConfigDict(frozen=True)


class Ceiling(Part):
    """The highest stage that was stable."""

    stage: int | None = None
    vus: int | None = None
    reason: str = ""


class Check(Part):
    """An item of the checklist, as it went."""

    id: str
    title: str
    phase: str
    verdict: Verdict
    implemented: bool
    detail: str
    evidence: tuple[str, ...] = ()
    started: datetime | None = None
    seconds: float | None = None


class Gate(Part):
    """Whether the stage was stable."""

    verdict: Verdict
    reason: str


class EndpointNumbers(Part):
    """One endpoint over the steady part of a stage; for ws, requests are handshakes."""

    name: str
    requests: int | None = None
    errors: int | None = None
    error_rate: float | None = None
    p50_ms: float | None = None
    p90_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    live_p95_ms: float | None = None
    """As Prometheus showed it during the run: a bucket estimate."""
    live_error_rate: float | None = None
    live_note: str | None = None
    """Says so when the estimate and the exact p95 differ by more than a bucket may."""


class CheckNumbers(Part):
    """A check of the script over the steady part of a stage."""

    name: str
    passes: int
    fails: int


class ContainerUse(Part):
    """What a container of the SUT used at the end of a stage."""

    container: str
    cpu_percent: float | None = None
    memory_bytes: int | None = None


class TraceId(Part):
    """A trace that was looked at."""

    id: str
    why: str
    verified: bool
    file: str | None = None


class Stage(Part):
    """A level of the load that was held."""

    number: int
    vus: int | None = None
    rate: float | None = None
    started: datetime
    ended: datetime | None = None
    steady_from: datetime | None = None
    steady_to: datetime | None = None
    gate: Gate | None = None
    endpoints: tuple[EndpointNumbers, ...] = ()
    rise: tuple[EndpointNumbers, ...] = ()
    """The same between the stage's start and its steady part, exact."""
    checks: tuple[CheckNumbers, ...] = ()
    ws_handshake_success: float | None = None
    live_ws_handshake_success: float | None = None
    sut: tuple[ContainerUse, ...] = ()
    queues: dict[str, float] = Field(default_factory=dict)
    screenshot: str | None = None
    summary: str | None = None
    trace_ids: tuple[TraceId, ...] = ()
    snapshot: str | None = None
    exemplars: str | None = None
    stats: str | None = None
    """CPU and memory of each container over the stage."""
    logs: str | None = None
    """The end of the containers' logs."""
    kernel: str | None = None
    """What the SUT's kernel killed for memory."""
    captured: dict[str, datetime] = Field(default_factory=dict)
    """When a piece of evidence was taken: while the stage was held, or later."""
    not_captured: dict[str, str] = Field(default_factory=dict)
    """Why a piece of evidence is not there."""


class SegmentRun(Part):
    """A k6 process of the ramp."""

    index: int
    loadgen: str
    share: float
    started: datetime
    ended: datetime | None = None
    exit_code: int | None = None
    k6_summary: str | None = None


class TriageRow(Part):
    """A row of the matrix, as it was queried after a breach."""

    row: str
    matched: bool
    score: float
    """Falls from row to row: matched rows count down to 1 by rank, inconclusive ones have 0.5, others less; the fraction is the excess."""
    evidence: str
    verdict: TriageVerdict = "not matched"
    cause: str = ""
    query: str = ""
    """What was asked, as it can be asked again."""
    observed: str = ""
    limit: str = ""
    onset: datetime | None = None
    """Since when it has been over its limit."""
    link: str = ""
    subjects: tuple[str, ...] = ()
    """What is over its limit: services, queues, containers, load generators."""


class Breach(Part):
    """A crossed limit, and how quickly the load was gone."""

    rule: str
    observed: str
    limit: str
    stage: int | None
    detected: datetime
    stopped: datetime | None = None
    load_zero_at: datetime | None = None
    triage: tuple[TriageRow, ...] = ()


class Decision(Part):
    """What a person, or the run's form, answered."""

    asked: str
    answer: str
    by: str
    waited_seconds: float
    answered: datetime | None = None
    details: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the form: the stage to resume at, the scenario to throttle and its share."""


class Limit(Part):
    """A rule of the guard, as it was in force."""

    name: str
    metric: str
    scope: str = ""
    operator: str = ">"
    limit: float
    window_s: float | None = None
    for_s: float = 0.0
    settle_s: float = 0.0


class SeriesFile(Part):
    """Lines over the time of the load, as Prometheus had them; kept as a file of the evidence."""

    name: str
    file: str | None = None
    sha256: str | None = None
    not_captured: str = ""
    """Why there is no file."""


class Recording(Part):
    """The time-lapse of the dashboard."""

    file: str
    sha256: str
    frames: int
    seconds: float
    """How long it plays."""


class Unfinished(Part):
    """Where a run is, or where it died: a phase that began and did not end."""

    phase: str
    check: str | None = None
    """The first check of the phase without a verdict."""
    stage: int | None = None
    """The stage that was begun and not ended."""
    last_line: datetime
    interrupted: bool = False
    """Somebody ended it: Ctrl-C, a cancel or a SIGTERM."""


class Teardown(Part):
    """What became of the infrastructure."""

    verdict: Verdict
    destroyed: int | None = None
    leftover: tuple[str, ...] = ()
    ecr_deleted: tuple[str, ...] = ()
    seconds: float | None = None


class Cost(Part):
    """What the run cost; the actual figure is known a day later."""

    estimated_usd: float | None = None
    """Of the plan, before apply; a lower bound while `unpriced` names something."""
    actual_usd: float | None = None
    basis: str = ""
    """What the estimate is made of: amounts, hours, the prices' date and source."""
    check_at: datetime | None = None
    """When Cost Explorer is asked, or asked again; null when that is over."""
    hours: float | None = None
    """How long the infrastructure was planned to stand."""
    unpriced: tuple[str, ...] = ()
    """What of the plan the price table does not know."""
    actual_basis: str = ""
    """What the actual figure is of: the run's tag, or the account, region and days."""
    provisional: bool = False
    """Whether Cost Explorer still marked the actual figure as an estimate."""


class ComparedNumber(Part):
    """The p95 of an endpoint in a part of the run, beside the other run's."""

    where: str
    """``smoke`` or ``stage 3``."""
    endpoint: str
    verdict: Literal["slower", "faster", "same", "not compared"]
    why: str = ""
    """Why it was not compared."""
    p95_ms: float | None = None
    baseline_p95_ms: float | None = None
    ratio: float | None = None
    """This run's p95 by the other's."""
    low: float | None = None
    """Lower end of the ratio's 95 % interval."""
    high: float | None = None
    p_value: float | None = None
    """Of the rank test, adjusted for the number of comparisons."""


class Comparison(Part):
    """This run beside an earlier one."""

    baseline: str = ""
    """The other run's id; empty when there is none."""
    baseline_started: datetime | None = None
    chosen: bool = False
    """Whether the run's form named the other run; else it is the last comparable one."""
    why: str = ""
    """Why there is no other run."""
    differences: tuple[str, ...] = ()
    """What else is not the same in the two runs."""
    numbers: tuple[ComparedNumber, ...] = ()


class Record(Part):
    """A run from checklist to report."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    environment: str
    started: datetime
    ended: datetime | None = None
    verdict: Verdict
    reason: str
    ceiling: Ceiling = Ceiling()
    checks: tuple[Check, ...]
    stages: tuple[Stage, ...] = ()
    segments: tuple[SegmentRun, ...] = ()
    breaches: tuple[Breach, ...] = ()
    decisions: tuple[Decision, ...] = ()
    limits: tuple[Limit, ...] = ()
    series: tuple[SeriesFile, ...] = ()
    recording: Recording | None = None
    unfinished: Unfinished | None = None
    teardown: Teardown | None = None
    cost: Cost = Cost()
    comparison: Comparison | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    links: dict[str, str] = Field(default_factory=dict)
    facts: dict[str, str] = Field(default_factory=dict)
    """What the environment was: region, instance types, users."""
    notes: tuple[str, ...] = ()
    smoke: dict[str, Any] = Field(default_factory=dict)
    unreadable_lines: int = 0
    """Lines of the journal that could not be read."""
