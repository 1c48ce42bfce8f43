"""The recording of the dashboard: a time-lapse made after the load, so that no browser competes with it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from prefect import task

from blocks.models.errors import NoData, RampartError
from blocks.models.record import Record
from blocks.models.verdict import Judgement, passed
from tasks.clients.timelapse import Frame, walk_dashboard
from tasks.clients.video import make_film
from tasks.dashboard import grafana_of
from tasks.rules import recording, series, summary
from tasks.run import Run


@task
def record_dashboard(run: Run) -> tuple[Judgement, Path]:
    """Make the time-lapse of the run's dashboard; of the stages' pictures when Grafana does not show it any more.

    Raises:
        NoData: there is neither a dashboard nor a picture.
        Failed: the film could not be made.
    """
    record = run.record()
    file = run.evidence / "recording" / "dashboard.mp4"
    file.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=file.parent) as scratch:
        try:
            frames, source = _walk(run, record, Path(scratch)), "the dashboard's time range"
        except RampartError as error:
            frames, source = _pictures(run, record, error), f"the stages' pictures ({error})"
        order = sorted(frames)
        film = make_film([(frames[at], shown) for at, shown in zip(order, recording.shown_s(order), strict=True)], file)
    run.journal.append(
        "collect", "recording", file=run.relative(file), sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        frames=len(frames), seconds=film.seconds,
    )  # fmt: skip
    size = f"{film.width}x{film.height}, {file.stat().st_size / 1e6:.1f} MB"
    return passed(f"{len(frames)} frames of {source}; {film.seconds:g} s of {film.codec}, {size}"), file


def _walk(run: Run, record: Record, folder: Path) -> dict[datetime, Path]:
    loaded = series.loaded_time(record)
    if loaded is None:
        raise NoData("There was no load.")
    start, end = loaded
    grafana, uid = grafana_of(run), run.environment.observability.dashboard_uid
    frames = [
        Frame(moment, grafana.dashboard_link(uid, start, moment, kiosk=True), _caption(record, moment))
        for moment in recording.moments(start, end)
    ]
    return walk_dashboard(
        frames,
        folder,
        run.environment.observability.grafana_token.get_secret_value(),
        recording.budget_s((end - start).total_seconds()),
    )


def _pictures(run: Run, record: Record, why: RampartError) -> dict[datetime, Path]:
    kept = {
        stage.steady_to or stage.started: run.folder / stage.screenshot
        for stage in record.stages
        if stage.screenshot and (run.folder / stage.screenshot).is_file()
    }
    if not kept:
        raise NoData(f"There is neither a dashboard to record nor a picture of a stage: {why}")
    return kept


def _caption(record: Record, moment: datetime) -> str:
    stage = next((item for item in reversed(record.stages) if item.started <= moment), None)
    return f"{moment:%H:%M:%S} UTC" + (f", stage {stage.number}, {summary.load_of(stage)}" if stage else "")
