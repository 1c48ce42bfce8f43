"""Queues in the manner of BullMQ: jobs wait in order, a fixed number is worked on at a time."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

log = logging.getLogger("ebit")

Job = Mapping[str, Any]


class Queue:
    """One queue and its workers.

    Args:
        name: as in the metrics.
        work: does one job; an exception makes it a failed one.
        concurrency: jobs worked on at once.
    """

    def __init__(self, name: str, work: Callable[[Job], Awaitable[None]], concurrency: int) -> None:
        self.name = name
        self._work = work
        self._concurrency = concurrency
        self._waiting: deque[Job] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._completed = 0
        self._failed = 0

    @property
    def concurrency(self) -> int:
        """Jobs worked on at once."""
        return self._concurrency

    def resize(self, concurrency: int) -> None:
        """Change how many jobs are worked on at once; those begun are finished."""
        self._concurrency = concurrency
        self._start()

    def add(self, job: Job) -> None:
        """Put a job at the end."""
        self._waiting.append(job)
        self._start()

    def counts(self) -> dict[str, int]:
        """Jobs by state; completed and failed count since the start."""
        return {
            "wait": len(self._waiting),
            "active": len(self._running),
            "completed": self._completed,
            "failed": self._failed,
        }

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._concurrency:
            task = asyncio.get_running_loop().create_task(self._do(self._waiting.popleft()))
            self._running.add(task)
            task.add_done_callback(self._finished)

    async def _do(self, job: Job) -> None:
        try:
            await self._work(job)
        except Exception:
            log.exception("a job of %s failed", self.name)
            raise

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        if task.exception() is None:
            self._completed += 1
        else:
            self._failed += 1
        self._start()


def exposition(queues: Mapping[str, Queue]) -> str:
    """Metrics of all queues in Prometheus' text format."""
    lines = [
        "# HELP bullmq_queue_jobs Number of jobs in the queue by state",
        "# TYPE bullmq_queue_jobs gauge",
    ]
    lines += [
        f'bullmq_queue_jobs{{queue="{name}",state="{state}"}} {count}'
        for name, queue in queues.items()
        for state, count in queue.counts().items()
    ]
    return "\n".join(lines) + "\n"
