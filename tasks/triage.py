"""Triage: all six rows of the matrix are read at once, from Prometheus, from the SUT and from the guard's readings."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.models.errors import RampartError
from blocks.models.settings import MetricNames
from blocks.models.triage import Row, Saturation, Signal, Subject, TriageRules
from tasks.clients.kernel import read_kernel_log
from tasks.clients.loadgen import LoadGenerator
from tasks.clients.metrics import Line, Prometheus
from tasks.metrics import prometheus_of
from tasks.rules import queries
from tasks.rules.oom import oom_signal
from tasks.rules.signals import Asked, Track, gone, saturation_signal, subjects_of, together
from tasks.run import Run
from tasks.sut import sut_of

# The rows are read side by side; an operator waits for the slowest no longer than this, and than spans may come late.
_ROW_S = 8.0
_KERNEL_S = 5.0
# Prometheus refuses more than 11,000 points a series.
_MOST_POINTS = 5000
_MIB = 2**20


# What is read has passed; nothing of it is ever answered from a cache.
@task(cache_policy=NO_CACHE)
def read_signals(  # noqa: PLR0913 - what a breach leaves behind
    run: Run,
    *,
    stage_started: datetime,
    detected: datetime,
    stable: tuple[datetime, datetime] | None,
    loadgens: Sequence[LoadGenerator],
    saturation: Sequence[Saturation],
) -> tuple[Signal, ...]:
    """Read every row of the matrix, all at once, and return them in the checklist's order.

    The load is off by then: Prometheus is asked about the moment of the breach, the load generators are judged by
    what the guard read before it. A row that cannot be read says why in its ``problem``; nothing is raised.

    Args:
        run: the run.
        stage_started: when the breached stage began.
        detected: when the guard saw the breach.
        stable: when the run's last stable stage was held; None when there was none.
        loadgens: the load generators of the ramp.
        saturation: the guard's readings of them.
    """
    look = _Look(run, stage_started, _next_second(detected), stable)

    def load_generators() -> Signal:
        return saturation_signal(
            saturation, look.rules, loadgens=[loadgen.host.address for loadgen in loadgens],
            stage_started=stage_started, detected=detected, stable=stable,
        )  # fmt: skip

    readers: dict[Row, Callable[[], Signal]] = {
        "prisma-pool": look.database,
        "bullmq-backlog": look.queues,
        "ws-handshake": look.handshakes,
        "http-429": look.rate_limit,
        "oom-kill": look.kills,
        "k6-saturated": load_generators,
    }
    pool = ThreadPoolExecutor(len(readers))
    futures = {row: pool.submit(reader) for row, reader in readers.items()}
    limit_s = _ROW_S + look.rules.span_lag_s
    wait(futures.values(), timeout=limit_s)
    pool.shutdown(wait=False, cancel_futures=True)
    return tuple(_read(row, future, limit_s) for row, future in futures.items())


def _next_second(moment: datetime) -> datetime:
    """Return the whole second a moment is in or before: ranges are asked in whole seconds, and all rows look at one time."""
    return datetime.fromtimestamp(math.ceil(moment.timestamp()), UTC)


def _read(row: Row, future: Future[Signal], limit_s: float) -> Signal:
    if not future.done():
        return Signal(row=row, query="", problem=f"It did not answer within {limit_s:g} s.")
    error = future.exception()
    if error is None:
        return future.result()
    text = str(error) if isinstance(error, RampartError) else f"It could not be read: {type(error).__name__}: {error}."
    return Signal(row=row, query="", problem=text)


@dataclass(frozen=True)
class _Look:
    """One look at the moment of a breach."""

    run: Run
    stage_started: datetime
    detected: datetime
    stable: tuple[datetime, datetime] | None

    @property
    def rules(self) -> TriageRules:
        return self.run.profile.triage

    @property
    def names(self) -> MetricNames:
        return self.run.environment.metrics

    def database(self) -> Signal:
        """Read p95 of database spans by service."""
        asked = Asked(
            query=queries.db_query_p95_ms(self.names, self.rules.window_s),
            subject="{service_name}", name="p95 of {span_name}", unit="ms", limit=self.rules.db_query_p95_ms,
        )  # fmt: skip
        # A span is exported and scraped after its request: asked at once, a quick breach would leave no trace here.
        at = self.detected + timedelta(seconds=self.rules.span_lag_s)
        time.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))
        prometheus = prometheus_of(self.run)
        subjects, problem = self._ask(prometheus, asked, at)
        return self._signal("prisma-pool", prometheus, asked, subjects, problem)

    def queues(self) -> Signal:
        """Read the wait depth by queue, and its growth."""
        depth = Asked(
            query=queries.queue_depth(self.names),
            subject="{queue}", name="waiting", unit="jobs", limit=self.rules.queue_jobs,
        )  # fmt: skip
        growth = Asked(
            query=queries.queue_growth(self.names, self.rules.window_s),
            subject="{queue}", name=f"growth over {self.rules.window_s:g} s", unit="jobs",
            limit=self.rules.queue_growth_jobs, against_stable=False,
        )  # fmt: skip
        prometheus = prometheus_of(self.run)
        waiting, problem = self._ask(prometheus, depth, self.detected)
        growing, unknown = self._ask(prometheus, growth, self.detected)
        return self._signal("bullmq-backlog", prometheus, depth, together(waiting, growing), problem or unknown)

    def handshakes(self) -> Signal:
        """Read failures and p95 of WebSocket handshakes, and CPU and memory of the service that takes them."""
        rules, run_id, prometheus = self.rules, self.run.id, prometheus_of(self.run)
        failures = Asked(
            query=queries.ws_handshake_failure(self.names, run_id, rules.window_s),
            subject="handshakes", name="failed", unit="ratio", limit=rules.ws_failure_ratio,
        )  # fmt: skip
        slow = Asked(
            query=queries.ws_p95_ms(self.names, run_id, rules.window_s),
            subject="handshakes", name="p95", unit="ms", limit=rules.ws_p95_ms,
        )  # fmt: skip
        cpu = Asked(
            query=queries.event_loop_cpu(self.names, rules.ws_service, rules.window_s), subject=f"{rules.ws_service} CPU",
            name="of its quota or of one core", unit="ratio", limit=rules.event_loop_cpu, against_stable=False,
        )  # fmt: skip
        failed, problem = self._ask(prometheus, failures, self.detected)
        taking, unknown = self._ask(prometheus, slow, self.detected)
        busy, _ = self._ask(prometheus, cpu, self.detected)
        explaining = tuple(subject.model_copy(update={"decisive": False}) for subject in busy)
        evidence = " ".join(text for text in (_cpu_sentence(rules, busy), self._memory(prometheus)) if text)
        subjects = (*failed, *taking, *explaining)
        return self._signal("ws-handshake", prometheus, failures, subjects, problem or unknown, evidence)

    def rate_limit(self) -> Signal:
        """Read how many answers were 429, told from other errors by status, and who gave them."""
        rules, prometheus = self.rules, prometheus_of(self.run)
        asked = Asked(
            query=queries.too_many_requests(self.names, self.run.id, rules.window_s),
            subject="answers", name="429", unit="ratio", limit=rules.too_many_requests_ratio,
        )  # fmt: skip
        subjects, problem = self._ask(prometheus, asked, self.detected)
        failed = prometheus.value(queries.error_rate(self.names, self.run.id, rules.window_s), self.detected)
        evidence = "" if failed is None else f"Failed for any reason: {failed:.1%}."
        given = [
            f"{sample.labels.get('service_name', '?')} {sample.value:.1f}/s"
            for sample in prometheus.query(queries.services_with_429(self.names, rules.window_s), self.detected)
        ]
        if given:
            evidence += f" 429 by service, from spans: {', '.join(given)}."
        return self._signal("http-429", prometheus, asked, subjects, problem, evidence.strip())

    def kills(self) -> Signal:
        """Read the SUT's kernel log and the state of its containers."""
        with sut_of(self.run) as sut:
            read_at = datetime.now(UTC)
            log = read_kernel_log(sut.host, _KERNEL_S)
            return oom_signal(log, sut.states(), read_at, self.stage_started)

    def _ask(self, prometheus: Prometheus, asked: Asked, at: datetime) -> tuple[tuple[Subject, ...], str]:
        """Return the subjects of a query with their numbers, and why some are missing."""
        now = _tracks(prometheus, asked.query, self.stage_started, at)
        stable: tuple[Track, ...] = ()
        if self.stable is not None:
            begin, end = self.stable
            # A rate looks back: its values at the begin of the stage are those of the rise.
            stable = _tracks(prometheus, asked.query, min(begin + timedelta(seconds=self.rules.window_s), end), end)
        subjects = subjects_of(asked, now, stable, at)
        if subjects:
            return subjects, gone(asked, subjects, stable)
        if not now:
            return (
                (),
                f"Prometheus has no series for '{asked.query}': are the metric names of the environment block right?",
            )
        return (
            (),
            f"Prometheus has no number at {at:%H:%M:%S} UTC for '{asked.query}': nothing of it happened, or its source is gone.",
        )

    def _signal(  # noqa: PLR0913, PLR0917 - a row as it was read
        self,
        row: Row,
        prometheus: Prometheus,
        asked: Asked,
        subjects: tuple[Subject, ...],
        problem: str,
        evidence: str = "",
    ) -> Signal:
        link = queries.graph_link(prometheus.url, asked.query, self.detected)
        return Signal(row=row, query=asked.query, subjects=subjects, problem=problem, evidence=evidence, link=link)

    def _memory(self, prometheus: Prometheus) -> str:
        query, service = queries.memory_bytes(self.names, self.rules.ws_service), self.rules.ws_service
        now = prometheus.value(query, self.detected)
        before = prometheus.value(query, self.stable[1]) if self.stable else None
        if now is None:
            return f"The memory of {service} is not known."
        past = "" if before is None else f", {before / _MIB:.0f} MiB in the last stable stage"
        return f"Memory of {service}: {now / _MIB:.0f} MiB{past}."


def _cpu_sentence(rules: TriageRules, busy: Sequence[Subject]) -> str:
    """Say how busy the service was, where its own sentence does not: it is not over its limit, or not known."""
    if not busy:
        return f"The CPU of {rules.ws_service} is not known."
    if any(subject.over for subject in busy):
        return ""
    observed = max(measure.observed for subject in busy for measure in subject.measures)
    return f"CPU of {rules.ws_service}: {observed:.0%} of its quota or of one core."


def _tracks(prometheus: Prometheus, query: str, start: datetime, end: datetime) -> tuple[Track, ...]:
    """Ask for a range whose last point is its end, a second or more apart."""
    step_s = max(1.0, math.ceil((end - start).total_seconds() / _MOST_POINTS))
    steps = max(0, int((end - start).total_seconds() / step_s))
    lines = prometheus.query_range(query, end - timedelta(seconds=steps * step_s), end, step_s)
    return tuple(_track(line) for line in lines)


def _track(line: Line) -> Track:
    return Track(labels=line.labels, points=line.points)
