"""Collect: results, exact numbers, traces, snapshots and pictures, while the infrastructure still stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.models.errors import RampartError
from blocks.models.record import Stage, TraceId
from blocks.models.verdict import failed, passed
from flows.phase import phase
from tasks.checks import check
from tasks.dashboard import find_trace, keep_snapshot, keep_traces, photograph_stages
from tasks.evidence import exact_numbers, fetch_results, write_summary
from tasks.run import Run


@flow(name="collect")
def collect(run_id: str, environment: str, profile: str) -> State[Any]:
    """Bring everything home that is gone after teardown; one thing that fails does not keep the others."""
    with phase("collect", run_id, environment, profile) as opened:
        run = opened.run
        record = run.record()
        if not record.smoke:
            return opened.outcome
        with check(run, "collect.results", needed=False) as checking:
            checking.judge(fetch_results(run))
        stages = record.stages
        if stages:
            _note_stages(run)
        with check(run, "collect.traces", needed=False) as checking:
            traces = {stage.number: keep_traces(run, stage) for stage in stages} or {0: (_smoke_trace(run),)}
            for number, found in traces.items():
                if number:
                    run.journal.append(
                        "collect", "stage_numbers", number=number, trace_ids=[item.model_dump() for item in found]
                    )
            kept = [item for found in traces.values() for item in found]
            lost = [item.id for item in kept if not item.verified]
            if lost or not kept:
                checking.judge(
                    failed(f"{len(lost)} of {len(kept)} traces do not open through Jaeger's API; wanted are all.")
                )
            else:
                checking.judge(passed(f"{len(kept)} traces opened through Jaeger's API and saved"))
        with check(run, "collect.snapshots", needed=False) as checking:
            urls = _snapshots(run, stages)
            checking.judge(passed(f"{len(urls)} snapshots with their data: {', '.join(urls[:2])}"))
        if stages:
            _stage_evidence(run)
    return opened.outcome


def _note_stages(run: Run) -> None:
    """Lay exact numbers over the live ones."""
    with check(run, "ramp.stage_notes", needed=False) as checking:
        numbers = exact_numbers(run, run.record())
        for number, endpoints in numbers.items():
            file = write_summary(run, number, endpoints)
            run.journal.append(
                "collect", "stage_numbers", number=number, summary=run.relative(file),
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


def _stage_evidence(run: Run) -> None:
    """Keep a picture of the dashboard for each judged stage beside its summary and traces."""
    with check(run, "ramp.stage_evidence", needed=False) as checking:
        files = photograph_stages(run, run.record().stages)
        for number, file in files.items():
            run.journal.append("collect", "stage_numbers", number=number, screenshot=run.relative(file))
        poor = [
            stage.number
            for stage in run.record().stages
            if stage.gate and not (stage.screenshot and stage.summary and stage.trace_ids)
        ]
        if poor:
            checking.judge(
                failed(f"Stage {', '.join(map(str, poor))} lacks its picture, summary or traces; wanted are all three.")
            )
        else:
            checking.judge(passed(f"{len(files)} stages with picture, summary and traces"), *files.values())


def _snapshots(run: Run, stages: tuple[Stage, ...]) -> list[str]:
    urls = []
    for stage in stages:
        if stage.steady_from and stage.steady_to:
            url = keep_snapshot(run, f"stage-{stage.number:02d}", stage.started, stage.steady_to)
            run.journal.append("collect", "stage_numbers", number=stage.number, snapshot=url)
            urls.append(url)
    if not urls:
        urls.append(keep_snapshot(run, "smoke", *_smoke_times(run)))
    return urls


def _smoke_trace(run: Run) -> TraceId:
    return find_trace(run, *_smoke_times(run))


def _smoke_times(run: Run) -> tuple[datetime, datetime]:
    smoke = run.record().smoke
    if "started" not in smoke:
        raise RampartError("The smoke test did not run, so there is nothing to collect of it.")
    return datetime.fromisoformat(smoke["started"]), datetime.fromisoformat(smoke["ended"])
