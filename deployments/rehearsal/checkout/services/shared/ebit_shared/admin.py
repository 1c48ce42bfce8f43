"""The admin port of a service: loopback only, for operators and never behind the load balancer.

`GET /settings` shows what can be changed while the service runs, `PATCH /settings` changes it,
`POST /migrate` and `POST /seed` prepare the database where there is one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ebit_shared.prisma import Prisma
from ebit_shared.web import Answer, Application, RefusedError, Request, Routes, reply


@dataclass(frozen=True, slots=True)
class Setting:
    """A number that may be changed while the service runs.

    Args:
        read: the present value.
        write: puts a new one into effect.
        least: smallest accepted value.
        whole: only whole numbers are accepted.
    """

    read: Callable[[], float]
    write: Callable[[float], None]
    least: float = 0
    whole: bool = False


def application(settings: dict[str, Setting], database: Prisma | None = None) -> Application:
    """Build the admin port's application.

    Args:
        settings: changeable numbers by name.
        database: what migrate and seed work on.
    """

    async def show(_: Request) -> Answer:
        return reply(200, {name: setting.read() for name, setting in settings.items()})

    async def change(request: Request) -> Answer:
        wanted = request.json()
        for name, value in wanted.items():
            _check(name, value, settings)
        for name, value in wanted.items():
            setting = settings[name]
            setting.write(int(value) if setting.whole else value)
        return await show(request)

    routes = {("GET", "/settings"): show, ("PATCH", "/settings"): change}
    return Application(routes | (_database_routes(database) if database else {}))


def database_settings(database: Prisma) -> dict[str, Setting]:
    """Settings every service with a database has."""

    def set_query_ms(value: float) -> None:
        database.query_ms = value

    return {
        "prisma_pool_size": Setting(
            lambda: database.pool.size, lambda size: database.pool.resize(int(size)), least=1, whole=True
        ),
        "db_query_ms": Setting(lambda: database.query_ms, set_query_ms),
    }


def _check(name: str, value: object, settings: dict[str, Setting]) -> None:
    if name not in settings:
        raise RefusedError(400, f"There is no setting {name!r}: known are {', '.join(settings) or 'none'}.")
    setting = settings[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not setting.least <= value < float("inf") or (setting.whole and value != int(value)):
        kind = "whole number" if setting.whole else "number"
        raise RefusedError(400, f"{name} is {value!r}: a {kind} of at least {setting.least:g} is wanted.")


def _database_routes(database: Prisma) -> Routes:
    async def migrate(_: Request) -> Answer:
        return reply(200, {"applied": await database.migrate()})

    async def seed(_: Request) -> Answer:
        return reply(200, {"added": await database.seed()})

    return {("POST", "/migrate"): migrate, ("POST", "/seed"): seed}
