"""Runs that ended without a clean teardown or without a report, as their journals tell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from blocks.models.event import Event, opening
from blocks.models.verdict import Verdict
from blocks.perf_environment import PerfEnvironment
from tasks.clients.journal import Journal
from tasks.run import Run


@dataclass(frozen=True)
class Unfinished:
    """A run that something is still to be done for, and what."""

    run_id: str
    profile: str
    why: str


def unfinished_runs(environment: PerfEnvironment, name: str) -> tuple[Unfinished, ...]:
    """Return the runs of an environment whose journal does not end as a finished run's does, the oldest first.

    Args:
        environment: the block; its runs folder is looked through.
        name: the block's name.
    """
    found: list[tuple[datetime, Unfinished]] = []
    for file in sorted(environment.runs_folder.glob("*/journal.jsonl")):
        if file.parent.is_symlink():
            continue
        try:
            item = _unfinished_run(file, name)
        except (OSError, LookupError, TypeError, ValueError) as error:
            # Nobody can tell what it left, or where: it is named, and the others are found all the same.
            why = f"its journal {file} cannot be judged ({type(error).__name__}: {error})"
            item = datetime.max.replace(tzinfo=UTC), Unfinished(file.parent.name, "", why)
        if item is not None:
            found.append(item)
    return tuple(item for _, item in sorted(found, key=lambda pair: pair[0]))


def _unfinished_run(file: Path, environment: str) -> tuple[datetime, Unfinished] | None:
    """Return when a run of the environment began and what is missing of it; None for any other."""
    events, unreadable = Journal(file).read()
    opened = of_the_run.data if (of_the_run := opening(events)) else None
    if opened is None:
        if not unreadable:
            return None
        # The line that says whose it is was lost; the run's folder says it too.
        kept = json.loads((file.parent / "blocks.json").read_text())
        opened = {
            "run_id": file.parent.name, "environment": kept["environment_name"], "profile": kept["profile_name"],
        }  # fmt: skip
    if opened["environment"] != environment or not (why := _unfinished(events)):
        return None
    began = events[0].at if events else datetime.min.replace(tzinfo=UTC)
    return began, Unfinished(opened["run_id"], str(opened.get("profile", "")), why)


def _unfinished(events: tuple[Event, ...]) -> str:
    """Return what is missing; empty for a finished run."""
    if not is_clean(events):
        return "it was not seen to be taken down completely"
    if not is_closed(events):
        return "it has no report"
    return ""


def finished(run: Run) -> bool:
    """Whether nothing is left to do for a run."""
    events = run.journal.read()[0]
    return bool(events) and not _unfinished(events)


def missing(run: Run) -> str:
    """Return what is still to be done for a run, with what its last teardown left; empty for a finished run."""
    events = run.journal.read()[0]
    why = _unfinished(events)
    last = next((event.data for event in reversed(events) if event.kind == "teardown"), {})
    left = ", ".join(map(str, last.get("leftover", ())))
    return f"{why}; left: {left}" if why and left else why


def is_clean(events: tuple[Event, ...]) -> bool:
    """Whether a teardown saw that nothing is left, and nothing was made since."""
    for event in reversed(events):
        if event.kind == "teardown":
            return bool(event.data.get("clean", event.data["verdict"] == Verdict.PASS.value))
        if event.kind == "terraform" and event.data["operation"] == "apply":
            return False
    return False


def is_closed(events: tuple[Event, ...]) -> bool:
    """Whether a report was made after the last teardown: an earlier one names what that teardown did not leave any more."""
    last = next((event for event in reversed(events) if event.kind in {"run_closed", "teardown"}), None)
    return last is not None and last.kind == "run_closed"


def drop_half_written(run: Run) -> None:
    """Delete files of the evidence that a crash left half-written, and name them."""
    parts = sorted(run.evidence.rglob("*.part"))
    for part in parts:
        part.unlink()
    if parts:
        names = ", ".join(run.relative(part) for part in parts)
        run.journal.append("collect", "note", text=f"Half-written when the run died, and deleted: {names}")
