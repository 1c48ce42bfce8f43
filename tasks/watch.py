"""What is known about the running load, shared by the ramp, which pauses, and the guard, which never does."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from blocks.models.breach import Breached
from blocks.models.errors import RampartError, Unavailable
from blocks.models.load import LoadPlan, Segment
from blocks.models.triage import Saturation
from blocks.models.verdict import Verdict
from tasks.captures import Captures
from tasks.clients.loadgen import Job, LoadGenerator

T = TypeVar("T")
R = TypeVar("R")

# How long k6 may take to write its summary after SIGINT: the script's teardown runs before.
_ENDING_S = 60.0
_ENDING_POLL_S = 0.1
# k6's exit codes (errext/exitcodes) of a test that ran for all of its time: 0, and 99 with thresholds that were crossed.
_RAN_TO_ITS_END = {0, 99}
# Readings of the load generators kept for triage, one each every two seconds: the last hour of one, less of several.
_SATURATION_KEPT = 2000


@dataclass
class LoadWatch:
    """The load of one ramp, and whether it may go on.

    The ramp says what should run, the guard says when it must not. All methods may be called from any thread.
    """

    loadgens: tuple[LoadGenerator, ...]
    plan: LoadPlan
    segments: tuple[Segment, ...]
    """The cuts of the plan that is worked off now; a segment that is started again gets another index."""
    stage: int = 0
    """The stage that is being risen to or held; 0 before the first."""
    stage_started: datetime | None = None
    stage_started_s: float = 0.0
    running: dict[str, Segment] = field(default_factory=dict)
    """Segments that have to stay, by name."""
    completed: set[str] = field(default_factory=set)
    """Segments that ran the script as it is to its end, by name: nothing is expected of them any more."""
    ended: set[int] = field(default_factory=set)
    """Indexes of segments whose end is journaled."""
    used: int = 0
    """The highest index given to a segment so far."""
    smoking: bool = False
    """Whether the smoke test runs again after a fix."""
    breach: Breached | None = None
    breached: datetime | None = None
    """When the last breach was reported."""
    gone: datetime | None = None
    """When the load of the last breach was seen to be gone; None while it was not."""
    gone_s: float = 0.0
    """The same by the clock that only goes forward."""
    saturation: deque[Saturation] = field(default_factory=lambda: deque(maxlen=_SATURATION_KEPT))
    finished: threading.Event = field(default_factory=threading.Event)
    """Set when the ramp ends the load by itself: what ends from then on is no breach."""
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set when the load of a breach is gone, after the breach was journaled, where it could be."""
    settled: threading.Event = field(default_factory=threading.Event)
    """Set when the guard is done with the load of a breach: it is gone, or was not seen to be, and is not waited for."""
    left: bool = False
    """Whether the ramp left the stage of the breach: a pause that is open then asks about the breach itself."""
    polls: int = 0
    captures: Captures = field(default_factory=Captures)
    """Whose evidence is to be taken while the load is held."""
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _pausing: threading.Lock = field(default_factory=threading.Lock)

    def may_start(self) -> bool:
        """Whether a segment may start now: asked after every pause and right before any start."""
        with self._lock:
            return self.breach is None and not self.finished.is_set()

    def next_index(self, count: int) -> int:
        """Take the next indexes for segments; every start of a segment has its own."""
        with self._lock:
            first, self.used = self.used + 1, self.used + count
            return first

    def expected(self) -> dict[str, Segment]:
        """Return the segments that have to run now, by name."""
        with self._lock:
            return {name: segment for name, segment in self.running.items() if name not in self.completed}

    def loaded(self) -> Collection[str]:
        """Return the endpoints that have load now: none while the smoke test runs again, or before the first stage.

        A segment that runs the script as it is has those of the stage.
        """
        with self._lock:
            amounts = [segment.amounts for segment in self.expected().values()]
            if not all(amounts) and 1 <= self.stage <= len(self.plan.levels):
                amounts.append(self.plan.levels[self.stage - 1].amounts)
            return list(dict.fromkeys(name for each in amounts for name, amount in each.items() if amount > 0))

    def expect(self, segment: Segment) -> None:
        """Say that a segment is started and has to stay."""
        with self._lock:
            self.running[segment.name] = segment

    def release(self, segments: Sequence[Segment]) -> None:
        """Say that segments are ended on purpose."""
        with self._lock:
            for segment in segments:
                self.running.pop(segment.name, None)

    def enter_stage(self, number: int) -> None:
        """Say which stage is being risen to."""
        with self._lock:
            self.stage, self.stage_started_s, self.stage_started = number, time.monotonic(), datetime.now(UTC)

    def report(self, breach: Breached) -> bool:
        """Take the first breach; return whether this was it."""
        with self._lock:
            if self.breach is not None or self.finished.is_set():
                return False
            self.stopped.clear()
            self.settled.clear()
            self.breach, self.breached, self.gone = breach, datetime.now(UTC), None
            self.left = False
            return True

    def is_off(self, within_s: float) -> bool:
        """Wait for the guard to be done with the load of a breach; return whether it was seen to be gone."""
        return self.settled.wait(within_s) and self.stopped.is_set()

    def see_gone(self, moment: datetime) -> None:
        """Say that the load of the breach was seen to be gone."""
        with self._lock:
            self.gone, self.gone_s = moment, time.monotonic()

    def overrule(self, breach: Breached) -> bool:
        """Replace a breach by one after which nobody may go on; return whether there was one to replace."""
        with self._lock:
            if self.breach is None or self.breach.final:
                return False
            self.breach, self.left = breach, False
            return True

    def doubt(self) -> None:
        """Say that the breach says nothing of the system; one after which nobody may go on stays what it is."""
        with self._lock:
            if self.breach is not None and not self.breach.final:
                self.breach = replace(self.breach, verdict=Verdict.INCONCLUSIVE)

    def leave_stage(self) -> None:
        """Say that the ramp read the breach and left its stage: its next pause is triage's and stays open."""
        with self._pausing:
            self.left = True

    @contextmanager
    def pause_to_end(self) -> Iterator[Breached | None]:
        """Give the breach whose pause has to end, None when there is none; the ramp leaves no stage while the body works."""
        with self._pausing:
            yield self.breach if self.settled.is_set() and not self.left else None

    def rearm(self, plan: LoadPlan, segments: tuple[Segment, ...]) -> bool:
        """Begin another attempt after a breach; return False when the breach is final."""
        with self._lock:
            if self.breach is not None and self.breach.final:
                return False
            self.breach, self.plan, self.segments = None, plan, segments
            self.running.clear()
            # What was measured before says nothing of the new attempt.
            self.stage_started_s, self.stage_started = time.monotonic(), datetime.now(UTC)
            return True

    def finish(self) -> bool:
        """Say that the ramp ends the load by itself; return False when the guard was quicker."""
        with self._lock:
            self.finished.set()
            return self.breach is None

    def lost(self, jobs: Mapping[str, Job]) -> Breached | None:
        """Return a breach when an expected segment does not run any more.

        One that runs the script as it is ends by itself in the last stage: after it the script may have no more load.
        """
        with self._lock:
            for name, segment in self.expected().items():
                job = jobs.get(name)
                if job is not None and not job.alive:
                    last = not segment.amounts and self.stage == len(self.plan.levels)
                    if last and job.exit_code in _RAN_TO_ITS_END:
                        self.completed.add(name)
                        continue
                    code = "no exit code" if job.exit_code is None else f"exit code {job.exit_code}"
                    return Breached(f"{name} ended", code, "every started segment runs until it is stopped")
        return None

    def jobs(self) -> dict[str, Job]:
        """Ask every load generator at once for its jobs; renews their leases.

        Raises:
            Unavailable: a load generator does not answer.
        """
        return {job.name: job for jobs in on_each(self.loadgens, LoadGenerator.jobs) for job in jobs}

    def disconnect(self) -> None:
        """Close the connections to the load generators; what runs there goes on."""
        for loadgen in self.loadgens:
            loadgen.host.close()

    def stop_load(self, names: Sequence[str] = ()) -> datetime:
        """Interrupt k6 on all load generators at once, wait until it is gone, and return when that was seen.

        One that does not answer keeps none of the others: they are seen off first.

        Args:
            names: which jobs; empty = every job of the run.

        Raises:
            Unavailable: a load generator does not answer.
            RampartError: a load generator still runs k6 after the time an ending takes.
        """
        on_each(self.loadgens, lambda loadgen: see_off(loadgen, names))
        return datetime.now(UTC)


def see_off(loadgen: LoadGenerator, names: Sequence[str] = ()) -> None:
    """Interrupt k6 on a load generator and wait until it is gone.

    Args:
        loadgen: the load generator.
        names: which jobs; empty = every job of the run.

    Raises:
        Unavailable: it does not answer.
        RampartError: it still runs k6 after the time an ending takes.
    """
    for name in names or ("",):
        loadgen.interrupt(name)
    deadline = time.monotonic() + _ENDING_S
    while alive := [job.name for job in loadgen.jobs() if job.alive and (not names or job.name in names)]:
        if time.monotonic() > deadline:
            raise RampartError(
                f"{', '.join(alive)} still run on {loadgen.host.address} {_ENDING_S:g} s after SIGINT; end them there."
            )
        time.sleep(_ENDING_POLL_S)


def on_each(loadgens: Sequence[T], act: Callable[[T], R]) -> list[R]:
    """Do something with every load generator at once and return the results; a failed one keeps none of the others.

    Raises:
        RampartError: what one of them said; Unavailable with all they said when there are several.
    """
    with ThreadPoolExecutor(max(1, len(loadgens))) as pool:
        futures = [pool.submit(act, loadgen) for loadgen in loadgens]
    errors = [error for future in futures if (error := future.exception()) is not None]
    if len(errors) > 1 and all(isinstance(error, RampartError) for error in errors):
        raise Unavailable(" ".join(str(error) for error in errors))
    return [future.result() for future in futures]
