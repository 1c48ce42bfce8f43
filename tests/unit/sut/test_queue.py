import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

Module = Callable[[str], Any]


class Bench:
    """A queue whose jobs end when told."""

    def __init__(self, module: Module, concurrency: int) -> None:
        self.gate = asyncio.Event()
        self.most = 0
        self._active = 0
        self.queue = module("ebit_worker.queue").Queue("settlement", self._work, concurrency)

    async def _work(self, job: dict[str, Any]) -> None:
        self._active += 1
        self.most = max(self.most, self._active)
        await self.gate.wait()
        self._active -= 1
        if job.get("bad"):
            raise ValueError("bad job")

    async def done(self, count: int) -> None:
        async with asyncio.timeout(5):
            while self.queue.counts()["completed"] + self.queue.counts()["failed"] < count:  # noqa: ASYNC110 - counts are all there is
                await asyncio.sleep(0)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_no_more_jobs_run_than_the_concurrency(service_module: Module) -> None:
    async def scenario() -> None:
        bench = Bench(service_module, 4)
        for number in range(10):
            bench.queue.add({"n": number})
        await asyncio.sleep(0)
        assert bench.queue.counts() == {"wait": 6, "active": 4, "completed": 0, "failed": 0}
        bench.gate.set()
        await bench.done(10)
        assert bench.most == 4
        assert bench.queue.counts() == {"wait": 0, "active": 0, "completed": 10, "failed": 0}

    run(scenario())


def test_a_failing_job_is_counted_and_the_next_one_runs(
    service_module: Module, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        bench = Bench(service_module, 1)
        bench.gate.set()
        bench.queue.add({"bad": True})
        bench.queue.add({})
        await bench.done(2)
        assert bench.queue.counts()["failed"] == 1
        assert bench.queue.counts()["completed"] == 1

    run(scenario())
    assert "a job of settlement failed" in caplog.text


def test_more_workers_start_what_waits(service_module: Module) -> None:
    async def scenario() -> None:
        bench = Bench(service_module, 1)
        for _ in range(3):
            bench.queue.add({})
        bench.queue.resize(3)
        assert bench.queue.counts()["wait"] == 0
        bench.gate.set()
        await bench.done(3)

    run(scenario())


def test_the_exposition_has_each_queue_and_state(service_module: Module) -> None:
    async def nothing(_: object) -> None:
        """Never called."""

    module = service_module("ebit_worker.queue")
    text = module.exposition({name: module.Queue(name, nothing, 1) for name in ("settlement", "notifications")})
    assert 'bullmq_queue_jobs{queue="settlement",state="wait"} 0\n' in text
    assert text.count("bullmq_queue_jobs{") == 8
    assert text.endswith("\n")
