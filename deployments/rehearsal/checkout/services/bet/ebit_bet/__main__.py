"""The bet service: places dice bets, keeps their history, hands settlement to the worker's queue."""

import time
import uuid
from pathlib import Path

from ebit_shared import admin, environment, serve
from ebit_shared.ballast import Ballast
from ebit_shared.client import Upstream, UpstreamError
from ebit_shared.prisma import Prisma
from ebit_shared.telemetry import Telemetry, traceparent
from ebit_shared.web import Answer, Application, RefusedError, Request, reply

from ebit_bet import dice

HISTORY = 20
"""Bets a page of history shows."""
MIGRATIONS = {
    "0001_bets": "CREATE TABLE bets (id TEXT PRIMARY KEY, user TEXT NOT NULL, amount REAL NOT NULL,"
    " target REAL NOT NULL, rolled REAL NOT NULL, payout REAL NOT NULL, placed REAL NOT NULL)",
    "0002_bets_by_user": "CREATE INDEX bets_by_user ON bets (user, placed)",
    "0003_games": "CREATE TABLE games (name TEXT PRIMARY KEY)",
}
SEEDS = ("INSERT OR IGNORE INTO games VALUES ('dice')",)
_HISTORY_SQL = "SELECT id, amount, target, rolled, payout, placed FROM bets WHERE user = ? ORDER BY placed DESC LIMIT ?"


class Bets:
    """Dice bets over a database and the worker's queue.

    Args:
        database: holds the bets table.
        worker: the service with the settlement queue.
    """

    def __init__(self, database: Prisma, worker: Upstream) -> None:
        self._database = database
        self._worker = worker

    async def place(self, request: Request) -> Answer:
        """Throw the dice, keep the bet, have it settled."""
        user = _user(request)
        body = request.json()
        amount, target = dice.check(body.get("amount"), body.get("target"))
        roll = dice.roll(amount, target)
        bet = str(uuid.uuid4())
        await self._database.query(
            "INSERT INTO bets VALUES (?, ?, ?, ?, ?, ?, ?)",
            (bet, user, amount, target, roll.rolled, roll.payout, time.time()),
        )
        await self._settle({"bet": bet, "user": user, "payout": roll.payout})
        return reply(201, {"id": bet, "rolled": roll.rolled, "won": roll.won, "payout": roll.payout})

    async def history(self, request: Request) -> Answer:
        """Latest bets of a user."""
        rows = await self._database.query(_HISTORY_SQL, (_user(request), HISTORY))
        names = ("id", "amount", "target", "rolled", "payout", "placed")
        return reply(200, {"bets": [dict(zip(names, row, strict=True)) for row in rows]})

    async def _settle(self, job: dict[str, object]) -> None:
        try:
            queued = await self._worker.post("/internal/enqueue", {"queue": "settlement", "data": job}, traceparent())
        except UpstreamError as error:
            raise RefusedError(503, f"The bet cannot be settled: {error}") from None
        if queued.status != 202:  # noqa: PLR2004 - accepted
            raise RefusedError(503, f"The bet cannot be settled: the worker answered {queued.status}.")


def build(telemetry: Telemetry) -> serve.Service:
    """Make the service from its environment."""
    database = Prisma(
        Path(environment.text("DATA_DIR")) / "bet.db",
        telemetry,
        pool_size=int(environment.number("PRISMA_POOL_SIZE", 10, least=1)),
        query_ms=environment.number("DB_QUERY_MS", 2),
        migrations=MIGRATIONS,
        seeds=SEEDS,
    )
    bets = Bets(database, Upstream("worker", environment.port("WORKER_PORT", 4004)))
    ballast = Ballast()

    async def health(_: Request) -> Answer:
        return reply(200, {"status": "ok"})

    return serve.Service(
        Application(
            {
                ("POST", "/bets/dice"): bets.place,
                ("GET", "/bets/history"): bets.history,
                ("GET", "/health"): health,
            },
            telemetry=telemetry,
        ),
        admin.application(
            {
                **admin.database_settings(database),
                "hold_bytes": admin.Setting(
                    lambda: ballast.held_bytes, lambda wanted: ballast.hold(int(wanted)), whole=True
                ),
            },
            database,
        ),
    )


def _user(request: Request) -> str:
    # api has checked the token; this port is not reachable from outside.
    user = request.headers.get("x-user-id", "")
    if not user:
        raise RefusedError(401, "X-User-Id is missing.")
    return user


if __name__ == "__main__":
    serve.run("bet", build)
