"""The rt service: WebSockets for live bets."""

from typing import Any

from ebit_shared import admin, environment, serve
from ebit_shared.telemetry import Telemetry
from ebit_shared.web import Answer, Application, Request, reply

from ebit_rt.sessions import Receive, Send, Sessions


def build(telemetry: Telemetry) -> serve.Service:
    """Make the service from its environment."""
    sessions = Sessions(telemetry, environment.text("JWT_SECRET"), environment.number("RT_TICK_S", 1, least=0.01))

    async def health(_: Request) -> Answer:
        return reply(200, {"status": "ok", "sessions": sessions.open})

    def set_tick(value: float) -> None:
        sessions.tick_s = value

    def set_block(value: float) -> None:
        sessions.block_ms = value

    http = Application({("GET", "/health"): health}, telemetry=telemetry)

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await (sessions.serve if scope["type"] == "websocket" else http)(scope, receive, send)

    return serve.Service(
        app,
        admin.application(
            {
                "rt_tick_s": admin.Setting(lambda: sessions.tick_s, set_tick, least=0.01),
                "rt_block_ms": admin.Setting(lambda: sessions.block_ms, set_block),
            }
        ),
        websocket=True,
    )


if __name__ == "__main__":
    serve.run("rt", build)
