import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Module = Callable[[str], Any]


@pytest.fixture
def prisma(service_module: Module) -> Any:
    return service_module("ebit_shared.prisma")


def test_a_query_waits_when_the_pool_is_in_use(prisma: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        pool = prisma.Pool(tmp_path / "x.db", 2)
        order: list[str] = []

        async def third() -> None:
            async with pool.connection():
                order.append("third")

        async with pool.connection(), pool.connection():
            waiting = asyncio.create_task(third())
            await asyncio.sleep(0)
            order.append("first two")
        await waiting
        assert order == ["first two", "third"]
        pool.close()

    asyncio.run(scenario())


def test_no_connection_in_time_is_p2024_and_the_pool_recovers(prisma: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        pool = prisma.Pool(tmp_path / "x.db", 1)
        async with pool.connection():
            with pytest.raises(prisma.PoolTimeoutError, match="P2024") as timed_out:
                async with pool.connection(timeout_s=0.01):
                    pytest.fail("a second connection of one")
            assert timed_out.value.status == 500
        async with pool.connection(timeout_s=1):
            pass
        pool.close()

    asyncio.run(scenario())


def test_a_cancelled_waiter_does_not_keep_a_connection(prisma: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        pool = prisma.Pool(tmp_path / "x.db", 1)

        async def wait() -> None:
            async with pool.connection():
                pass

        async with pool.connection():
            waiter = asyncio.create_task(wait())
            await asyncio.sleep(0)
        # The turn has been given but not yet taken.
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        async with pool.connection(timeout_s=1):
            pass
        pool.close()

    asyncio.run(scenario())


def test_a_larger_pool_serves_who_waits(prisma: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        pool = prisma.Pool(tmp_path / "x.db", 1)
        async with pool.connection():
            pool.resize(2)
            async with pool.connection(timeout_s=1):
                assert pool.size == 2
        pool.close()

    asyncio.run(scenario())
