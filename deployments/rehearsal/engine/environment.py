"""How a container's view is mapped onto this machine: no chroot, so paths, PATH and the interpreter are translated."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployments.rehearsal.engine.containers import Container

_PYTHON = re.compile(r"^(?:/usr(?:/local)?/bin/)?python(?:3(?:\.\d+)?)?$")


@dataclass(frozen=True)
class Process:
    """A process to start for a container.

    Attributes:
        argv: Its words; the interpreter replaced, absolute paths that exist in the container's folder translated.
        env: All of its variables.
        cwd: Its working directory.
    """

    argv: list[str]
    env: dict[str, str]
    cwd: Path


def process_for(
    container: Container, argv: list[str], extra_env: Mapping[str, str] | None = None, workdir: str = ""
) -> Process:
    """Translates a command of a container.

    `python` and `python3` are the interpreter that runs this engine, PYTHONPATH starts with the working directory, and
    of this machine's variables only PATH is passed on.

    Args:
        container: The container.
        argv: The command, as docker would get it.
        extra_env: Variables of `exec -e`.
        workdir: Working directory inside the container; empty = the container's own.
    """
    definition = container.definition
    cwd = _inside(container, workdir or definition.workdir)
    cwd.mkdir(parents=True, exist_ok=True)
    env = {
        "HOSTNAME": container.short_id,
        "HOME": str(_inside(container, "/root")),
        **definition.env,
        **(extra_env or {}),
    }
    own_path = [str(p) for entry in _entries(env.get("PATH")) if (p := _inside(container, entry)).is_dir()]
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), *own_path, os.environ.get("PATH", os.defpath)])
    mapped = [str(_inside(container, entry)) for entry in _entries(env.get("PYTHONPATH"))]
    env["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(cwd), *mapped]))
    return Process([_word(container, word, first=i == 0) for i, word in enumerate(argv)], env, cwd)


def _word(container: Container, word: str, *, first: bool) -> str:
    if first and _PYTHON.match(word):
        return sys.executable
    if word.startswith("/"):
        inside = _inside(container, word)
        return str(inside) if inside.exists() else word
    return word


def _inside(container: Container, path: str) -> Path:
    return container.rootfs / path.lstrip("/")


def _entries(value: str | None) -> list[str]:
    return [entry for entry in (value or "").split(os.pathsep) if entry]
