"""The auth service: sign-up, sign-in, access tokens."""

from pathlib import Path

from ebit_shared import admin, environment, serve, tokens
from ebit_shared.prisma import Prisma
from ebit_shared.telemetry import Telemetry
from ebit_shared.web import Answer, Application, RefusedError, Request, reply

from ebit_auth.users import MIGRATIONS, SEEDS, Users

BCRYPT_COST = 10
"""The usual cost; one sign-in then takes about 60 ms of a core."""


def build(telemetry: Telemetry) -> serve.Service:
    """Make the service from its environment."""
    secret = environment.text("JWT_SECRET")
    cost = int(environment.number("BCRYPT_COST", BCRYPT_COST, least=4))
    database = Prisma(
        Path(environment.text("DATA_DIR")) / "auth.db",
        telemetry,
        pool_size=int(environment.number("PRISMA_POOL_SIZE", 10, least=1)),
        query_ms=environment.number("DB_QUERY_MS", 2),
        migrations=MIGRATIONS,
        seeds=SEEDS,
    )
    users = Users(database, cost)

    async def sign_up(request: Request) -> Answer:
        email, password = _credentials(request)
        return reply(201, {"id": await users.sign_up(email, password), "email": email})

    async def sign_in(request: Request) -> Answer:
        user = await users.sign_in(*_credentials(request))
        return reply(200, {"accessToken": tokens.issue(user, secret), "expiresIn": tokens.LIFETIME_S})

    async def health(_: Request) -> Answer:
        return reply(200, {"status": "ok"})

    return serve.Service(
        Application(
            {
                ("POST", "/signup"): sign_up,
                ("POST", "/signin"): sign_in,
                ("GET", "/health"): health,
            },
            telemetry=telemetry,
        ),
        admin.application(admin.database_settings(database), database),
    )


def _credentials(request: Request) -> tuple[str, str]:
    body = request.json()
    email, password = body.get("email"), body.get("password")
    if not isinstance(email, str) or not isinstance(password, str) or not email or not password:
        raise RefusedError(400, "email and password must be given, both as text.")
    return email.strip().lower(), password


if __name__ == "__main__":
    serve.run("auth", build)
