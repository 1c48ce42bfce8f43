"""Starts the double without a container engine: from its own Dockerfiles and compose file, as an engine would."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml

CHECKOUT = Path(__file__).parents[3] / "deployments" / "rehearsal" / "checkout"
TOOLS = Path(sys.executable).parent
PORTS = [f"{name}_PORT" for name in ("API", "RT", "AUTH", "BET", "WORKER", "FE")]
ADMIN_PORTS = [f"{name}_ADMIN_PORT" for name in ("API", "RT", "AUTH", "BET", "WORKER")]
STARTED_S = 20.0


def wait_until(claim: Callable[[], bool], what: str, seconds: float = STARTED_S) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


def tool(name: str) -> str:
    found = shutil.which(name, path=f"{TOOLS}{os.pathsep}{os.environ['PATH']}")
    assert found, f"{name} is missing"
    return found


def tool_env(**variables: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}", **variables}


class Ebit:
    """The six services as processes in `folder`; variables are those of the compose file."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.variables = {
            **dict(zip(PORTS + ADMIN_PORTS, _free_ports(len(PORTS + ADMIN_PORTS)), strict=True)),
            "REGISTRY": "localhost",
            "DATA_DIR": str(folder / "data"),
            "REQUEST_LOG": str(folder / "requests.log"),
            "BCRYPT_COST": "4",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
            **variables,
        }
        self.compose: dict[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.variables['API_PORT']}"

    def url(self, port: str, path: str) -> str:
        return f"http://127.0.0.1:{self.variables[port]}{path}"

    def start(self) -> None:
        for name in self.compose["services"]:
            self.start_service(name)
        wait_until(self.healthy, "/api/health is 200")

    def start_service(self, name: str) -> None:
        root = self.folder / name
        command = _unpack(name, root)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command["cmd"], cwd=root / "app", env=command["env"] | self.environment(name), stderr=log
            )

    def environment(self, name: str) -> dict[str, str]:
        given = self.compose["services"][name]["environment"]
        return {key: self._substitute(value) for key, value in given.items()}

    def execute(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """What `docker compose exec -T` does."""
        unpacked = _unpack(name, self.folder / name)
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.folder / name / "app",
            env=unpacked["env"] | self.environment(name),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def prepare(self) -> None:
        for module in ("ebit_api.migrate", "ebit_api.seed"):
            done = self.execute("api", "-m", module)
            assert done.returncode == 0, done.stderr

    def healthy(self) -> bool:
        try:
            return httpx.get(f"{self.api_url}/api/health").status_code == 200
        except httpx.TransportError:
            return False

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def stop_service(self, name: str) -> int:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def stop(self) -> None:
        for name in list(self.processes):
            self.stop_service(name)

    def _substitute(self, value: str) -> str:
        return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: self.variables.get(found[1]) or found[2], value)


def _unpack(name: str, root: Path) -> dict[str, Any]:
    """Follow the Dockerfile: files below `root`, environment, command."""
    context = CHECKOUT / "services"
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    folder = root
    command: list[str] = []
    for line in (context / name / "Dockerfile").read_text().splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == "WORKDIR":
            folder = root / rest.lstrip("/")
            folder.mkdir(parents=True, exist_ok=True)
        elif instruction == "COPY":
            source, target = rest.split()
            if (context / source).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(context / source, folder / target, dirs_exist_ok=True, ignore=ignored)
            else:
                shutil.copy(context / source, folder / target)
        elif instruction == "ENV":
            key, _, value = rest.partition("=")
            env[key] = value
        elif instruction == "CMD":
            command = json.loads(rest)
    return {"cmd": [sys.executable, *command[1:]], "env": env}


def _free_ports(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [str(item.getsockname()[1]) for item in sockets]
    finally:
        for item in sockets:
            item.close()
