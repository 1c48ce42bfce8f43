"""A request, a response, and the few lines of ASGI between them and uvicorn.

Handlers are plain functions `Request -> Response`: everything they need is in memory, so none of them waits.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

MAX_BODY_BYTES = 20 * 1024 * 1024
"""The default `max_request_body_size` of the collector's confighttp."""

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request with its whole body; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def segments(self) -> list[str]:
        """The parts of the path, each unquoted by itself, so that a service's name may hold a slash."""
        return [unquote(part) for part in self.path.strip("/").split("/")]

    def first(self, *names: str, default: str = "") -> str:
        """Return the first value of the first of these query parameters that is given and not empty."""
        for name in names:
            for value in self.query.get(name, ()):
                if value:
                    return value
        return default


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Response]


def not_found() -> Response:
    """Answer as Go's servers do for a path they do not have."""
    return Response(404, b"404 page not found\n", TEXT)


def by_port(handlers: Mapping[int, Handler]) -> App:
    """Return an ASGI application that gives each request to the handler of the port it came in on."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if body is None:  # noqa: SIM108 - one line would be longer than a line may be
            response = Response(413, b"http: request body too large", TEXT)
        else:
            response = handlers[scope["server"][1]](_request(scope, body))
        await _answer(send, response, with_body=scope["method"] != "HEAD")

    return app


def _request(scope: Scope, body: bytes) -> Request:
    path = scope.get("raw_path") or scope["path"].encode()
    return Request(
        method="GET" if scope["method"] == "HEAD" else scope["method"],
        path=path.split(b"?")[0].decode("latin-1"),
        query=parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
    )


async def _body(receive: Receive) -> bytes | None:
    """Return the request's body, or None when it is larger than a collector takes."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY_BYTES:
            parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts) if size <= MAX_BODY_BYTES else None


async def _answer(send: Send, response: Response, *, with_body: bool) -> None:
    headers = {
        "content-type": response.content_type,
        "content-length": str(len(response.body)),
        "x-content-type-options": "nosniff",
        **response.headers,
    }
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": encoded})
    await send({"type": "http.response.body", "body": response.body if with_body else b""})
