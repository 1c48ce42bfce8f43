"""What every phase has in common: it is journaled, and it ends in a state whose message is a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.states import Completed, Failed

from blocks.models.checklist import Phase
from blocks.models.errors import RampartError
from tasks.checks import PhaseStopped
from tasks.log import run_logger
from tasks.run import Run, open_run


class Opened:
    """A phase that is being worked through."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.outcome: State[Any] = Completed(message="passed")


@contextmanager
def phase(name: Phase, run_id: str, environment: str, profile: str) -> Iterator[Opened]:
    """Work through a phase; a check that stops it becomes its outcome, not a traceback."""
    with phase_of(open_run(run_id, environment, profile), name) as opened:
        yield opened


@contextmanager
def phase_of(run: Run, name: Phase) -> Iterator[Opened]:
    """Work through a phase of a run that is open already.

    A phase that a signal breaks off has not ended: who ends the run does it again.
    """
    opened = Opened(run)
    opened.run.journal.append(name, "phase_started")
    try:
        yield opened
    except (PhaseStopped, RampartError) as stop:
        opened.outcome = Failed(message=str(stop))
        if isinstance(stop, RampartError):
            opened.run.journal.append(name, "note", text=str(stop))
    except (TerminationSignal, KeyboardInterrupt):
        opened.run.journal.append(name, "note", text=f"The {name} phase was broken off by a signal.", interrupted=True)
        raise
    except BaseException as error:
        opened.outcome = Failed(message=f"{type(error).__name__}: {error}")
        opened.run.journal.append(name, "phase_ended", state=opened.outcome.type.value)
        raise
    opened.run.journal.append(name, "phase_ended", state=opened.outcome.type.value)


def in_a_sentence(work: Callable[[], State[Any]]) -> State[Any]:
    """Do a flow's work and return its state; an error that was foreseen is logged and ends it as a sentence, not a traceback."""
    try:
        return work()
    except RampartError as error:
        run_logger().error("%s", error)
        return Failed(message=str(error))


def go_on(state: State[Any]) -> None:
    """Go on with the checklist only when the phase passed.

    Raises:
        PhaseStopped: it did not.
    """
    if not state.is_completed():
        raise PhaseStopped(state.message or f"the phase ended as {state.name}")
