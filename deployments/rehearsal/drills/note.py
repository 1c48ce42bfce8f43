"""What the injector did: written where the product never looks, read by the drill when the run has ended."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from blocks.models.triage import Row
from deployments.rehearsal import layout

FOLDER = layout.HOME / "drills"
"""Outside of the run's folder and of everything a block names; only its owner may enter."""


class Change(BaseModel):
    """A service whose settings were changed."""

    model_config = ConfigDict(frozen=True)

    service: str
    before: dict[str, float]
    after: dict[str, float]


class Note(BaseModel):
    """What was injected, and when."""

    model_config = ConfigDict(frozen=True)

    rows: tuple[Row, ...]
    stage: int
    """The stage that was held."""
    delay_s: float
    """Seconds after the stage was steady."""
    injected_at: datetime
    changes: tuple[Change, ...] = ()
    burners: int = 0


def write_note(run_id: UUID, note: Note) -> None:
    """Keep what was injected into a run."""
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = _file(run_id).with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(note.model_dump_json(indent=2) + "\n")
    part.replace(_file(run_id))


def read_note(run_id: UUID) -> Note | None:
    """Return what was injected into a run; None when nothing was."""
    file = _file(run_id)
    return Note.model_validate(json.loads(file.read_text())) if file.exists() else None


def _file(run_id: UUID) -> Path:
    return FOLDER / f"{run_id}.json"
