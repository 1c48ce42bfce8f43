"""Collect: results, exact numbers, traces, snapshots and pictures, while the infrastructure still stands."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture

from blocks.models.record import Stage, TraceId
from blocks.models.verdict import failed, passed
from flows.phase import phase
from tasks.checks import check
from tasks.dashboard import find_trace, judge_traces, keep_snapshot, keep_traces, photograph_stages
from tasks.evidence import exact_numbers, fetch_results, write_summary
from tasks.recording import record_dashboard
from tasks.run import Run
from tasks.series import keep_series


@flow(name="collect", flow_run_name="collect of {environment}")
def collect(run_id: str, environment: str, profile: str) -> State[Any]:
    """Bring everything home that is gone after teardown; one thing that fails does not keep the others."""
    with phase("collect", run_id, environment, profile) as opened:
        run = opened.run
        record = run.record()
        if not record.smoke:
            return opened.outcome
        with check(run, "collect.results", needed=False) as checking:
            checking.judge(fetch_results(run))
        keep_series(run)
        stages = record.stages
        if stages:
            _note_stages(run)
        # Pictures, snapshots and traces come from different servers: they are taken beside each other.
        pictures = photograph_stages.submit(run, stages)
        snapshots = [keep_snapshot.submit(run, name, start, end) for name, start, end in _times(run, stages)]
        with check(run, "collect.traces", needed=False) as checking:
            checking.judge(judge_traces(_keep_traces(run, stages)))
        with check(run, "collect.snapshots", needed=False) as checking:
            urls = [snapshot.result() for snapshot in snapshots]
            # A stage that never ended has no snapshot; a run without stages has one, of its smoke test.
            ended = [stage for stage in stages if stage.steady_to or stage.ended]
            for stage, url in zip(ended, urls, strict=False):
                run.journal.append("collect", "stage_numbers", number=stage.number, snapshot=url)
            checking.judge(passed(f"{len(urls)} snapshots with their data: {', '.join(urls[:2])}"))
        if stages:
            _stage_evidence(run, pictures)
            with check(run, "ramp.recording", needed=False) as checking:
                checking.judge(*record_dashboard(run))
    return opened.outcome


def _note_stages(run: Run) -> None:
    """Lay exact numbers over the live ones."""
    with check(run, "ramp.stage_notes", needed=False) as checking:
        numbers = exact_numbers(run, run.record())
        for number, endpoints in numbers.items():
            file = write_summary(run, number, endpoints)
            handshakes = next((item.error_rate for item in endpoints if item.name == "ws"), None)
            run.journal.append(
                "collect", "stage_numbers", number=number, summary=run.relative(file),
                ws_handshake_success=None if handshakes is None else 1 - handshakes,
                endpoints=[item.model_dump(exclude_none=True) for item in endpoints],
            )  # fmt: skip
        wanted = set(run.profile.smoke.endpoints)
        thin = [number for number, endpoints in numbers.items() if {item.name for item in endpoints} < wanted]
        if thin or not numbers:
            checking.judge(
                failed(
                    f"Stage {', '.join(map(str, thin)) or '1'} has no numbers for some of {', '.join(sorted(wanted))}."
                )
            )
        else:
            checking.judge(passed(f"{len(numbers)} stages with exact numbers of {', '.join(sorted(wanted))}"))


def _stage_evidence(run: Run, pictures: PrefectFuture[dict[int, Path]]) -> None:
    """Keep a picture of the dashboard for each judged stage beside its summary and traces."""
    with check(run, "ramp.stage_evidence", needed=False) as checking:
        files = pictures.result()
        for number, file in files.items():
            run.journal.append("collect", "stage_numbers", number=number, screenshot=run.relative(file))
        judged = [stage for stage in run.record().stages if stage.gate]
        poor = [stage.number for stage in judged if not (stage.screenshot and stage.summary and stage.trace_ids)]
        if poor or not judged:
            checking.judge(
                failed(
                    f"Stage {', '.join(map(str, poor)) or '1'} lacks its picture, summary or traces; wanted are all three."
                )
            )
        else:
            checking.judge(passed(f"{len(files)} stages with picture, summary and traces"), *files.values())


def _keep_traces(run: Run, stages: tuple[Stage, ...]) -> list[TraceId]:
    if not stages:
        return [find_trace(run, *_smoke_times(run))]
    kept: list[TraceId] = []
    for stage in stages:
        found = keep_traces(run, stage)
        run.journal.append(
            "collect", "stage_numbers", number=stage.number, trace_ids=[item.model_dump() for item in found]
        )
        kept += found
    return kept


def _times(run: Run, stages: tuple[Stage, ...]) -> list[tuple[str, datetime, datetime]]:
    """Return what to take snapshots of: each stage with its rise, or the smoke test when there was no ramp."""
    ended = [(f"stage-{stage.number:02d}", stage.started, stage.steady_to or stage.ended) for stage in stages]
    return [(name, start, end) for name, start, end in ended if end is not None] or [("smoke", *_smoke_times(run))]


def _smoke_times(run: Run) -> tuple[datetime, datetime]:
    smoke = run.record().smoke
    return datetime.fromisoformat(smoke["started"]), datetime.fromisoformat(smoke["ended"])
