"""What a cell measures, from the run's journal and its heartbeats."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from blocks.models.event import Event


def seconds_to_teardown(events: Sequence[Event], died: float) -> float | None:
    """Return how long it took until the teardown began, by the clock that both processes share."""
    begun = _teardown_began(events, died)
    return round(begun.mono_s - died, 1) if begun else None


def seconds_from_heartbeat(events: Sequence[Event], died: float, beats: Sequence[datetime]) -> float | None:
    """Return how long it took from the run's last heartbeat until the teardown began."""
    begun = _teardown_began(events, died)
    before = [beat for beat in beats if begun and beat <= begun.at]
    return round((begun.at - max(before)).total_seconds(), 1) if begun and before else None


def janitor_helped(events: Sequence[Event]) -> bool:
    """Whether the janitor took the run over."""
    return any(event.data.get("taken_over") == "janitor" for event in events)


def _teardown_began(events: Sequence[Event], died: float) -> Event | None:
    """Return the line in which somebody says that he ends the run: the load is stopped next, then comes the evidence."""
    after = (event for event in events if event.phase == "teardown" and event.mono_s >= died)
    return next((event for event in after if event.kind == "phase_started" or event.data.get("taken_over")), None)
