"""Runs a service: its port and its admin port in one process, until SIGTERM or SIGINT."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn

from ebit_shared import environment
from ebit_shared.telemetry import Telemetry
from ebit_shared.web import Asgi

GRACE_S = 1
"""Requests in flight may finish for this long; a stop takes less than two seconds in all."""
KEEP_ALIVE_S = 75
"""Idle connections are kept this long (nginx's default)."""

log = logging.getLogger("ebit")


@dataclass(frozen=True, slots=True)
class Service:
    """What a service answers with, on its own port and on the admin port."""

    app: Asgi
    admin: Asgi | None = None
    websocket: bool = False


def run(name: str, build: Callable[[Telemetry], Service]) -> None:
    """Serve until a signal comes; exits 1 with one sentence when it cannot start.

    Reads PORT, ADMIN_PORT (optional) and BIND_HOST (default 127.0.0.1).

    Args:
        name: the service, as in its spans.
        build: makes it, reading the rest of the environment.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    log.setLevel(logging.INFO)
    # After its clean stop uvicorn raises the signal again: by then there is nothing left to do.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        sockets = _listen()
        telemetry = Telemetry(name)
        service = build(telemetry)
    except (environment.BadEnvironmentError, OSError) as error:
        sys.exit(f"{name} cannot start: {error}")
    addresses = " and ".join(f"{host}:{port}" for host, port in (item.getsockname() for item in sockets))
    log.info("ebit %s (a double, for rehearsals only) listens on %s", name, addresses)
    asyncio.run(_serve(service, sockets))
    telemetry.shutdown()
    log.info("ebit %s stopped", name)


async def _serve(service: Service, sockets: list[socket.socket]) -> None:
    admin_port = sockets[1].getsockname()[1] if len(sockets) > 1 else None

    async def dispatch(scope: dict, receive: Callable, send: Callable) -> None:  # type: ignore[type-arg]
        on_admin = admin_port is not None and scope["server"][1] == admin_port
        await (service.admin if on_admin and service.admin else service.app)(scope, receive, send)

    config = uvicorn.Config(
        dispatch,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="websockets-sansio" if service.websocket else "none",
        ws_per_message_deflate=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    await uvicorn.Server(config).serve(sockets=sockets)


def _listen() -> list[socket.socket]:
    host = environment.text("BIND_HOST", "127.0.0.1")
    listening = [_bind(host, environment.port("PORT"))]
    if environment.number("ADMIN_PORT", 0):
        # Never anywhere but on loopback, whatever the service itself binds.
        listening.append(_bind("127.0.0.1", environment.port("ADMIN_PORT")))
    return listening


def _bind(host: str, port: int) -> socket.socket:
    # The protocol is named because asyncio sets TCP_NODELAY only then; without it answers wait 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(
            f"port {port} on {host} is not to be had ({error.strerror}): free it or choose another."
        ) from None
    return listener
