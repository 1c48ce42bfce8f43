"""What is known about the running load, shared by the ramp, which pauses, and the guard, which never does."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from blocks.models.errors import RampartError
from blocks.models.load import LoadPlan, Segment
from tasks.clients.loadgen import Job, LoadGenerator

# How long k6 may take to write its summary after SIGINT: the script's teardown runs before.
_ENDING_S = 60.0
_ENDING_POLL_S = 0.1


@dataclass(frozen=True)
class Breached:
    """Why the load was stopped."""

    rule: str
    observed: str
    limit: str

    def __str__(self) -> str:
        """The sentence for the operator."""
        return f"{self.rule}: observed {self.observed}, limit {self.limit}"


@dataclass
class LoadWatch:
    """The load of one ramp, and whether it may go on."""

    loadgens: tuple[LoadGenerator, ...]
    plan: LoadPlan
    segments: tuple[Segment, ...]
    stage: int = 0
    stage_started_s: float = 0.0
    running: dict[str, Segment] = field(default_factory=dict)
    breach: Breached | None = None
    finished: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set when the load of a breach is gone."""
    polls: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def may_start(self) -> bool:
        """Whether a segment may start now: asked after every pause and right before any start."""
        with self._lock:
            return self.breach is None and not self.finished.is_set()

    def expect(self, segment: Segment) -> None:
        """Say that a segment is started and has to stay."""
        with self._lock:
            self.running[segment.name] = segment

    def enter_stage(self, number: int) -> None:
        """Say which stage is being risen to."""
        with self._lock:
            self.stage, self.stage_started_s = number, time.monotonic()

    def report(self, breach: Breached) -> bool:
        """Take the first breach; return whether this was it."""
        with self._lock:
            if self.breach is not None or self.finished.is_set():
                return False
            self.breach = breach
            return True

    def finish(self) -> None:
        """Say that the ramp ends the load by itself: what ends from now on is no breach."""
        with self._lock:
            self.finished.set()

    def lost(self, jobs: dict[str, Job]) -> Breached | None:
        """Return a breach when an expected segment does not run any more."""
        with self._lock:
            for name in self.running:
                job = jobs.get(name)
                if job is not None and not job.alive:
                    code = "no exit code" if job.exit_code is None else f"exit code {job.exit_code}"
                    return Breached(f"{name} ended", code, "every started segment runs until it is stopped")
        return None

    def jobs(self) -> dict[str, Job]:
        """Ask every load generator at once for its jobs; renews their leases."""
        with ThreadPoolExecutor(len(self.loadgens)) as pool:
            return {job.name: job for jobs in pool.map(LoadGenerator.jobs, self.loadgens) for job in jobs}

    def stop_load(self) -> datetime:
        """Interrupt k6 on all load generators at once, wait until none is left, and return when that was seen.

        Raises:
            RampartError: a load generator still runs k6 after the time an ending takes.
        """
        with ThreadPoolExecutor(len(self.loadgens)) as pool:
            list(pool.map(LoadGenerator.interrupt, self.loadgens))
        deadline = time.monotonic() + _ENDING_S
        while True:
            alive = [job.name for job in self.jobs().values() if job.alive]
            if not alive:
                return datetime.now(UTC)
            if time.monotonic() > deadline:
                raise RampartError(
                    f"{', '.join(alive)} still run {_ENDING_S:g} s after SIGINT; end them on the load generator."
                )
            time.sleep(_ENDING_POLL_S)
