"""Database access as Prisma gives it: a bounded pool of connections, a span per query, migrations.

The database is SQLite in the service's data folder. Each query holds its connection for `query_ms` on top of SQLite's
own time: what PostgreSQL and the way to it would take. So query time climbs for the real reason, when more
queries want a connection than the pool has.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from opentelemetry.trace import SpanKind, StatusCode

from ebit_shared.telemetry import Telemetry
from ebit_shared.web import RefusedError

POOL_TIMEOUT_S = 10.0
"""Prisma's default `pool_timeout`."""
SPAN = "prisma:client:db_query"
"""Prisma 7's name of the query span; here it includes the wait for a connection."""


class PoolTimeoutError(RefusedError):
    """No connection became free in time (Prisma's P2024): 500, as an unhandled Prisma error is."""

    def __init__(self, message: str) -> None:
        super().__init__(500, message)


class NotMigratedError(RefusedError):
    """A table is missing: 503 until migrations have been run."""

    def __init__(self, error: sqlite3.OperationalError) -> None:
        super().__init__(503, f"The database has {error}: run the migrations first.")


class Pool:
    """Connections to one SQLite file, at most `size` in use; the rest wait in order.

    Args:
        path: the database file.
        size: connections, as `connection_limit` in Prisma.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self._used = 0
        self._idle: list[sqlite3.Connection] = []
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def size(self) -> int:
        """Connections that may be in use at once."""
        return self._size

    def resize(self, size: int) -> None:
        """Change the number of connections; those in use finish first."""
        self._size = size
        self._grant()

    def close(self) -> None:
        """Close the connections nobody uses."""
        while self._idle:
            self._idle.pop().close()

    @asynccontextmanager
    async def connection(self, timeout_s: float = POOL_TIMEOUT_S) -> AsyncIterator[sqlite3.Connection]:
        """Lend a connection for the duration of the block.

        Raises:
            PoolTimeoutError: none became free within `timeout_s`.
        """
        await self._take(timeout_s)
        connection = self._idle.pop() if self._idle else self._open()
        try:
            yield connection
        finally:
            self._idle.append(connection)
            self._used -= 1
            self._grant()

    async def _take(self, timeout_s: float) -> None:
        if self._used < self._size and not self._waiting:
            self._used += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(timeout_s):
                await turn
        except BaseException as error:
            # The turn may have come in the same moment: hand it on.
            if turn.done() and not turn.cancelled():
                self._used -= 1
                self._grant()
            if isinstance(error, TimeoutError):
                raise PoolTimeoutError(
                    f"P2024: no connection of the pool (size {self._size}) became free within {timeout_s:g} s."
                ) from None
            raise

    def _grant(self) -> None:
        while self._waiting and self._used < self._size:
            turn = self._waiting.popleft()
            if not turn.done():
                self._used += 1
                turn.set_result(None)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        # Nothing here outlives a rehearsal: no fsync per write.
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-512")
        return connection


class Prisma:
    """Queries through a pool, each with its span.

    Args:
        path: the database file; its folder is made.
        telemetry: where spans go.
        pool_size: connections.
        query_ms: time a query holds its connection, milliseconds.
        migrations: statements by name, in order; a name once applied is not applied again.
        seeds: statements that may be repeated.
    """

    def __init__(  # noqa: PLR0913 - each is a different thing
        self,
        path: Path,
        telemetry: Telemetry,
        *,
        pool_size: int,
        query_ms: float,
        migrations: Mapping[str, str],
        seeds: Sequence[str],
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.pool = Pool(path, pool_size)
        self.query_ms = query_ms
        self._telemetry = telemetry
        self._migrations = migrations
        self._seeds = seeds

    async def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows.

        Raises:
            PoolTimeoutError: no connection became free in time.
            NotMigratedError: a table is missing.
            sqlite3.IntegrityError: a constraint refused the write.
        """
        attributes = {"db.system.name": "sqlite", "db.query.text": sql}
        with self._telemetry.span(SPAN, SpanKind.CLIENT, attributes=attributes) as span:
            try:
                async with self.pool.connection() as connection:
                    await asyncio.sleep(self.query_ms / 1000)
                    return connection.execute(sql, parameters).fetchall()
            except PoolTimeoutError:
                span.set_status(StatusCode.ERROR, "P2024")
                raise
            except sqlite3.OperationalError as error:
                span.set_status(StatusCode.ERROR, str(error))
                if "no such table" in str(error):
                    raise NotMigratedError(error) from None
                raise

    async def migrate(self) -> list[str]:
        """Apply what is not applied yet.

        Returns:
            Names applied now; empty when there was nothing to do.
        """
        async with self.pool.connection() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS _prisma_migrations (name TEXT PRIMARY KEY, applied REAL)")
            applied = {name for (name,) in connection.execute("SELECT name FROM _prisma_migrations")}
            new = [name for name in self._migrations if name not in applied]
            for name in new:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    connection.execute(self._migrations[name])
                    connection.execute("INSERT INTO _prisma_migrations VALUES (?, ?)", (name, time.time()))
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
            return new

    async def seed(self) -> int:
        """Add the rows every installation has.

        Returns:
            Rows added now; 0 when all were there.

        Raises:
            NotMigratedError: a table is missing.
        """
        async with self.pool.connection() as connection:
            try:
                return sum(connection.execute(statement).rowcount for statement in self._seeds)
            except sqlite3.OperationalError as error:
                raise NotMigratedError(error) from None
