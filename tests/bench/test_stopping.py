"""From a fault to the last request received, by the system's own log, after 10, 60 and 240 s of health.

k6's own abortOnFail runs beside it against the same system and the same fault.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextvars import copy_context
from datetime import UTC, datetime
from subprocess import DEVNULL, Popen

import pytest
from prefect import flow
from prefect.runtime import flow_run

from tasks.guard import watch_load
from tasks.limits import Limits
from tasks.load import end_ramp, prepare_ramp, read_ramp_plan, start_stage
from tasks.run import Run
from tests.integration.guard.conftest import until
from tests.integration.hosts.conftest import K6
from tests.integration.ramp.conftest import parent_run

from . import results
from .conftest import System, with_id

# Seconds of health before the fault x repetitions; BENCH=10x3 makes it shorter.
_PLAN = [tuple(map(int, item.split("x"))) for item in os.environ.get("BENCH", "10x20,60x10,240x5").split(",")]
# A sign-in turned to 800 ms; k6 looks at its thresholds from 5 s on, which is its best case.
_FAULT_S, _DELAY = 0.8, "5s"
_ALONE = """
import http from 'k6/http';
import { sleep } from 'k6';
export const options = {
  scenarios: { signin: { executor: 'constant-vus', exec: 'signin', vus: 5, duration: '20m', gracefulStop: '0s' } },
  thresholds: { http_req_duration: [{ threshold: 'p(95)<500', abortOnFail: true, delayAbortEval: '%s' }] },
};
const HEADERS = { 'X-Instance': 'k6-alone' };
export function signin() { http.post(`${__ENV.API_URL}/signin`, '{}', { headers: HEADERS }); sleep(0.2); }
"""


@pytest.mark.parametrize(("health_s", "repetitions"), _PLAN)
def test_stopping(run: Run, system: System, prefect: str, health_s: int, repetitions: int) -> None:  # noqa: ARG001 - the server has to run
    for _ in range(repetitions - len(results.kept("stop", health_s=health_s))):
        _repeat(run, system, health_s)
    rows = results.kept("stop", health_s=health_s)
    ours = [row["fault_to_last_s"] for row in rows]
    crossing = [row["crossing_to_last_s"] for row in rows]
    ratios = [row["k6_fault_to_last_s"] / row["fault_to_last_s"] for row in rows]
    sys.stdout.write(
        f"\nafter {health_s} s of health, {len(rows)} times: fault -> last request median {results.quantile(ours, 0.5):.2f} s, "
        f"p95 {results.quantile(ours, 0.95):.2f} s; crossing seen -> last request p95 {results.quantile(crossing, 0.95):.2f} s; "
        f"k6 abortOnFail / Rampart, median {results.quantile(ratios, 0.5):.1f}\n"
    )
    assert results.quantile(ours, 0.5) <= 4.0
    assert results.quantile(ours, 0.95) <= 7.0
    assert results.quantile(crossing, 0.95) <= 1.0
    if health_s >= 240:
        assert results.quantile(ratios, 0.5) >= 3.0


def _repeat(base: Run, system: System, health_s: int) -> None:
    run = with_id(base, parent_run())
    script = run.folder / "alone.js"
    script.write_text(_ALONE % _DELAY)
    error: list[BaseException] = []
    numbers: dict[str, float] = {}

    @flow(name="stops")
    def stops() -> None:
        plan = read_ramp_plan(run)
        watch = prepare_ramp(run, plan)
        guard = watch_load.submit(run, watch, Limits(run, run.profile.guard, watch.loadgens), str(flow_run.id))
        system.delay_s = 0.0
        alone = Popen(
            [str(K6), "run", "--quiet", "--no-usage-report", "--no-summary", str(script)],
            env={**os.environ, "API_URL": f"http://127.0.0.1:{system.port}", "K6_AUTO_EXTENSION_RESOLUTION": "false"},
            stdout=DEVNULL, stderr=DEVNULL,
        )  # fmt: skip
        try:
            began = time.monotonic()
            start_stage(run, watch, 1)
            system.first("segment-01", began)
            time.sleep(health_s)
            assert watch.breach is None, watch.breach
            fault, fault_at = time.monotonic(), datetime.now(UTC)
            system.delay_s = _FAULT_S
            assert watch.stopped.wait(60)
            assert watch.breached is not None
            assert watch.breach is not None
            until(lambda: alone.poll() is not None, "k6 aborts by itself", 240)
            last = system.last("segment-01")
            crossing = fault + (watch.breached - fault_at).total_seconds()
            numbers.update(
                fault_to_last_s=round(last - fault, 3),
                crossing_to_last_s=round(last - crossing, 3),
                k6_fault_to_last_s=round(system.last("k6-alone") - fault, 3),
            )
        finally:
            system.delay_s = 0.0
            alone.terminate()
            alone.wait(30)
            end_ramp(run, watch)
            guard.wait()
            system.log.clear()

    def work() -> None:
        try:
            stops()
        except BaseException as caught:  # noqa: BLE001 - handed to the test
            error.append(caught)

    thread = threading.Thread(target=copy_context().run, args=(work,))
    thread.start()
    thread.join(health_s + 600)
    assert not error, error
    results.append("stop", health_s=health_s, **numbers)
