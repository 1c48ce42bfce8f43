"""WebSocket sessions: a welcome, a tick every second, and an answer to each bet."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from ebit_shared import tokens
from ebit_shared.request_log import RequestLog
from ebit_shared.telemetry import Telemetry, set_http_status
from opentelemetry.trace import SpanKind

PATH = "/rt"
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Sessions:
    """The socket map of this process; a second process would need to share it.

    Args:
        telemetry: where a span per handshake goes.
        secret: signs the tokens.
        tick_s: seconds between two ticks of a session.

    `block_ms` is computation on the event loop, milliseconds of CPU at each handshake and each tick: while it lasts
    nothing else of this process is served.
    """

    def __init__(self, telemetry: Telemetry, secret: str, tick_s: float) -> None:
        self._telemetry = telemetry
        self._secret = secret
        self._log = RequestLog()
        self._sockets: dict[int, Send] = {}
        self.tick_s = tick_s
        self.block_ms = 0.0

    @property
    def open(self) -> int:
        """Sessions that are open."""
        return len(self._sockets)

    async def serve(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one WebSocket from handshake to close (ASGI websocket scope)."""
        user = await self._shake_hands(scope, receive, send)
        if user is None:
            return
        self._sockets[id(send)] = send
        ticks = asyncio.get_running_loop().create_task(self._tick(send))
        try:
            await send(_text({"type": "welcome", "user": user, "online": self.open}))
            while (message := await receive())["type"] == "websocket.receive":
                await send(_text(_answer(message.get("text") or "")))
        except OSError:
            pass  # the peer went away while we wrote
        finally:
            del self._sockets[id(send)]
            ticks.cancel()

    async def _shake_hands(self, scope: dict[str, Any], receive: Receive, send: Send) -> str | None:
        received, started = time.time(), time.perf_counter()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        await receive()
        attributes = {"http.request.method": "GET", "url.path": scope["path"], "http.route": PATH}
        with self._telemetry.span(f"GET {PATH}", SpanKind.SERVER, parent=headers, attributes=attributes) as span:
            self._compute()
            status, user = self._admit(scope, headers)
            if status == 101:  # noqa: PLR2004 - switching protocols
                await send({"type": "websocket.accept"})
            else:
                await send({"type": "websocket.http.response.start", "status": status, "headers": []})
                await send({"type": "websocket.http.response.body", "body": b""})
            set_http_status(span, status)
        self._log.write(received, "GET", scope["path"], status, (time.perf_counter() - started) * 1000)
        return user

    def _compute(self) -> None:
        end = time.thread_time() + self.block_ms / 1000
        while time.thread_time() < end:
            pass

    def _admit(self, scope: dict[str, Any], headers: dict[str, str]) -> tuple[int, str | None]:
        if scope["path"] != PATH:
            return 404, None
        query = parse_qs(scope["query_string"].decode("latin-1"))
        token = query.get("token", [""])[0] or tokens.bearer(headers.get("authorization", ""))
        try:
            return 101, tokens.verify(token, self._secret)
        except tokens.BadTokenError:
            return 401, None

    async def _tick(self, send: Send) -> None:
        count = 0
        # The session's own loop sees the same lost connection and ends it.
        with contextlib.suppress(OSError, RuntimeError):
            while True:
                await asyncio.sleep(self.tick_s)
                count += 1
                self._compute()
                await send(_text({"type": "tick", "n": count}))


def _answer(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except ValueError:
        message = None
    if not isinstance(message, dict) or message.get("type") != "bet":
        return {"type": "error", "error": 'Messages are {"type": "bet", ...}.'}
    return {**message, "type": "bet.seen"}


def _text(message: dict[str, Any]) -> dict[str, str]:
    return {"type": "websocket.send", "text": json.dumps(message, separators=(",", ":"))}
