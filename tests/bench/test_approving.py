"""From a person's answer to the first virtual user of the next stage: median at most 1.5 s, p95 at most 2.5 s over 20."""

from __future__ import annotations

import sys
import threading
import time
from contextvars import copy_context
from uuid import UUID

import httpx
from prefect import flow
from prefect.runtime import flow_run

from flows.approvals import StageRelease, ask
from tasks.load import end_ramp, prepare_ramp, read_ramp_plan, start_stage
from tasks.run import Run
from tests.integration.guard.conftest import until

from . import results
from .conftest import LEVELS, System

REPETITIONS = 20


def test_approving(run: Run, system: System, prefect: str) -> None:
    own: list[UUID] = []
    asked = threading.Event()

    @flow(name="approves")
    def approves() -> None:
        own.append(UUID(str(flow_run.id)))
        watch = prepare_ramp(run, read_ramp_plan(run))
        start_stage(run, watch, 1)
        asked.set()
        for number in range(2, LEVELS):
            decision = ask(run, "ramp", f"Release stage {number - 1}?", "The page.", 600.0, StageRelease)
            if decision.answer != "go":
                break
            start_stage(run, watch, number)
        end_ramp(run, watch)

    thread = threading.Thread(target=copy_context().run, args=(approves,))
    thread.start()
    assert asked.wait(120)
    resume, state = (f"{prefect}/flow_runs/{own[0]}{tail}" for tail in ("/resume", ""))
    seconds: list[float] = []
    for number in range(2, 2 + REPETITIONS):
        until(lambda: httpx.get(state).json()["state"]["type"] == "PAUSED", f"stage {number - 1} is asked for", 60)
        # A person needs a moment to read; the flow is then in the middle of its polling, wherever that is.
        time.sleep(1.0 + number % 7 / 10)
        answered = time.monotonic()
        httpx.post(resume, json={"run_input": {"decision": "go", "name": "Ada"}}, timeout=30).raise_for_status()
        seconds.append(system.first(f"segment-{number:02d}", answered) - answered)
        results.append("approve_to_first_request", seconds=round(seconds[-1], 3))
    until(lambda: httpx.get(state).json()["state"]["type"] == "PAUSED" or not thread.is_alive(), "the end", 60)
    httpx.post(resume, json={"run_input": {"decision": "halt", "name": "Ada"}}, timeout=30)
    thread.join(120)
    median, p95 = results.quantile(seconds, 0.5), results.quantile(seconds, 0.95)
    sys.stdout.write(f"\napprove -> first request: median {median:.2f} s, p95 {p95:.2f} s over {len(seconds)}\n")
    assert median <= 1.5
    assert p95 <= 2.5
