"""Lines over the time of the load: which are kept, how finely, and how they are read back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from blocks.models.record import Record
from blocks.models.settings import MetricNames
from tasks.rules import queries

_STEPS_S = (1.0, 2.0, 5.0)
# A line of a plot a hand wide cannot show more points.
_POINTS = 600
# A rate needs several of k6's pushes, one a second.
_WINDOW_S = 10.0
_AFTER_S = 5.0

Query = Callable[[MetricNames, str, float], str]


@dataclass(frozen=True)
class Wanted:
    """A family of lines: what is asked, and the label that names a line."""

    name: str
    unit: str
    label: str
    queries: tuple[Query, ...]


WANTED: tuple[Wanted, ...] = (
    Wanted("vus", "VUs", "", (lambda names, run_id, _: queries.virtual_users(names, run_id),)),
    Wanted("p95", "ms", "scenario", (queries.p95_ms, queries.ws_p95_ms)),
    Wanted("error_rate", "ratio", "", (queries.error_rate,)),
    Wanted("ws_success", "ratio", "", (queries.ws_handshake_success,)),
    Wanted("request_rate", "requests/s", "scenario", (queries.request_rate,)),
    Wanted("cpu", "ratio", "name", (lambda names, _, window_s: queries.container_cpu_ratio(names, window_s),)),
    Wanted("memory", "bytes", "name", (lambda names, *_: queries.containers_memory_bytes(names),)),
    Wanted("queues", "jobs", "queue", (lambda names, *_: queries.queue_depth(names),)),
)


@dataclass(frozen=True)
class Curves:
    """The lines of a family on one grid: value ``i`` was at ``start + i * step_s``; None where there was none."""

    start: datetime
    step_s: float
    lines: Mapping[str, tuple[float | None, ...]]

    def times(self) -> list[float]:
        """Return the seconds of the grid since its start."""
        count = max((len(values) for values in self.lines.values()), default=0)
        return [index * self.step_s for index in range(count)]


def step_s(seconds: float) -> float:
    """Return the distance of points for a span of time: 1, 2 or 5 s, wider only for very long ramps."""
    fitting = next((step for step in _STEPS_S if seconds / step <= _POINTS), None)
    return fitting or math.ceil(seconds / _POINTS)


def window_s(step: float) -> float:
    """Return how far each point of a rate looks back."""
    return max(_WINDOW_S, 2 * step)


def loaded_time(record: Record) -> tuple[datetime, datetime] | None:
    """Return when there was load: of the ramp, else of the smoke test; None when there was none."""
    if record.stages:
        ends = [at for stage in record.stages for at in (stage.steady_to, stage.ended, stage.started) if at]
        ends += [segment.ended for segment in record.segments if segment.ended]
        ends += [at for breach in record.breaches for at in (breach.detected, breach.load_zero_at) if at]
        return record.stages[0].started, max(ends) + timedelta(seconds=_AFTER_S)
    if "started" in record.smoke and "ended" in record.smoke:
        return datetime.fromisoformat(record.smoke["started"]), datetime.fromisoformat(record.smoke["ended"])
    return None


def on_grid(points: tuple[tuple[float, float], ...], start: datetime, end: datetime, step: float) -> list[float | None]:
    """Lay the points of a line, (unix seconds, value), on the grid; what is not there or not a number is None."""
    begin = start.timestamp()
    known = {round((time - begin) / step): value for time, value in points if math.isfinite(value)}
    count = int((end - start).total_seconds() / step) + 1
    return [_short(known.get(index)) for index in range(count)]


def written(wanted: Wanted, start: datetime, step: float, asked: list[str], lines: Mapping[str, Any]) -> str:
    """Return a family's file."""
    content = {
        "name": wanted.name, "unit": wanted.unit, "start": start.isoformat(), "step_s": step, "queries": asked,
        "lines": dict(lines),
    }  # fmt: skip
    return json.dumps(content, sort_keys=True, ensure_ascii=False) + "\n"


def read(text: str) -> Curves:
    """Read a family's file.

    Raises:
        ValueError: it is none.
    """
    try:
        content = json.loads(text)
        return Curves(
            start=datetime.fromisoformat(content["start"]),
            step_s=float(content["step_s"]),
            lines={str(name): tuple(values) for name, values in sorted(content["lines"].items())},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a file of series: {error}") from error


def _short(value: float | None) -> float | None:
    """Keep six digits: more are noise, and the file is read by people too."""
    return None if value is None else float(f"{value:.6g}")
