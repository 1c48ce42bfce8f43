"""Runs that ended without a clean teardown or without a report, as their journals tell."""

from __future__ import annotations

from dataclasses import dataclass

from blocks.models.checklist import CHECKLIST, PHASES
from blocks.models.event import Event
from blocks.models.verdict import Verdict
from blocks.perf_environment import PerfEnvironment
from tasks.clients.journal import Journal
from tasks.run import Run

_ENDINGS = {"collect", "teardown", "report"}


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
    found: list[tuple[Event, Unfinished]] = []
    for file in sorted(environment.runs_folder.glob("*/journal.jsonl")):
        if file.parent.is_symlink():
            continue
        events, _ = Journal(file).read()
        opened = next((event for event in events if event.kind == "run_opened"), None)
        if opened is None or opened.data["environment"] != name:
            continue
        if why := _unfinished(events):
            found.append((opened, Unfinished(opened.data["run_id"], str(opened.data.get("profile", "")), why)))
    return tuple(item for _, item in sorted(found, key=lambda pair: pair[0].at))


def _unfinished(events: tuple[Event, ...]) -> str:
    """Return what is missing; empty for a finished run."""
    if not is_clean(events):
        return "it was not seen to be taken down completely"
    if not any(event.kind == "run_closed" for event in events):
        return "it has no report"
    return ""


def where_it_ended(run: Run) -> str:
    """Return the check at which a run ended early: the first one of its last phase that was not made."""
    events = run.journal.read()[0]
    phases = [event.phase for event in events if event.kind == "phase_started" and event.phase not in _ENDINGS]
    made = {event.data.get("id") for event in events if event.kind == "check"}
    begun = PHASES.index(phases[-1]) if phases else 0
    return next((item.id for item in CHECKLIST if PHASES.index(item.phase) >= begun and item.id not in made), "its end")


def finished(run: Run) -> bool:
    """Whether nothing is left to do for a run."""
    events = run.journal.read()[0]
    return bool(events) and not _unfinished(events)


def is_clean(events: tuple[Event, ...]) -> bool:
    """Whether a teardown saw that nothing is left, and nothing was made since."""
    for event in reversed(events):
        if event.kind == "teardown":
            return bool(event.data.get("clean", event.data["verdict"] == Verdict.PASS.value))
        if event.kind == "terraform" and event.data["operation"] == "apply":
            return False
    return False


def drop_half_written(run: Run) -> None:
    """Delete files of the evidence that a crash left half-written, and name them."""
    parts = sorted(run.evidence.rglob("*.part"))
    for part in parts:
        part.unlink()
    if parts:
        names = ", ".join(run.relative(part) for part in parts)
        run.journal.append("collect", "note", text=f"Half-written when the run died, and deleted: {names}")
