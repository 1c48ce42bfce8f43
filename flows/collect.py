"""Collect: results, exact numbers, and what evidence was not taken yet, while the infrastructure still stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.models.errors import NoData
from blocks.models.verdict import passed, worse
from flows.phase import phase
from tasks.capture import capture_rest
from tasks.checks import check
from tasks.dashboard import Panels, find_trace, judge_traces, keep_snapshot
from tasks.evidence import fetch_results, judge_results, note_stages
from tasks.recording import record_dashboard
from tasks.rules.evidence import judge_snapshots, judge_stage_evidence
from tasks.run import Run
from tasks.series import keep_series
from tasks.store import store_evidence


@flow(name="collect", flow_run_name="collect of {environment}")
def collect(run_id: str, environment: str, profile: str) -> State[Any]:
    """Bring everything home that is gone after teardown; one thing that fails does not keep the others."""
    with phase("collect", run_id, environment, profile) as opened:
        run = opened.run
        record = run.record()
        if not record.smoke:
            return opened.outcome
        with check(run, "collect.results", needed=False) as checking:
            results = fetch_results(run, record)
            if results.problems:
                # What did not come the first time may come the second.
                results = fetch_results(run, record)
            checking.judge(judge_results(run, results))
        keep_series(run)
        if record.stages:
            with check(run, "ramp.stage_notes", needed=False) as checking:
                checking.judge(note_stages(run, results))
            # A browser of its own: each waits for Grafana most of the time.
            recording = record_dashboard.submit(run)
            _rest_of_the_stages(run)
            with check(run, "ramp.recording", needed=False) as checking:
                checking.judge(*recording.result())
        else:
            _smoke_alone(run)
        with check(run, "collect.results", needed=False) as checking:
            # What is not in its store was not brought home.
            stored = store_evidence(run)
            checking.judge(worse(judge_results(run, results), stored))
    return opened.outcome


def _rest_of_the_stages(run: Run) -> None:
    """Take what could not be taken while the stages were held, and judge what there is."""
    with check(run, "ramp.stage_evidence", needed=False) as checking:
        capture_rest(run)
        stages = run.record().stages
        pictures = [run.folder / stage.screenshot for stage in stages if stage.screenshot]
        checking.judge(judge_stage_evidence(stages), *pictures)
    with check(run, "collect.traces", needed=False) as checking:
        checking.judge(judge_traces([trace for stage in stages for trace in stage.trace_ids]))
    with check(run, "collect.snapshots", needed=False) as checking:
        checking.judge(judge_snapshots(stages))


def _smoke_alone(run: Run) -> None:
    """Keep a trace and a snapshot of the smoke test of a run without a ramp."""
    smoke = run.record().smoke
    if "started" not in smoke or "ended" not in smoke:
        raise NoData("The smoke test never ended; there is nothing of it to keep.")
    times = datetime.fromisoformat(smoke["started"]), datetime.fromisoformat(smoke["ended"])
    with check(run, "collect.traces", needed=False) as checking:
        checking.judge(judge_traces([find_trace(run, *times)]))
    with check(run, "collect.snapshots", needed=False) as checking:
        checking.judge(
            passed(f"a snapshot of the smoke test with its data: {keep_snapshot(run, 'smoke', Panels(run, *times))}")
        )
