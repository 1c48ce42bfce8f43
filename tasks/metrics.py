"""Prometheus for a run: what the load and the system looked like."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from prefect import task

from blocks.models.errors import Refused
from blocks.models.record import EndpointNumbers
from blocks.models.rules import GuardRule, Series, StabilityRule, Unit
from tasks.clients.metrics import Line, Prometheus
from tasks.rules import queries
from tasks.rules.metric_names import judge_metric_names, wanted_names
from tasks.run import Run

# The window of a point of the gate: k6 pushes every second, a rate needs several points.
_POINT_WINDOW_S = 10.0


def prometheus_of(run: Run) -> Prometheus:
    """Return the run's Prometheus: the block's address, or Terraform's output."""
    return Prometheus(run.environment.observability.monitoring_url or str(run.outputs().get("monitoring_url", "")))


def read_metric_names(run: Run) -> frozenset[str]:
    """Return the names of all metrics the run's Prometheus holds; none where its address is not known yet."""
    prometheus = prometheus_of(run)
    return prometheus.metric_names() if prometheus.url else frozenset()


@task(retries=2, retry_delay_seconds=1)
def read_live_numbers(run: Run, end: datetime, window_s: float) -> tuple[EndpointNumbers, ...]:
    """Return each endpoint's p95, estimated from histogram buckets, and its error rate over a window."""
    prometheus, names = prometheus_of(run), run.environment.metrics

    def by_scenario(*asked: str) -> dict[str, float]:
        samples = (sample for query in asked for sample in prometheus.query(query, end))
        return {sample.labels.get("scenario", ""): sample.value for sample in samples if sample.known}

    p95 = by_scenario(queries.p95_ms(names, run.id, window_s), queries.ws_p95_ms(names, run.id, window_s))
    errors = by_scenario(queries.scenario_error_rate(names, run.id, window_s))
    return tuple(
        EndpointNumbers(
            name=name, live_p95_ms=round(value, 2), error_rate=errors.get(name), live_error_rate=errors.get(name)
        )
        for name, value in sorted(p95.items())
    )


@task(retries=2, retry_delay_seconds=1)
def read_ratio(run: Run, what: str, end: datetime, window_s: float) -> float | None:
    """Return ``error_rate`` or ``ws_handshake_success`` over a window."""
    query = {"error_rate": queries.error_rate, "ws_handshake_success": queries.ws_handshake_success}[what]
    return prometheus_of(run).value(query(run.environment.metrics, run.id, window_s), end)


@task(retries=2, retry_delay_seconds=1)
def read_queues(run: Run, end: datetime) -> dict[str, float]:
    """Return waiting jobs by queue."""
    samples = prometheus_of(run).query(queries.queue_depth(run.environment.metrics), end)
    return {sample.labels.get("queue", ""): sample.value for sample in samples if sample.known}


@task(retries=2, retry_delay_seconds=1)
def read_service_rates(run: Run, end: datetime, window_s: float) -> dict[str, float]:
    """Return requests per second by service."""
    samples = prometheus_of(run).query(queries.service_rates(run.environment.metrics, window_s), end)
    return {sample.labels.get("service_name", ""): sample.value for sample in samples if sample.known}


@task(retries=2, retry_delay_seconds=1)
def read_most_users(run: Run, process: str, start: datetime, end: datetime) -> float | None:
    """Return the most virtual users of a k6 process Prometheus saw between two times."""
    query = queries.virtual_users(run.environment.metrics, run.id, (process,))
    lines = prometheus_of(run).query_range(query, start, end, 1.0)
    values = [value for line in lines for _, value in line.points]
    return max(values) if values else None


@task(retries=2, retry_delay_seconds=1)
def read_gate_series(
    run: Run, scenarios: Collection[str], start: datetime, end: datetime, rule: StabilityRule
) -> tuple[Series, ...]:
    """Return the series the gate judges: p95 per endpoint, error rate, each queue.

    A scenario that runs and has no series gets an empty one: it cannot be judged, which is not the same as flat.
    """
    prometheus, names = prometheus_of(run), run.environment.metrics
    window = min(_POINT_WINDOW_S, rule.window_s / 2)
    asked: tuple[tuple[str, Unit, str], ...] = (
        (queries.p95_ms(names, run.id, window), "ms", "{scenario} p95"),
        (queries.ws_p95_ms(names, run.id, window), "ms", "{scenario} handshake p95"),
        (queries.error_rate(names, run.id, window), "ratio", "error rate"),
        (queries.queue_depth(names), "jobs", "queue {queue}"),
    )
    found = [
        (name, unit, line)
        for query, unit, name in asked
        for line in prometheus.query_range(query, start, end, rule.step_s)
    ]
    seen = {line.labels.get("scenario") for _, unit, line in found if unit == "ms"}
    missing = [Series(name=f"{name} p95", unit="ms", points=()) for name in sorted(set(scenarios) - seen)]
    return (*(_series(name, unit, line, start, end, rule.step_s) for name, unit, line in found), *missing)


@task(retries=2, retry_delay_seconds=1)
def read_dropped_shares(run: Run, start: datetime, end: datetime) -> dict[str, float]:
    """Return the part of its iterations that k6 dropped between two times, by scenario."""
    query = queries.dropped_share(run.environment.metrics, run.id, (end - start).total_seconds())
    samples = prometheus_of(run).query(query, end)
    return {sample.labels.get("scenario", ""): sample.value for sample in samples if sample.known}


@task
def refuse_unknown_metrics(run: Run, rules: Sequence[GuardRule], *, loaded: bool) -> None:
    """See that the metrics which a ramp with these rules relies on exist under the configured names.

    Args:
        run: the run.
        rules: the guard's rules.
        loaded: whether k6 has put load on the running system, so that all names have to be there.

    Raises:
        Refused: they do not; with near names.
        Unavailable: Prometheus does not answer.
    """
    judgement = judge_metric_names(read_metric_names(run), wanted_names(rules, run.environment.metrics), loaded=loaded)
    if not judgement.passed:
        raise Refused(judgement.detail)


def _series(name: str, unit: Unit, line: Line, start: datetime, end: datetime, step_s: float) -> Series:  # noqa: PLR0913, PLR0917 - one line of a plot
    """Lay a line on the fixed grid of the look; points that are not there stay missing."""
    begin = start.timestamp()
    known = {round((time - begin) / step_s): value for time, value in line.points}
    count = int((end - start) / timedelta(seconds=step_s)) + 1
    return Series(
        name=name.format(**{"scenario": "", "queue": "", **line.labels}),
        unit=unit,
        points=tuple((index * step_s, known.get(index)) for index in range(count)),
    )
