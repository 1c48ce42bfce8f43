"""A rate that a real k6 cannot deliver, as the gate sees it through a real Prometheus."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prefect import flow

from blocks.models.load import Level, LoadPlan
from blocks.models.rules import StabilityRule
from blocks.models.verdict import Judgement, Verdict
from flows.hold import look
from tasks.clients.loadgen import LoadGenerator
from tasks.metrics import prometheus_of
from tasks.rules import queries
from tasks.run import Run
from tasks.watch import LoadWatch
from tests.integration.guard.conftest import System, start_k6, until

pytestmark = pytest.mark.integration

_SCRIPT = """
import http from 'k6/http';
const rate = { executor: 'constant-arrival-rate', rate: 10, duration: '10m', preAllocatedVUs: 1, maxVUs: 1, gracefulStop: '0s' };
export const options = {
  scenarios: { bet: { ...rate, exec: 'bet' } }, tags: { run_id: __ENV.RUN_ID, instance: __ENV.RAMPART_INSTANCE },
};
export function bet() { http.post(`${__ENV.API_URL}/bet`, '{}'); }
"""


def test_a_stage_whose_rate_was_not_delivered_is_inconclusive(run: Run, loadgen: LoadGenerator, system: System) -> None:
    system.delay_s["/bet"] = 0.4
    loadgen.host.write(_SCRIPT, f"{loadgen.folder}/tests-perf/load.js")
    start_k6(loadgen, run, system)
    asked = queries.p95_ms(run.environment.metrics, run.id, 5.0)
    until(lambda: any(sample.known for sample in prometheus_of(run).query(asked)), "bets are seen")
    steady_from = datetime.now(UTC)
    time.sleep(10)
    level = Level(number=1, amounts={"bet": 10.0}, rise_s=0.0, hold_s=0.0)
    plan = LoadPlan(unit="rate", levels=(level,), scenarios=(), thresholds={}, tags={}, other={})
    gate = StabilityRule(window_s=8.0, step_s=1.0, min_points=4, relative_drift=10.0, max_missing=0.9)
    judged = replace(run, profile=run.profile.model_copy(update={"gate": gate}))

    @flow(name="looks")
    def looks() -> Judgement:
        watch = LoadWatch(loadgens=(loadgen,), plan=plan, segments=())
        return look(judged, watch, 1, steady_from, steady_from + timedelta(seconds=8))

    found = looks()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "of the iterations of 'bet', limit 1%: the load generators did not deliver the rate" in found.detail
