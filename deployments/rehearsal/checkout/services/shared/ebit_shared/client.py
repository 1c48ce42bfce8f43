"""Keep-alive HTTP calls between the services.

Own code on purpose: the load test shares two cores with the services, and a general client costs
0.6 to 0.7 ms of CPU per call here (httpcore, httpx) where this costs a tenth. It speaks only to our own
services, which always send Content-Length.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

IDLE_S = 30.0
"""Connections idle longer are not used again; the servers close theirs after 75 s."""
MAX_IDLE = 64
"""Connections kept per service."""


class UpstreamError(Exception):
    """A call to another service failed; the message names the service."""


class UpstreamUnreachableError(UpstreamError):
    """Nothing listens there, or the connection broke."""


class UpstreamTimedOutError(UpstreamError):
    """No answer in time."""


class _StaleError(Exception):
    """The connection ended before a byte of an answer was read."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and body of an answer."""

    status: int
    body: bytes


class Upstream:
    """One other service.

    Args:
        name: for messages.
        port: its port.
        host: where it listens.
    """

    def __init__(self, name: str, port: int, host: str = "127.0.0.1") -> None:
        self.name = name
        self._address = (host, port)
        self._host_header = f"{host}:{port}"
        self._idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
    ) -> Reply:
        """Send a request and read its answer.

        Raises:
            UpstreamUnreachableError: nothing listens, or the connection broke.
            UpstreamTimedOutError: no answer within `timeout_s`.
        """
        request = self._encode(method, path, body, headers or {})
        try:
            async with asyncio.timeout(timeout_s):
                while (connection := self._reusable()) is not None:
                    # The server may have closed an idle connection meanwhile: nothing was read, so try the next.
                    with contextlib.suppress(_StaleError):
                        return await self._exchange(*connection, request)
                return await self._exchange(*await asyncio.open_connection(*self._address), request)
        except TimeoutError:
            raise UpstreamTimedOutError(f"{self.name} did not answer within {timeout_s:g} s.") from None
        except (OSError, asyncio.IncompleteReadError, ValueError, _StaleError) as error:
            raise UpstreamUnreachableError(f"{self.name} cannot be reached: {_cause(error)}.") from None

    async def post(self, path: str, payload: object, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a JSON body; raises as `call` does."""
        body = json.dumps(payload, separators=(",", ":")).encode()
        return await self.call("POST", path, body, headers)

    def close(self) -> None:
        """Close the connections that are kept."""
        while self._idle:
            self._idle.pop()[2].close()

    def _reusable(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        while self._idle:
            since, reader, writer = self._idle.pop()
            if time.monotonic() - since < IDLE_S and not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return None

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> Reply:
        try:
            writer.write(request)
            head = (await _read_head(reader)).decode("latin-1").split("\r\n")
            fields = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
            reply = Reply(int(head[0].split(" ", 2)[1]), await reader.readexactly(int(fields["content-length"])))
        except LookupError:
            writer.close()
            raise ValueError("it does not speak HTTP with Content-Length") from None
        except BaseException:
            writer.close()
            raise
        if fields.get("connection") == "close" or len(self._idle) >= MAX_IDLE:
            writer.close()
        else:
            self._idle.append((time.monotonic(), reader, writer))
        return reply

    def _encode(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"host: {self._host_header}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        raise _StaleError("the connection was closed without an answer") from None
    except ConnectionError as error:
        raise _StaleError(str(error)) from None


def _cause(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return str(error) or type(error).__name__
