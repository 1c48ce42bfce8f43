"""Names of metrics and clocks, as the servers and hosts tell them; blocks that Prefect cannot load."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from blocks.models.errors import Refused
from blocks.models.rules import DEFAULT_GUARD_RULES
from tasks.clients.hosts import Host
from tasks.clients.loadgen import LoadGenerator
from tasks.clients.metrics import Prometheus
from tasks.clocks import clock_offsets
from tasks.limits import Limits
from tasks.metrics import refuse_unknown_metrics
from tasks.rules.clocks import judge_clocks
from tasks.rules.metric_names import wanted_names
from tasks.run import Run
from tests.integration.grafana.remote_write import Series, push

from .conftest import System, look_until, start_k6

pytestmark = pytest.mark.integration


def _push(prometheus: str, *names: str) -> None:
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    push(prometheus, [Series({"__name__": name}, [(now_ms, 1.0)]) for name in names])


def test_the_names_k6_really_writes_are_the_configured_ones(
    run: Run, prometheus: str, loadgen: LoadGenerator, system: System
) -> None:
    start_k6(loadgen, run, system)
    limits = Limits(run, (), (loadgen,))
    with limits.asking():
        look_until(limits, lambda look: bool(look.seen_s), "k6 is seen")
    known = Prometheus(prometheus).metric_names()
    assert set(wanted_names((), run.environment.metrics).values()) <= known


def test_a_renamed_metric_is_refused_with_its_near_name(run: Run, prometheus: str) -> None:
    names = wanted_names(DEFAULT_GUARD_RULES, run.environment.metrics).values()
    _push(prometheus, *(name for name in names if name != "bullmq_queue_jobs"), "bullmq_queues_jobs")
    with pytest.raises(Refused, match=r"queue_jobs is 'bullmq_queue_jobs' \(near: bullmq_queues_jobs"):
        refuse_unknown_metrics.fn(run, DEFAULT_GUARD_RULES, loaded=True)
    _push(prometheus, "bullmq_queue_jobs")
    refuse_unknown_metrics.fn(run, DEFAULT_GUARD_RULES, loaded=True)


def test_before_the_first_load_an_empty_prometheus_is_fine(run: Run) -> None:
    refuse_unknown_metrics.fn(run, DEFAULT_GUARD_RULES, loaded=False)


def test_clocks_of_one_machine_agree(host: Host, prometheus: str) -> None:
    offsets = clock_offsets([host], Prometheus(prometheus))
    assert list(offsets) == [f"load generator {host.address}", "Prometheus"]
    assert judge_clocks(offsets).passed
    assert max(map(abs, offsets.values())) < 2
