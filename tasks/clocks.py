"""The clocks of the load generators and of Prometheus, against the worker's."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from prefect import task

from blocks.models.errors import NoData, Refused
from tasks.clients.hosts import Host
from tasks.clients.metrics import Prometheus
from tasks.infrastructure import connect_loadgens
from tasks.metrics import prometheus_of
from tasks.rules.clocks import judge_clocks
from tasks.run import Run


def read_clock_offsets(run: Run) -> dict[str, float]:
    """Return how many seconds the clock of each load generator and of Prometheus is ahead of the worker's.

    Raises:
        Unavailable: one of them does not answer.
    """
    return clock_offsets(connect_loadgens(run), prometheus_of(run))


@task
def refuse_wrong_clocks(run: Run) -> None:
    """See that the clocks of the worker, the load generators and Prometheus agree.

    Raises:
        Refused: two of them are too far apart; says which.
        Unavailable: one of them does not answer.
    """
    judgement = judge_clocks(read_clock_offsets(run))
    if not judgement.passed:
        raise Refused(judgement.detail)


def clock_offsets(loadgens: Sequence[Host], prometheus: Prometheus) -> dict[str, float]:
    """Ask each clock once, between two looks at the worker's: the answer is off by half a round trip at most."""

    def prometheus_time() -> float:
        now = prometheus.value("vector(time())")
        if now is None:
            raise NoData(f"Prometheus at {prometheus.url} did not say what time it is.")
        return now

    offsets = {
        f"load generator {host.address}": _offset_s(lambda host=host: float(host.must(["date", "+%s.%N"])))  # type: ignore[misc]
        for host in loadgens
    }
    return {**offsets, "Prometheus": _offset_s(prometheus_time)}


def _offset_s(ask: Callable[[], float]) -> float:
    before = time.time()
    there = ask()
    return there - (before + time.time()) / 2
