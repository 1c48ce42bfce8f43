"""A door in front of AWS that can be shut: real HTTP answers of a service that is overloaded, or of expired credentials."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import httpx

_HOPS = {"connection", "transfer-encoding", "content-length", "content-encoding", "keep-alive", "host"}


@dataclass
class Door:
    """Where AWS is reached, and how it answers."""

    url: str
    answers: Literal["itself", "errors", "expired"] = "itself"
    refused: int = 0


@contextmanager
def door(upstream: str) -> Iterator[Door]:
    """Serve a door to a server."""
    client = httpx.Client(base_url=upstream, timeout=60)

    class Passage(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if state.answers == "itself":
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOPS}
                answer = client.request(self.command, self.path, content=body, headers=headers)
                self._say(answer.status_code, answer.content, dict(answer.headers))
                return
            state.refused += 1
            if state.answers == "expired":
                self._refuse(403, "ExpiredToken", "The security token included in the request is expired")
            elif state.refused % 2:
                self._refuse(500, "InternalError", "An internal error has occurred")
            else:
                self._refuse(503, "Throttling", "Rate exceeded")

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _pass  # noqa: N815 - the names the server calls

        def _refuse(self, status: int, code: str, text: str) -> None:
            if self.headers.get("X-Amz-Target"):
                content = f'{{"__type": "{code}", "message": "{text}"}}'
                self._say(
                    status, content.encode(), {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": code}
                )
                return
            xml = f"<Response><Errors><Error><Code>{code}</Code><Message>{text}</Message></Error></Errors><RequestID>1</RequestID></Response>"
            if "ec2" not in self.headers.get("Authorization", ""):
                xml = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error></ErrorResponse>"
            self._say(status, xml.encode(), {"Content-Type": "text/xml"})

        def _say(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in _HOPS:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Passage)
    server.daemon_threads = True
    state = Door(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        client.close()
