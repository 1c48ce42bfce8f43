"""The time-lapse of the dashboard: which moments it shows, and how long it may take to make."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

# A frame of a real dashboard takes about a second, two beside the stages' pictures; the longest ramp has a minute and a
# half for its film.
_LEAST_S, _MOST_S, _SHARE = 10.0, 90.0, 1 / 30
# Each half between two moments is halved again, five times: 33 moments.
_HALVINGS = 5
_PLAYED_S, _LAST_FRAME_S, _SHORTEST_S = 10.0, 2.0, 0.25


def budget_s(loaded_s: float) -> float:
    """Return for how long pictures are taken: a thirtieth of the time of the load, within bounds."""
    return min(_MOST_S, max(_LEAST_S, loaded_s * _SHARE))


def moments(start: datetime, end: datetime) -> tuple[datetime, ...]:
    """Return the moments to show, the most important first.

    The end, which shows everything; then the middle, then the middles of what is left: when time runs out, those that
    were taken are spread over the run.
    """
    parts = 2**_HALVINGS
    found = [parts]
    step = parts
    while step > 1:
        found += range(step // 2, parts, step)
        step //= 2
    return tuple(start + (end - start) * (index / parts) for index in found)


def shown_s(at: list[datetime]) -> tuple[float, ...]:
    """Return for how long each frame, in order of time, is shown: as long as until the next one, ten seconds in all."""
    if len(at) <= 1:
        return (_LAST_FRAME_S,) * len(at)
    whole = (at[-1] - at[0]).total_seconds()
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(at)]
    return (*(max(_SHORTEST_S, _PLAYED_S * gap / whole if whole else 0.0) for gap in gaps), _LAST_FRAME_S)
