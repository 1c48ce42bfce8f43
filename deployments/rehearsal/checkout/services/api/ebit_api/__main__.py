"""The API of ebit: what browsers and load tests call; everything behind it is internal."""

import asyncio
import os
from collections.abc import Mapping

from ebit_shared import admin, environment, serve, tokens
from ebit_shared.client import Upstream, UpstreamError, UpstreamTimedOutError
from ebit_shared.telemetry import Telemetry, traceparent
from ebit_shared.web import Answer, Application, Handler, RefusedError, Request, reply

from ebit_api.limiter import RateLimiter

RATE_LIMIT_RPS = 20_000
"""Far above what a load test sends; a limit that trips under load is an artefact of the test."""
HEALTH_TIMEOUT_S = 2.0
"""A service that does not say it is well within this is not."""


class Backends:
    """The services behind the API.

    Args:
        ports: port by service.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._services = {name: Upstream(name, port) for name, port in ports.items()}

    def forward(self, service: str, method: str, path: str) -> Handler:
        """Make a handler that passes a public request on."""

        async def handle(request: Request) -> Answer:
            return await self.send(service, method, path, request.body)

        return handle

    async def send(
        self, service: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Pass a request on and its answer back.

        Raises:
            RefusedError: 504 when the service does not answer in time, 502 when it cannot be reached.
        """
        try:
            answer = await self._services[service].call(method, path, body, {**traceparent(), **(headers or {})})
        except UpstreamTimedOutError as error:
            raise RefusedError(504, str(error)) from None
        except UpstreamError as error:
            raise RefusedError(502, str(error)) from None
        return Answer(answer.status, answer.body)

    async def health(self, _: Request) -> Answer:
        """Answer 200 when every service is well, else 503 with the names of those that are not."""
        said = dict(zip(self._services, await asyncio.gather(*map(self._ask, self._services.values())), strict=True))
        missing = [name for name, state in said.items() if state != "ok"]
        if missing:
            return reply(503, {"status": "unavailable", "missing": missing, "services": said})
        return reply(200, {"status": "ok", "services": said})

    async def _ask(self, service: Upstream) -> str:
        try:
            answer = await service.call("GET", "/health", timeout_s=HEALTH_TIMEOUT_S)
        except UpstreamError as error:
            return str(error)
        return "ok" if answer.status == 200 else f"{service.name} answered {answer.status}."  # noqa: PLR2004 - OK


def build(telemetry: Telemetry) -> serve.Service:
    """Make the service from its environment."""
    secret = environment.text("JWT_SECRET")
    limiter = RateLimiter(
        environment.number("RATE_LIMIT_RPS", RATE_LIMIT_RPS, least=1), os.environ.get("LOAD_TEST_BYPASS", "")
    )
    backends = Backends(
        {
            "auth": environment.port("AUTH_PORT", 4002),
            "bet": environment.port("BET_PORT", 4003),
            "worker": environment.port("WORKER_PORT", 4004),
            "rt": environment.port("RT_PORT", 4001),
        }
    )

    async def dice(request: Request) -> Answer:
        return await backends.send("bet", "POST", "/bets/dice", request.body, {"x-user-id": _user(request, secret)})

    async def history(request: Request) -> Answer:
        return await backends.send("bet", "GET", "/bets/history", b"", {"x-user-id": _user(request, secret)})

    async def alive(_: Request) -> Answer:
        return reply(200, {"status": "ok"})

    return serve.Service(
        Application(
            {
                ("GET", "/health"): alive,
                ("GET", "/api/health"): backends.health,
                ("POST", "/api/auth/signin"): backends.forward("auth", "POST", "/signin"),
                ("POST", "/api/auth/signup"): backends.forward("auth", "POST", "/signup"),
                ("POST", "/api/bets/dice"): dice,
                ("GET", "/api/bets/history"): history,
            },
            telemetry=telemetry,
            gate=limiter.check,
        ),
        admin.application({"rate_limit_rps": admin.Setting(lambda: limiter.rps, limiter.set_rps, least=1)}),
    )


def _user(request: Request, secret: str) -> str:
    token = tokens.bearer(request.headers.get("authorization", ""))
    if not token:
        raise RefusedError(401, "Sign in first: there is no bearer token.")
    try:
        return tokens.verify(token, secret)
    except tokens.BadTokenError as error:
        raise RefusedError(401, str(error)) from None


if __name__ == "__main__":
    serve.run("api", build)
