"""A proxy in front of the cloud that answers some calls itself, as AWS does on a bad day."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import httpx

# Gets the operation, such as "ec2:DescribeVpcs", and returns status and error code, or None to let it pass.
Tamper = Callable[[str], tuple[int, str] | None]
_HOP = {"transfer-encoding", "connection", "content-length", "content-encoding", "server", "date"}


@contextmanager
def tampered(endpoint: str, tamper: Tamper) -> Iterator[str]:
    """Give the address of the cloud as it is when some calls are answered by someone else."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Else each answer's body waits 40 ms for the client to acknowledge its head.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = tamper(_operation(dict(self.headers), body))
            if answer:
                status, code = answer
                message = f"<Code>{code}</Code><Message>tampered</Message>"
                xml = f"<Response><Errors><Error>{message}</Error></Errors><Error>{message}</Error></Response>"
                json = f'{{"__type": "{code}", "message": "tampered"}}'
                self._send(status, {}, (json if "X-Amz-Target" in self.headers else xml).encode())
                return
            passed = onward.post(self.path, content=body, headers=dict(self.headers))
            self._send(passed.status_code, dict(passed.headers), passed.content)

        def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    onward = httpx.Client(base_url=endpoint, timeout=60)
    server = _Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        onward.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that is killed in the middle of an answer is what some tests are about.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _operation(headers: dict[str, str], body: bytes) -> str:
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", headers.get("Authorization", ""))
    target = headers.get("X-Amz-Target", "").rpartition(".")[2]
    action = target or parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
    return f"{scope[1] if scope else ''}:{action}"
