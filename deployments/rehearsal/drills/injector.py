"""The injector: a process of its own that waits for a stage, injects a drill's faults, and notes what it did.

``python -m deployments.rehearsal.drills.injector NAME SEED RUN_ID`` with the rehearsal's stack running. It learns from the
run's journal that a stage is steady, and speaks to nothing of the product. A burner computes until the ramp has ended.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from blocks.models.errors import RampartError, Refused
from blocks.models.event import Event
from deployments.rehearsal import layout
from deployments.rehearsal.drills import burner
from deployments.rehearsal.drills.faults import Drill, Fault, drill_named
from deployments.rehearsal.drills.note import Change, Note, write_note
from deployments.rehearsal.drills.sut import AdminPorts
from deployments.rehearsal.hosts import enter, loadgen_group
from deployments.rehearsal.stack import load
from tasks.clients.journal import Journal

_POLL_S = 0.2


@dataclass(frozen=True)
class Moment:
    """When a fault is injected."""

    stage: int
    delay_s: float
    """Seconds after the stage is steady."""


def moment_of(drill: Drill, seed: int) -> Moment:
    """Choose the stage, 2 or 3 of the drill's five, and how long after its begin; the same for the same seed.

    A stage before it is the baseline, and stages after it are what a decision leads to. The delay ends well within
    the eight seconds a stage is held at least.
    """
    chance = random.Random(f"{drill.name} {seed}")  # noqa: S311 - a reproducible choice, no secret
    return Moment(stage=chance.choice((2, 3)), delay_s=round(chance.uniform(0.2, 4.0), 2))


def is_steady(events: Iterable[Event], stage: int) -> bool:
    """Whether a stage has reached its load."""
    return any(event.kind == "stage_steady" and event.data.get("number") == stage for event in events)


def has_ended(events: Iterable[Event]) -> bool:
    """Whether the ramp is over."""
    return any(event.kind == "phase_ended" and event.phase == "ramp" for event in events)


def main(arguments: Sequence[str]) -> int:
    """Inject a drill's faults into a run; exit code 0, or 1 with a sentence when it could not be done."""
    try:
        name, seed, run = arguments
        drill, run_id = drill_named(name), UUID(run)
        stack = load()
        if stack is None:
            raise Refused("No stack is running, so there is nothing to inject into.")
        moment = moment_of(drill, int(seed))
        journal = Journal(layout.RUNS / run / "journal.jsonl")
        while not is_steady(journal.read()[0], moment.stage):
            time.sleep(_POLL_S)
        time.sleep(moment.delay_s)
        note = inject(drill.faults, moment, AdminPorts(stack.ports))
        burning = burn(note.burners, stack.ports["ssh"]) if note.burners else None
        write_note(run_id, note)
        sys.stderr.write(f"{name}: injected at stage {moment.stage}, {moment.delay_s} s after it was steady\n")
        while burning is not None and not has_ended(journal.read()[0]):
            time.sleep(_POLL_S)
    except (RampartError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def inject(faults: Sequence[Fault], moment: Moment, services: AdminPorts) -> Note:
    """Change the settings that faults consist of, and say what was changed.

    Args:
        faults: what to inject, all at once.
        moment: when that is, for the note.
        services: the system's admin ports.

    Raises:
        RampartError: a service does not answer, or refuses a value.
    """
    wanted = {service: settings for fault in faults for service, settings in fault.settings.items()}
    before = {service: services.read(service) for service in wanted}
    injected_at = datetime.now(UTC)
    changes = [
        Change(service=service, before=before[service], after=services.change(service, settings))
        for service, settings in wanted.items()
    ]
    return Note(
        rows=tuple(fault.row for fault in faults), stage=moment.stage, delay_s=moment.delay_s, injected_at=injected_at,
        changes=tuple(changes), burners=sum(fault.burners for fault in faults),
    )  # fmt: skip


def burn(threads: int, ssh_port: int) -> subprocess.Popen[bytes]:
    """Start a process that computes on the load generator; it ends with the process that started it."""
    process = subprocess.Popen([sys.executable, "-S", "-I", burner.__file__, str(os.getpid()), str(threads)])
    enter(loadgen_group(ssh_port), process.pid)
    return process


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
