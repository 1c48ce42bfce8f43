"""How p95 went from run to run: lines for a page, drawn as plain SVG so that it follows the reader's light or dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from tasks.rules.comparison import Measured, PastRun

WIDTH, HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 26
# More lines than this are not told apart.
_LINES = 3


class Frozen(BaseModel):
    """A value: compared by content, never changed."""

    model_config = ConfigDict(frozen=True)


class Point(Frozen):
    """A run on a line."""

    x: float
    y: float
    shown: str
    """What is told of it."""


class Line(Frozen):
    """One part of the run, such as a stage, over the runs."""

    name: str
    points: tuple[Point, ...]

    @property
    def path(self) -> str:
        """The line as SVG's points."""
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)


class Chart(Frozen):
    """p95 of an endpoint."""

    endpoint: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]
    """(y, label)"""


class Row(Frozen):
    """A run in the table."""

    run_id: str
    started: str
    verdict: str
    ceiling: str
    values: tuple[str, ...]


class Trend(Frozen):
    """The runs that can be compared with each other."""

    title: str
    first: str
    last: str
    charts: tuple[Chart, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    """The newest first."""


def trends(runs: Sequence[PastRun], numbers: Mapping[str, Sequence[Measured]]) -> tuple[Trend, ...]:
    """Return a trend for every group of comparable runs, the group of the newest run first.

    Args:
        runs: the history, the oldest first.
        numbers: run id -> what was measured.
    """
    groups: dict[tuple[tuple[str, str], ...], list[PastRun]] = {}
    for run in runs:
        told = {name: value for name, value in run.settings.items() if name not in {"instance types", "image tag"}}
        groups.setdefault(tuple(sorted(told.items())), []).append(run)
    ordered = sorted(groups.values(), key=lambda group: group[-1].started, reverse=True)
    return tuple(_trend(group, numbers) for group in ordered)


def _trend(runs: Sequence[PastRun], numbers: Mapping[str, Sequence[Measured]]) -> Trend:
    found = {
        (run.run_id, item.window.where, item.endpoint): item for run in runs for item in numbers.get(run.run_id, ())
    }
    parts = _parts([item for run in runs for item in numbers.get(run.run_id, ())])
    endpoints = sorted({endpoint for _, _, endpoint in found})
    settings = runs[-1].settings
    columns = [(where, endpoint) for where in parts[-1:] for endpoint in endpoints]
    return Trend(
        title=f"{settings.get('environment', '')}: {settings.get('smoke script' if parts == ['smoke'] else 'ramp script', '')}",
        first=f"{runs[0].started:%Y-%m-%d}",
        last=f"{runs[-1].started:%Y-%m-%d}",
        charts=tuple(_chart(endpoint, parts, runs, found) for endpoint in endpoints),
        columns=tuple(f"{endpoint}, {where}" for where, endpoint in columns),
        rows=tuple(
            Row(
                run_id=run.run_id, started=f"{run.started:%Y-%m-%d %H:%M}", verdict=run.verdict,
                ceiling="–" if run.ceiling is None else f"stage {run.ceiling}",
                values=tuple(_ms(found.get((run.run_id, *column))) for column in columns),
            )
            for run in reversed(runs)
        ),
    )  # fmt: skip


def _parts(items: Sequence[Measured]) -> list[str]:
    """Return the first, middle and last stage of the runs; the smoke test where there is no stage."""
    names = {item.window.position: item.window.where for item in items}
    stages = sorted(position for position in names if position > 0)
    if not stages:
        return list(names.values())
    chosen = sorted({stages[0], stages[len(stages) // 2], stages[-1]})[:_LINES]
    return [names[position] for position in chosen]


def _chart(
    endpoint: str, parts: Sequence[str], runs: Sequence[PastRun], found: Mapping[tuple[str, str, str], Measured]
) -> Chart:
    values = [
        found[run.run_id, part, endpoint].p95_ms
        for run in runs
        for part in parts
        if (run.run_id, part, endpoint) in found
    ]
    top = max(values, default=1.0) * 1.1 or 1.0
    inner_width, inner_height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def height(value: float) -> float:
        return round(_TOP + inner_height * (1 - value / top), 1)

    lines = []
    for part in parts:
        points = tuple(
            Point(
                x=round(_LEFT + inner_width * (index + 0.5) / len(runs), 1), y=height(item.p95_ms),
                shown=f"{run.started:%Y-%m-%d %H:%M}, {part}: {item.p95_ms:.0f} ms",
            )
            for index, run in enumerate(runs)
            if (item := found.get((run.run_id, part, endpoint))) is not None
        )  # fmt: skip
        lines.append(Line(name=part, points=points))
    ticks = tuple((height(top * share), f"{top * share:.0f}") for share in (0.0, 0.5, 1.0))
    return Chart(endpoint=endpoint, lines=tuple(lines), ticks=ticks)


def _ms(item: Measured | None) -> str:
    return "–" if item is None else f"{item.p95_ms:.0f}"
