"""The system under test on its host: compose services, their digests and statistics, the health check."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from blocks.models.errors import Unavailable
from tasks.clients.account import RegistryLogin
from tasks.clients.hosts import Host
from tasks.clients.processes import Completed
from tasks.rules.oom import ContainerState

_UNITS = {"B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TIB": 2**40}
_HEALTH_POLL_S = 0.5


@dataclass(frozen=True)
class Container:
    """A running container and the digest of its image."""

    name: str
    service: str
    state: str
    image: str
    digests: tuple[str, ...]


@dataclass(frozen=True)
class ContainerStats:
    """CPU (100 = one core) and memory of a container, as docker stats shows them."""

    name: str
    cpu_percent: float
    memory_bytes: int


class SystemUnderTest:
    """Compose on the SUT's host.

    Args:
        host: the host, open.
        compose: the compose command, such as ``("docker", "compose")``.
        directory: where the compose file is.
        project: the compose project.
    """

    def __init__(self, host: Host, compose: Sequence[str], directory: str, project: str) -> None:
        self.host = host
        self._compose = tuple(compose)
        self._engine = compose[0]
        self._directory = directory
        self._project = project

    def log_in(self, login: RegistryLogin) -> None:
        """Log the host's engine in to the registry; the password goes over standard input."""
        registry = login.endpoint.removeprefix("https://").removeprefix("http://")
        self.host.must([self._engine, "login", "-u", login.user, "--password-stdin", registry], stdin=login.password)

    def pull(self) -> None:
        """Pull the images of all services."""
        self._must("pull", timeout_s=900.0)

    def up(self) -> None:
        """Start all services."""
        self._must("up", "-d", timeout_s=300.0)

    def execute(self, service: str, command: Sequence[str]) -> Completed:
        """Run a command in a service's container and return what it left behind."""
        return self.host.run([*self._compose, "exec", "-T", service, *command], cwd=self._directory, timeout_s=600.0)

    def containers(self) -> tuple[Container, ...]:
        """Return the project's containers with the digests of the images they run."""
        shown = self._inspect()
        if not shown:
            return ()
        images = sorted({item["Image"] for item in shown})
        inspected = json.loads(self.host.must([self._engine, "image", "inspect", *images]))
        digests = {
            item["Id"]: tuple(text.partition("@")[2] for text in item.get("RepoDigests") or []) for item in inspected
        }
        return tuple(
            Container(
                name=item["Name"].lstrip("/"),
                service=item["Config"]["Labels"].get("com.docker.compose.service", ""),
                state=item["State"]["Status"],
                image=item["Config"]["Image"],
                digests=digests.get(item["Image"], ()),
            )
            for item in shown
        )

    def states(self) -> tuple[ContainerState, ...]:
        """Return how each of the project's containers is, and how it ended last."""
        return tuple(state_of(item) for item in self._inspect())

    def stats(self) -> tuple[ContainerStats, ...]:
        """Return what each container uses now."""
        shown = self.host.must([self._engine, "stats", "--no-stream", "--format", "{{json .}}"])
        rows = [json.loads(line) for line in shown.splitlines() if line.strip()]
        return tuple(
            ContainerStats(
                name=row["Name"],
                cpu_percent=float(row["CPUPerc"].rstrip("%")),
                memory_bytes=_bytes_of(row["MemUsage"].partition("/")[0].strip()),
            )
            for row in sorted(rows, key=lambda row: str(row["Name"]))
        )

    def logs(self, lines: int) -> str:
        """Return the tail of the services' logs."""
        return self.host.run([*self._compose, "logs", "--no-color", "--tail", str(lines)], cwd=self._directory).stdout

    def down(self) -> None:
        """Stop all services."""
        self._must("down", timeout_s=120.0)

    def _inspect(self) -> list[dict[str, Any]]:
        """Return what the engine says of the project's containers, ended ones included."""
        listed = self.host.must(
            [
                self._engine, "ps", "-a", "--filter", f"label=com.docker.compose.project={self._project}",
                "--format", "{{json .}}",
            ]
        )  # fmt: skip
        names = [json.loads(line)["Names"] for line in listed.splitlines() if line.strip()]
        shown: list[dict[str, Any]] = json.loads(self.host.must([self._engine, "inspect", *names])) if names else []
        return shown

    def _must(self, *arguments: str, timeout_s: float) -> str:
        return self.host.must([*self._compose, *arguments], cwd=self._directory, timeout_s=timeout_s)


def state_of(inspected: dict[str, Any]) -> ContainerState:
    """Read a container's state from what `docker inspect` says of it."""
    state = inspected["State"]
    finished = datetime.fromisoformat(state["FinishedAt"])
    return ContainerState(
        id=inspected["Id"],
        name=inspected["Name"].lstrip("/"),
        pid=state["Pid"],
        running=state["Running"],
        oom_killed=state["OOMKilled"],
        exit_code=state["ExitCode"],
        restarts=inspected.get("RestartCount", 0),
        finished=finished if finished.year > 1 else None,
    )


@dataclass(frozen=True)
class Health:
    """How the health check went."""

    attempts: int
    seconds: float


def wait_until_healthy(url: str, timeout_s: float, on_attempt: Callable[[str], None]) -> Health:
    """Ask until the answer is 200.

    Raises:
        Unavailable: it was not 200 in time; says the last answer.
    """
    began = time.monotonic()
    attempts = 0
    last = "no answer"
    with httpx.Client(timeout=5.0) as http:
        while time.monotonic() - began < timeout_s:
            attempts += 1
            try:
                answer = http.get(url)
            except httpx.HTTPError as error:
                last = type(error).__name__
            else:
                if answer.status_code == httpx.codes.OK:
                    return Health(attempts, time.monotonic() - began)
                last = f"HTTP {answer.status_code} {answer.text[:120]}"
            on_attempt(last)
            time.sleep(_HEALTH_POLL_S)
    raise Unavailable(
        f"{url} was not healthy within {timeout_s:g} s and {attempts} attempts; last: {last}. "
        "Wanted is HTTP 200: look at the container logs on the SUT."
    )


def _bytes_of(text: str) -> int:
    match = re.fullmatch(r"([\d.]+)\s*([A-Za-z]+)", text)
    return int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
