"""Lines over the time of the load, kept as evidence: the report is rendered from them when no server is left."""

from __future__ import annotations

import hashlib

from prefect import task

from blocks.models.errors import NoData, RampartError
from tasks.clients.metrics import Prometheus
from tasks.metrics import prometheus_of
from tasks.rules import series
from tasks.run import Run


@task
def keep_series(run: Run) -> None:
    """Ask Prometheus for every family of lines and keep each as a file; what it does not give is journaled with why."""
    prometheus = prometheus_of(run)
    for wanted in series.WANTED:
        try:
            text = _ask(run, prometheus, wanted)
        except RampartError as error:
            run.journal.append("collect", "series", name=wanted.name, not_captured=str(error))
            continue
        file = run.evidence / "series" / f"{wanted.name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        run.journal.append(
            "collect", "series", name=wanted.name, file=run.relative(file),
            sha256=hashlib.sha256(text.encode()).hexdigest(),
        )  # fmt: skip


def _ask(run: Run, prometheus: Prometheus, wanted: series.Wanted) -> str:
    loaded = series.loaded_time(run.record())
    if loaded is None:
        raise NoData("There was no load.")
    start, end = loaded
    step = series.step_s((end - start).total_seconds())
    asked = [query(run.environment.metrics, run.id, series.window_s(step)) for query in wanted.queries]
    lines = {
        line.labels.get(wanted.label, "") or wanted.name: series.on_grid(line.points, start, end, step)
        for query in asked
        for line in prometheus.query_range(query, start, end, step)
    }
    if not lines:
        raise NoData(f"Prometheus has no sample of {wanted.name} over the time of the load.")
    return series.written(wanted, start, step, asked, lines)
