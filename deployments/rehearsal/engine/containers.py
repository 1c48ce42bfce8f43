"""Containers of one engine: their records, and making, finding and removing them. Running them is `lifecycle`'s."""

from __future__ import annotations

import dataclasses
import secrets
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments.rehearsal.engine.cgroups import NO_GROUP, Group
from deployments.rehearsal.engine.errors import EngineError
from deployments.rehearsal.engine.home import Home, read_json, write_json
from deployments.rehearsal.engine.images import Image, ImageStore
from deployments.rehearsal.engine.layers import unpack
from deployments.rehearsal.engine.procfs import Identity

UNKNOWN_EXIT = 255
"""Exit code of a container whose end nobody saw; docker's after a daemon crash."""

_SHIM_FINISHES_WITHIN_S = 6.0


@dataclass(frozen=True)
class Definition:
    """What a container is to be; never changes.

    Attributes:
        name: Its name.
        image: The image as it was asked for.
        image_id: The image it got.
        argv: Entrypoint and command, as in the image or compose file.
        env: Variables of image and compose file.
        workdir: Absolute path inside the container.
        labels: Labels.
        memory_bytes: Asked limit; 0 = none.
        nano_cpus: Asked limit; 0 = none.
        healthcheck: In the shape of an image's configuration (Test, Interval in ns, ...); empty = none.
        stop_signal: Such as `SIGTERM`.
        binds: Folders of this machine it uses, each under its own path (there is no mount here).
        stop_grace_s: Time between stop signal and SIGKILL.
        id: 64 hex digits.
        created: Seconds since the epoch.
    """

    name: str
    image: str
    image_id: str
    argv: list[str]
    env: dict[str, str]
    workdir: str
    labels: dict[str, str]
    memory_bytes: int = 0
    nano_cpus: int = 0
    healthcheck: dict[str, Any] = field(default_factory=dict)
    binds: list[str] = field(default_factory=list)
    stop_signal: str = "SIGTERM"
    stop_grace_s: float = 10.0
    id: str = field(default_factory=lambda: secrets.token_hex(32))
    created: float = field(default_factory=time.time)


@dataclass(frozen=True)
class State:
    """What became of a container, read at one moment.

    Attributes:
        status: `created`, `running` or `exited`.
        process: The container's first process; None unless running.
        shim: Its parent.
        started_at: RFC 3339, or empty.
        finished_at: RFC 3339, or empty.
        exit_code: Of the first process.
        error: Why it could not be started.
        group: Its control group with the limits in force.
    """

    status: str
    process: Identity | None = None
    shim: Identity | None = None
    started_at: str = ""
    finished_at: str = ""
    exit_code: int = 0
    error: str = ""
    group: Group = NO_GROUP

    @property
    def running(self) -> bool:
        """Whether the container runs."""
        return self.status == "running"


@dataclass(frozen=True)
class Container:
    """One container.

    Attributes:
        folder: Its folder in the engine's.
        definition: What it is to be.
    """

    folder: Path
    definition: Definition

    @property
    def rootfs(self) -> Path:
        """Where its image's layers are unpacked."""
        return self.folder / "rootfs"

    @property
    def log(self) -> Path:
        """Its output."""
        return self.folder / "container.log"

    @property
    def short_id(self) -> str:
        """First 12 digits of the id."""
        return self.definition.id[:12]

    def state(self) -> State:
        """Reads what became of it."""
        record = read_json(self.folder / "state.json")
        if not record:
            return State("created")
        state = self._state(record)
        if record["status"] == "running" and not state.running and state.shim and state.shim.alive:
            # The first process has just ended and the shim is writing that down.
            deadline = time.monotonic() + _SHIM_FINISHES_WITHIN_S
            while record["status"] == "running" and state.shim.alive and time.monotonic() < deadline:
                time.sleep(0.005)
                record = read_json(self.folder / "state.json") or record
            state = self._state(record)
        return state

    def _state(self, record: dict[str, Any]) -> State:
        process = Identity(record["pid"], record["pid_start"]) if record["pid"] else None
        status, exit_code = str(record["status"]), int(record["exit_code"])
        if status == "running" and not (process and process.alive):
            status, exit_code, process = "exited", UNKNOWN_EXIT, None
        return State(
            status=status,
            process=process,
            shim=Identity(record["shim_pid"], record["shim_start"]),
            started_at=record["started_at"],
            finished_at=record["finished_at"],
            exit_code=exit_code,
            error=record["error"],
            group=self._group(record["joined"]),
        )

    def _group(self, joined: list[str]) -> Group:
        """Reads the control group, leaving out what the process could not join: no limit holds there."""
        run = read_json(self.folder / "run.json").get("group")
        if not run:
            return NO_GROUP
        folders = {name: Path(folder) for name, folder in run["folders"].items() if folder in joined}
        return Group(
            folders,
            run["version"],
            run["memory_limit_bytes"] if "memory" in folders else 0,
            run["cpu_quota_us"] if "cpu" in folders else 0,
        )


def create(home: Home, definition: Definition, image: Image) -> Container:
    """Makes a container: its record and its unpacked image.

    Raises:
        EngineError: The name is taken.
    """
    container = Container(home.containers / definition.id, definition)
    with home.lock("containers"):
        taken = next((other for other in all_containers(home) if other.definition.name == definition.name), None)
        if taken:
            raise EngineError(
                f'Error response from daemon: Conflict. The container name "/{definition.name}" is already in use by '
                f'container "{taken.definition.id}". You have to remove (or rename) that container to be able to reuse '
                "that name."
            )
        container.rootfs.mkdir(parents=True)
        write_json(container.folder / "config.json", dataclasses.asdict(definition))
    store = ImageStore(home)
    for layer in image.layers:
        unpack(store.blob(str(layer["digest"])), container.rootfs)
    return container


def all_containers(home: Home) -> list[Container]:
    """Returns every container, newest first."""
    found: list[Container] = []
    for folder in home.containers.iterdir() if home.containers.is_dir() else ():
        record = read_json(folder / "config.json")
        if record:
            found.append(Container(folder, Definition(**record)))
    return sorted(found, key=lambda container: container.definition.created, reverse=True)


def find_container(home: Home, text: str) -> Container | None:
    """Returns the container of a name, an id or the beginning of an id."""
    containers = all_containers(home)
    named = [c for c in containers if c.definition.name == text.removeprefix("/")]
    return next(iter(named or [c for c in containers if text and c.definition.id.startswith(text)]), None)


def get_container(home: Home, text: str) -> Container:
    """Returns the container of a name or id.

    Raises:
        EngineError: There is none.
    """
    container = find_container(home, text)
    if container is None:
        raise EngineError(f"Error response from daemon: No such container: {text}")
    return container


def discard(container: Container) -> None:
    """Deletes the folder of a stopped container."""
    shutil.rmtree(container.folder, ignore_errors=True)
