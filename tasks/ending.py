"""The end of a run is worked by one process at a time, whoever starts it: the run itself, a hook, the janitor, a person."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from uuid import UUID

from filelock import FileLock, Timeout
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType

from blocks.models.errors import Failed
from tasks.log import run_logger
from tasks.run import PREFECT_SILENT, Run

# Longer than nearly every ending: evidence takes at most 10 minutes, a destroy 30 with each of its tries, then comes the sweep.
# Who has waited in vain says so, and the janitor looks again.
_WAIT_S = 2 * 3600.0
_LOOK_S = 1.0


@contextmanager
def ending(run: Run, meanwhile: Callable[[], None] = lambda: None) -> Iterator[bool]:
    """Hold the ending of a run; yields whether another process finished it while this one waited.

    The kernel frees the lock of a process that dies. A process that holds it already gets it again.

    Args:
        run: the run.
        meanwhile: called again and again while another process holds it.

    Raises:
        Failed: another process holds it for hours.
    """
    lock = FileLock(
        run.folder / "ending.lock", timeout=_WAIT_S, poll_interval=_LOOK_S, is_singleton=True, thread_local=False
    )
    before = teardowns(run)
    try:
        lock.acquire(timeout=0)
        waited = False
    except Timeout:
        run_logger().info("Another process ends this run already; waiting for its result.")
        waited = True
        _wait(lock, run, meanwhile)
    try:
        yield waited and teardowns(run) > before
    finally:
        lock.release()


def _wait(lock: FileLock, run: Run, meanwhile: Callable[[], None]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while True:
        meanwhile()
        try:
            lock.acquire(timeout=_LOOK_S)
        except Timeout as error:
            if time.monotonic() > deadline:
                raise Failed(
                    f"Another process has been ending run {run.id} for {_WAIT_S / 3600:g} hours; look at its page, then start teardown again."
                ) from error
        else:
            return


def end_keep(run: Run, by: str) -> None:
    """Answer the question whether a failed run is kept with destroy-now; that nobody asks it is fine.

    Args:
        run: the run, whose ending another process holds.
        by: who wants it down, for the record.
    """
    asks = FlowRunFilter(
        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[UUID(run.id)]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])),
    )
    try:
        with get_client(sync_client=True) as client:
            for asking in client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=["teardown"])), flow_run_filter=asks
            ):
                client.resume_flow_run(asking.id, run_input={"decision": "destroy-now", "name": by})
    except PREFECT_SILENT as error:
        run_logger().warning("The run may be kept, and Prefect is silent (%s); waiting.", type(error).__name__)


def teardowns(run: Run) -> int:
    """Count how often a teardown of the run said how it ended."""
    return sum(event.kind == "teardown" for event in run.journal.read()[0])


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Go on while somebody presses Ctrl-C: an ending that is broken off leaves infrastructure behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def say(_number: int, _frame: FrameType | None) -> None:
        run_logger().warning(
            "Everything is being taken down; this ends by itself. Killing it leaves the rest to the janitor."
        )

    before = signal.signal(signal.SIGINT, say)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
