"""Four minutes of samples with a known end: a stable stage, a stage that breaches, and faults that begin before the breach."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import accumulate

from blocks.models.settings import MetricNames
from blocks.models.triage import Row
from tests.integration.grafana.remote_write import Series

SECONDS = 240
STAGE_S, FAULT_S = 60, 15
"""The breached stage began, and the faults began, this many seconds before the breach."""
BOUNDS = ("10", "50", "100", "200", "+Inf")
NAMES = MetricNames()


def times_of(breach: datetime) -> tuple[datetime, tuple[datetime, datetime]]:
    """When the breached stage began, and when the last stable one was held."""
    return breach - timedelta(seconds=STAGE_S), (breach - timedelta(seconds=200), breach - timedelta(seconds=80))


def story(run_id: str, breach: datetime, *faults: Row) -> list[Series]:
    """All that the rows look at: healthy, apart from the faults from ``FAULT_S`` seconds before the breach on."""
    end_ms = int(breach.timestamp() * 1000)
    times = [end_ms - (SECONDS - at) * 1000 for at in range(SECONDS + 6)]
    began_ms = end_ms - FAULT_S * 1000

    def faulty(row: Row, moment: int) -> bool:
        return row in faults and moment > began_ms

    def counter(metric: str, rate: Callable[[int], float], /, **labels: str) -> Series:
        return Series({"__name__": metric, **labels}, list(zip(times, accumulate(map(rate, times)), strict=True)))

    def gauge(metric: str, value: Callable[[int], float], /, **labels: str) -> Series:
        return Series({"__name__": metric, **labels}, [(moment, value(moment)) for moment in times])

    def spans(service: str, bound: str, *, slow: bool) -> Series:
        """A hundred queries a second: 4 ms each, or half of them 150 ms."""

        def rate(moment: int) -> float:
            return 50 if slow and faulty("prisma-pool", moment) and bound in {"10", "50", "100"} else 100

        labels = {"service_name": service, "span_name": "prisma:client:db_query", "le": bound}
        return counter(NAMES.span_duration, rate, **labels)

    def backlog(moment: int) -> float:
        return 3 + (40 * (moment - began_ms) / 1000 if faulty("bullmq-backlog", moment) else 0)

    limited = [counter(NAMES.http_requests, lambda at: 20 if faulty("http-429", at) else 0, run_id=run_id, status="429",
                       expected_response="false")]  # fmt: skip
    cpu, rt = {"cpu": "total", "name": "ebit-rt-1"}, {"name": "ebit-rt-1"}
    shaken = [(moment, [2.0] if faulty("ws-handshake", moment) else [0.004]) for moment in times]
    return [
        *(spans(service, bound, slow=service == "bet") for service in ("auth", "bet") for bound in BOUNDS),
        gauge(NAMES.queue_jobs, backlog, queue="settlement", state="wait"),
        gauge(NAMES.queue_jobs, lambda _: 400, queue="letters", state="wait"),
        *(limited if "http-429" in faults else []),
        counter(NAMES.http_requests, lambda _: 100, run_id=run_id, status="200", expected_response="true"),
        counter(NAMES.http_requests, lambda _: 2, run_id=run_id, status="500", expected_response="false"),
        counter(NAMES.ws_sessions, lambda _: 10, run_id=run_id, status="101"),
        counter(NAMES.ws_sessions, lambda at: 10 if faulty("ws-handshake", at) else 0, run_id=run_id, status="0"),
        Series({"__name__": NAMES.ws_connecting, "run_id": run_id, "scenario": "ws"}, observations=shaken),
        counter(NAMES.container_cpu, lambda at: 0.99 if faulty("ws-handshake", at) else 0.2, **cpu),
        gauge(NAMES.container_quota, lambda _: 200_000, **rt),
        gauge(NAMES.container_period, lambda _: 100_000, **rt),
        gauge(NAMES.container_memory, lambda _: 2**27, **rt),
    ]
