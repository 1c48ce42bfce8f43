from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

CONTRACTS = Path(__file__).parents[2] / "contracts"


def contract(name: str) -> object:
    """Return a recorded answer."""
    return json.loads((CONTRACTS / name).read_text())


@dataclass
class Server:
    """A server on a free port that answers what is recorded, 404 to everything else, and remembers what it was sent."""

    url: str
    answers: dict[tuple[str, str], tuple[int, object]]
    sent: list[tuple[str, str, object]] = field(default_factory=list)


Serve = Callable[[dict[tuple[str, str], tuple[int, object]]], Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(answers: dict[tuple[str, str], tuple[int, object]]) -> Server:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.sent.append((self.command, self.path, json.loads(body) if body else None))
                status, said = answers.get((self.command, self.path), (404, {"message": "Not found"}))
                text = said.encode() if isinstance(said, str) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the base class' names

            def log_message(self, *_: object) -> None:
                pass

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server = Server(f"http://127.0.0.1:{http.server_address[1]}", answers)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((http, thread))
        return server

    yield start
    for http, thread in running:
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], Path]:
    """Put a shell script on the test's own PATH, which is tmp_path/bin."""

    def put(name: str, script: str) -> Path:
        file = tmp_path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}")
        file.chmod(0o755)
        return file

    return put
