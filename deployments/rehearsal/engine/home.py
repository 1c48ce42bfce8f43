"""The engine's folder: what a daemon's data root is to docker. Every host has its own."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.rehearsal.engine.errors import EngineError

ROOT_VARIABLE = "REHEARSAL_ENGINE_ROOT"


@dataclass(frozen=True)
class Home:
    """Where images and containers of one host live.

    Attributes:
        root: The folder; made on first use.
    """

    root: Path

    @property
    def blobs(self) -> Path:
        """Content by SHA-256: layers, configurations, manifests."""
        return self.root / "images" / "blobs"

    @property
    def image_index(self) -> Path:
        """JSON file of names and digests of images."""
        return self.root / "images" / "index.json"

    @property
    def containers(self) -> Path:
        """One folder a container."""
        return self.root / "containers"

    @contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Keeps other engine commands out of one part of the folder (builds and pushes run in parallel)."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f"{what}.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def home_from_environment() -> Home:
    """Returns the folder named by REHEARSAL_ENGINE_ROOT.

    Raises:
        EngineError: The variable is not set, which is this engine's "no daemon".
    """
    root = os.environ.get(ROOT_VARIABLE, "")
    if not root:
        raise EngineError(f"Cannot connect to the Docker daemon: stand-in engine: {ROOT_VARIABLE} is not set")
    return Home(Path(root).absolute())


def write_json(path: Path, value: object) -> None:
    """Replaces a JSON file in one step, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(value, sort_keys=True))
    part.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Returns the object in a JSON file; empty if there is no such file."""
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return value if isinstance(value, dict) else {}
