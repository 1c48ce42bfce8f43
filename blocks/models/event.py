"""One line of a run's journal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal[
    "run_opened",
    "phase_started",
    "phase_ended",
    "check",
    "terraform",
    "links",
    "smoke",
    "segment_started",
    "segment_ended",
    "stage_started",
    "stage_steady",
    "stage_judged",
    "stage_ended",
    "stage_numbers",
    "breach",
    "load_stopped",
    "triage",
    "ceiling",
    "decision",
    "limits",
    "series",
    "recording",
    "teardown",
    "cost",
    "comparison",
    "version",
    "fact",
    "note",
    "run_closed",
]


class Event(BaseModel):
    """Something that happened in a run, as it was known when it was written."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    """When it happened, aware UTC."""
    mono_s: float
    """The host's monotonic clock in seconds: durations survive a stepped wall clock."""
    pid: int
    phase: str
    kind: Kind
    data: dict[str, Any] = Field(default_factory=dict)


def opening(events: Iterable[Event]) -> Event | None:
    """Return the line that opens the run: its blocks, its form, and which phases are left out; None when it was lost."""
    return next((event for event in events if event.kind == "run_opened"), None)
