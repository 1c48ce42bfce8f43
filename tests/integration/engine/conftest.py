from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deployments.rehearsal.engine import cgroups
from tests.integration.engine.registry import TinyRegistry, serving

REPOSITORY = Path(__file__).parents[3]
PASSWORD = "right"

WEB = """
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/eat":
            eaten = []
            while True:
                eaten.append(b"x" * 1_000_000)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *args):
        pass

print("listening", flush=True)
print("to stderr", file=sys.stderr, flush=True)
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

DOCKERFILE = """
FROM python:3.11-slim
WORKDIR /app
COPY tiny ./tiny
RUN pip install nothing
ENV GREETING=hello
LABEL org.opencontainers.image.title=tiny
EXPOSE 4000
CMD ["python", "-m", "tiny.web"]
"""

COMPOSE = """
name: throwaway
services:
  web:
    image: ${IMAGE:?}
    network_mode: host
    environment:
      PORT: "${PORT:-0}"
    mem_limit: 64m
    depends_on:
      burner:
        condition: service_started
    healthcheck:
      test: ["CMD", "python", "-m", "tiny.probe"]
      interval: 2s
      retries: 5
  burner:
    image: ${IMAGE}
    network_mode: host
    command: ["python", "-m", "tiny.burn"]
    cpus: ${CPUS:-1.5}
    stop_grace_period: 2s
"""

PROBE = "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}', timeout=2)"


@dataclass
class Host:
    """A host with the stand-in on its PATH."""

    root: Path
    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def docker(self, *words: str, stdin: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY),
            "REHEARSAL_ENGINE_ROOT": str(self.root),
            "DOCKER_CONFIG": str(self.root / "client"),
            **self.env,
        }
        command = [sys.executable, "-m", "deployments.rehearsal.engine", *words]
        return subprocess.run(
            command,
            env=env,
            cwd=cwd or self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def ok(self, *words: str, stdin: str = "") -> str:
        done = self.docker(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def inspect(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ok("inspect", name))[0]
        return found


def until(what: Callable[[], object], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def write_context(folder: Path) -> Path:
    (folder / "tiny").mkdir(parents=True)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "tiny" / "__init__.py").write_text("")
    (folder / "tiny" / "web.py").write_text(WEB)
    (folder / "tiny" / "probe.py").write_text(PROBE)
    (folder / "tiny" / "burn.py").write_text("while True:\n    pass\n")
    (folder / "docker-compose.yml").write_text(COMPOSE)
    return folder


@pytest.fixture
def new_host(tmp_path: Path) -> Iterator[Callable[[str], Host]]:
    hosts: list[Host] = []

    def make(name: str) -> Host:
        hosts.append(Host(tmp_path / f"root-{name}", write_context(tmp_path / f"folder-{name}")))
        return hosts[-1]

    yield make
    for host in hosts:
        if ids := host.ok("ps", "-aq").split():
            host.ok("rm", "-f", *ids)


@pytest.fixture
def host(new_host: Callable[[str], Host]) -> Host:
    return new_host("one")


@pytest.fixture
def built(host: Host) -> Host:
    host.ok("build", "-q", "-t", "tiny:1", ".")
    host.env |= {"IMAGE": "tiny:1", "PORT": str(free_port())}
    return host


@pytest.fixture
def registry() -> Iterator[TinyRegistry]:
    with serving(TinyRegistry("AWS", PASSWORD, {"team/tiny"})) as served:
        yield served


@pytest.fixture(scope="session")
def enforced() -> cgroups.Group:
    """What this machine can enforce: its limits are 0 where it cannot."""
    return cgroups.probe()
