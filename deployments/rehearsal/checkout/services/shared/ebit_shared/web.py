"""A small ASGI application: exact routes, JSON answers, a server span and a log line per request."""

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.trace import SpanKind

from ebit_shared.request_log import RequestLog
from ebit_shared.telemetry import Telemetry, set_http_status

MAX_BODY_BYTES = 64 * 1024
"""Far above any of this API's bodies; a larger one is refused with 413."""

log = logging.getLogger("ebit")
Asgi = Callable[[dict[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class RefusedError(Exception):
    """The request is answered with `status` and the message."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class _GoneError(Exception):
    """The caller closed the connection before its body was complete."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler sees; header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self) -> dict[str, Any]:
        """Body as a JSON object.

        Raises:
            RefusedError: 400, it is none.
        """
        try:
            value = json.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise RefusedError(400, "The body must be a JSON object.")
        return value


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body, JSON unless the headers say otherwise."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Answer]]
Routes = Mapping[tuple[str, str], Handler]


def reply(status: int, payload: object) -> Answer:
    """Answer with a JSON body."""
    return Answer(status, json.dumps(payload, separators=(",", ":")).encode())


class Application:
    """Serves routes over ASGI.

    Args:
        routes: handler per (method, path).
        telemetry: where server spans go; None for ports nobody traces.
        quiet: paths without a span (health checks and metrics would drown the rest).
        gate: looks at each request before its handler and raises RefusedError to turn it away.
    """

    def __init__(
        self,
        routes: Routes,
        *,
        telemetry: Telemetry | None = None,
        quiet: frozenset[str] = frozenset({"/health", "/metrics", "/api/health"}),
        gate: Callable[[Request], None] | None = None,
    ) -> None:
        self._routes = dict(routes)
        self._paths = {path for _, path in self._routes}
        self._telemetry = telemetry
        self._quiet = quiet
        self._gate = gate
        self._log = RequestLog() if telemetry else None

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Answer one HTTP request (ASGI entry point)."""
        received, started = time.time(), time.perf_counter()
        method, path = scope["method"], scope["path"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            body = await _read_body(receive)
        except _GoneError:
            return
        request = Request(method, path, headers, body or b"")
        if body is None:
            answer = _error(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
        elif self._telemetry is None or path in self._quiet:
            answer = await self._handle(request)
        else:
            known = path in self._paths
            attributes = {"http.request.method": method, "url.path": path} | ({"http.route": path} if known else {})
            name = f"{method} {path}" if known else method
            with self._telemetry.span(name, SpanKind.SERVER, parent=headers, attributes=attributes) as span:
                answer = await self._handle(request)
                set_http_status(span, answer.status)
        # Written before the answer leaves: whoever has an answer finds its line.
        if self._log:
            self._log.write(received, method, path, answer.status, (time.perf_counter() - started) * 1000)
        await _send(answer, send)

    async def _handle(self, request: Request) -> Answer:
        try:
            if self._gate:
                self._gate(request)
            return await self._find(request)(request)
        except RefusedError as refusal:
            return _error(refusal.status, str(refusal), refusal.headers)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return _error(500, "Internal error.")

    def _find(self, request: Request) -> Handler:
        handler = self._routes.get((request.method, request.path))
        if handler:
            return handler
        if request.path in self._paths:
            raise RefusedError(405, f"{request.method} is not answered here.")
        raise RefusedError(404, f"There is no {request.path}.")


async def _read_body(receive: Callable[[], Awaitable[Any]]) -> bytes | None:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body"):
            return body


async def _send(answer: Answer, send: Callable[[Any], Awaitable[None]]) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        *((name.encode(), value.encode()) for name, value in answer.headers.items()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    answer = reply(status, {"error": message})
    return Answer(status, answer.body, headers=headers or {})
