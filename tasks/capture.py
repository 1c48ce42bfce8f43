"""A stage's evidence, piece by piece: each is taken or the record says why not."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.models.errors import NoData, RampartError
from blocks.models.record import Record, Stage
from tasks.captures import Captures
from tasks.clients.browser import write_whole
from tasks.clients.kernel import read_kernel_log
from tasks.dashboard import Camera, Panels, keep_snapshot, keep_traces
from tasks.metrics import prometheus_of
from tasks.rules import queries
from tasks.rules.numbers import stage_end, steady_begin
from tasks.run import Run
from tasks.store import store_of, upload_evidence
from tasks.sut import sut_of

_logger = logging.getLogger("rampart")
_LOG_LINES = 200
_KERNEL_S = 20.0
# What collect may take for what was not taken while the stages were held; the infrastructure costs money meanwhile.
_COLLECT_LIMIT_S = 300.0
# Stages whose logs, traces and numbers are asked for at once, after the load.
_SIDE_BY_SIDE = 3
# Browsers that share the pictures, after the load: a dashboard that loads waits for Grafana most of the time.
_CAMERAS = 2
_STATS_STEP_S, _RATE_WINDOW_S = 5.0, 10.0
_EXEMPLARS = 50

Fields = dict[str, Any]
Piece = Callable[[Run, Stage, datetime], Fields]


# Its parameters hold locks; evidence is never answered from a cache.
@task(cache_policy=NO_CACHE)
def capture_stages(run: Run, captures: Captures) -> None:
    """Take the evidence of each stage that is ordered, one after another, beside the ramp."""
    store = store_of(run)
    with Camera(run) as camera:
        camera.open()
        for order in captures:
            record = run.record()
            for stage in record.stages:
                if stage.number == order.number:
                    _capture(run, record, stage, camera, order.why_not)
            if order.go_on():
                upload_evidence(run, store)


@task(cache_policy=NO_CACHE)
def capture_rest(run: Run) -> None:
    """Take what was not taken while the stages were held; after the load, so that nothing competes with it."""
    deadline = time.monotonic() + _COLLECT_LIMIT_S

    def why_not() -> str:
        over = time.monotonic() > deadline
        return f"collect's {_COLLECT_LIMIT_S:g} s for what was left were over" if over else ""

    lacking = _lacking(run, run.record())
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool, ThreadPoolExecutor(_CAMERAS) as cameras:
        # What is no picture comes from other servers, beside them.
        others = [pool.submit(_gather, run, item, item.others, why_not) for item in lacking]
        shared = [list(zip(lacking, others, strict=True))[camera::_CAMERAS] for camera in range(_CAMERAS)]
        for taken in [cameras.submit(_photograph, run, orders, why_not) for orders in shared if orders]:
            taken.result()


def _photograph(run: Run, orders: list[tuple[_Lacking, Future[Taken]]], why_not: Callable[[], str]) -> None:
    """Take pictures one after another, out of one browser, and journal each stage with what else was taken of it."""
    with Camera(run, stays=True) as camera:
        for lacking, others in orders:
            pictures = _gather(run, lacking, {"screenshot": lacking.picture(camera, why_not)}, why_not)
            _write(run, lacking, others.result() + pictures)


def _capture(run: Run, record: Record, stage: Stage, camera: Camera, why_not: Callable[[], str]) -> None:
    """Take what the stage lacks, and journal once what there is and why something is not."""
    for lacking in _lacking(run, record):
        if lacking.stage.number == stage.number:
            pieces = {"screenshot": lacking.picture(camera, why_not), **lacking.others}
            _write(run, lacking, _gather(run, lacking, pieces, why_not))


@dataclass(frozen=True)
class _Lacking:
    """A stage, until when its evidence reaches, and what there is of it."""

    stage: Stage
    first: datetime
    end: datetime
    panels: Panels
    captured: Mapping[str, datetime]

    @property
    def others(self) -> Mapping[str, Piece]:
        """Everything but the picture, the most fleeting first."""
        return {**_PIECES, "snapshot": self._snapshot}

    def picture(self, camera: Camera, why_not: Callable[[], str]) -> Piece:
        """Return how to take the picture with a camera."""

        def screenshot(run: Run, stage: Stage, _: datetime) -> Fields:
            file = run.evidence / "screenshots" / f"stage-{stage.number:02d}.png"
            taken = camera.picture(min(self.first, stage.started), self.panels, file, lambda: not why_not())
            return {"screenshot": run.relative(file)} if taken else {}

        return screenshot

    def _snapshot(self, run: Run, stage: Stage, _: datetime) -> Fields:
        return {"snapshot": keep_snapshot(run, f"stage-{stage.number:02d}", self.panels)}


def _lacking(run: Run, record: Record) -> list[_Lacking]:
    ends = [(stage, stage_end(record, stage)) for stage in record.stages]
    return [
        _Lacking(
            stage, record.stages[0].started, end, Panels(run, stage.started, end),
            {what: at for what, at in stage.captured.items() if at >= stage.started},
        )
        for stage, end in ends
        if end is not None
    ]  # fmt: skip


Taken = list[tuple[str, Fields, datetime, str]]
"""What was tried: its name, the record's fields, when, and why there is none."""


def _gather(run: Run, lacking: _Lacking, pieces: Mapping[str, Piece], why_not: Callable[[], str]) -> Taken:
    """Take the pieces that are not there, one after another."""
    found: Taken = []
    for what, take in pieces.items():
        if what in lacking.captured:
            continue
        reason = why_not()
        taken: Fields = {}
        if not reason:
            taken, reason = _take(take, run, lacking.stage, lacking.end)
        found.append((what, taken, datetime.now(UTC), "" if taken else reason or why_not() or "it was given up"))
    return found


def _write(run: Run, lacking: _Lacking, found: Taken) -> None:
    """Journal once what there is of a stage and why something is not."""
    captured, not_captured = dict(lacking.captured), dict(lacking.stage.not_captured)
    fields: Fields = {}
    for what, taken, at, reason in found:
        if taken:
            fields |= taken
            captured[what] = at
            not_captured.pop(what, None)
        else:
            not_captured[what] = reason
    if fields or not_captured != lacking.stage.not_captured:
        run.journal.append(
            "collect", "stage_numbers", number=lacking.stage.number, **fields, not_captured=not_captured,
            captured={what: moment.isoformat() for what, moment in captured.items()},
        )  # fmt: skip


def _take(take: Piece, run: Run, stage: Stage, end: datetime) -> tuple[Fields, str]:
    """Take a piece, or say why not."""
    try:
        return take(run, stage, end), ""
    except (RampartError, OSError) as error:
        return {}, str(error)
    except Exception as error:
        _logger.exception("Evidence of stage %d", stage.number)
        return {}, f"{type(error).__name__}: {error}"


def _traces(run: Run, stage: Stage, end: datetime) -> Fields:
    found = keep_traces(run, steady_begin(stage) or stage.started, end, f"stage-{stage.number:02d}")
    return {"trace_ids": [item.model_dump() for item in found]}


def _logs(run: Run, stage: Stage, _: datetime) -> Fields:
    with sut_of(run) as sut:
        text = sut.logs(_LOG_LINES)
    if not text.strip():
        raise NoData("The containers' logs are empty.")
    return {"logs": _keep(run, f"logs/stage-{stage.number:02d}.txt", text)}


def _kernel(run: Run, stage: Stage, _: datetime) -> Fields:
    with sut_of(run) as sut:
        log = read_kernel_log(sut.host, _KERNEL_S)
    if not log.reader:
        raise NoData("The SUT's kernel log cannot be read: neither dmesg nor journalctl -k shows it to this login.")
    # By the host's clock, which refuse_wrong_clocks compared with ours.
    booted = log.host_time - timedelta(seconds=log.uptime_s)
    kills = [(booted + timedelta(seconds=kill.uptime_s), kill) for kill in log.kills]
    lines = [f"{at.isoformat()} {kill.cgroup} {kill.text}" for at, kill in kills if at >= stage.started]
    said = lines or [f"no process was killed for memory since {stage.started.isoformat()}"]
    return {"kernel": _keep(run, f"kernel/stage-{stage.number:02d}.txt", "\n".join([f"# {log.reader}", *said]) + "\n")}


def _stats(run: Run, stage: Stage, end: datetime) -> Fields:
    prometheus, names = prometheus_of(run), run.environment.metrics
    asked = {
        "cpu_percent": queries.container_cpu_percent(names, _RATE_WINDOW_S),
        "memory_bytes": queries.container_memory_bytes(names),
    }
    series = {
        what: {
            line.labels.get("name", ""): [[at, round(value, 3)] for at, value in line.points]
            for line in prometheus.query_range(query, stage.started, end, _STATS_STEP_S)
        }
        for what, query in asked.items()
    }
    if not all(series.values()):
        lacking = ", ".join(what for what, lines in series.items() if not lines)
        raise NoData(f"Prometheus has no {lacking} of any container between the stage's begin and end.")
    shown = {"queries": asked, "at_the_end": [use.model_dump() for use in stage.sut], **series}
    return {"stats": _keep(run, f"stats/stage-{stage.number:02d}.json", json.dumps(shown, indent=1, sort_keys=True))}


def _exemplars(run: Run, stage: Stage, end: datetime) -> Fields:
    start = steady_begin(stage) or stage.started
    found = prometheus_of(run).exemplars(run.environment.metrics.span_duration, start, end)[:_EXEMPLARS]
    if not found:
        raise NoData(
            "Prometheus holds no exemplar of the stage; it keeps them with --enable-feature=exemplar-storage, when the SUT's metrics carry them."
        )
    shown = [
        {"trace_id": item.trace_id, "value": item.value, "at": item.at, "labels": dict(item.labels)} for item in found
    ]
    text = json.dumps(shown, indent=1, sort_keys=True)
    return {"exemplars": _keep(run, f"exemplars/stage-{stage.number:02d}.json", text)}


def _keep(run: Run, name: str, text: str) -> str:
    file = run.evidence / Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, text.encode())
    return run.relative(file)


# What is of the moment comes first: logs roll on, the rest can be asked for later.
_PIECES: Mapping[str, Piece] = {
    "logs": _logs,
    "kernel": _kernel,
    "traces": _traces,
    "stats": _stats,
    "exemplars": _exemplars,
}
