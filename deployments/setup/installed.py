"""Looking for tools that are on this machine already: PATH first, then the usual places."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deployments.setup.catalogue import Tool
from deployments.setup.processes import run
from deployments.setup.versions import fits, parse_version

_PROBE_LIMIT_S = 20.0  # a first `chromium --version` on a loaded machine takes seconds
_USUAL_PLACES = ("/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin", "/bin", "/sbin", "/snap/bin")


@dataclass(frozen=True, slots=True)
class Found:
    """A tool as tools.json describes it: absolute path, version as printed, where it came from."""

    path: Path
    version: str
    source: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A program that was looked at and not taken, with the reason in words."""

    path: Path
    reason: str


def folders_to_search(environ: Mapping[str, str], ours: Iterable[Path]) -> list[Path]:
    """Folders that may hold tools, in order, each once.

    Left out are our own (`.venv`, `.tools`: what is in there came from setup) and shims of version managers: which
    program those start depends on the folder they are started in.
    """
    home = Path(environ.get("HOME") or "/nonexistent")
    places = [Path(entry) for entry in environ.get("PATH", "").split(os.pathsep) if entry]
    places += [Path(place) for place in _USUAL_PLACES]
    places += [home / ".local" / "bin", *sorted(Path("/opt").glob("*/bin")), *sorted(Path("/opt").glob("*"))]
    places += [Path("/opt/google/chrome")]
    own = tuple(folder.resolve() for folder in ours)
    kept: dict[Path, None] = {}
    for place in places:
        if not place.is_absolute() or place.name == "shims":
            continue
        if any(place.resolve().is_relative_to(folder) for folder in own):
            continue
        kept[place] = None
    return list(kept)


def candidates(tool: Tool, folders: Iterable[Path], environ: Mapping[str, str]) -> list[Path]:
    """Programs that could be the tool, best first, each file once: the override, then each name in each folder."""
    searched = list(folders)
    wanted = [Path(environ[tool.override])] if tool.override and environ.get(tool.override) else []
    wanted += [folder / command for command in tool.commands for folder in searched]
    unique: dict[Path, Path] = {}
    for path in wanted:
        if os.access(path, os.X_OK) and path.is_file():  # in this order: a folder may be closed to us
            unique.setdefault(path.resolve(), path)
    return list(unique.values())


def judge(tool: Tool, path: Path, environ: Mapping[str, str], source: str) -> Found | Rejected:
    """Start a program for its version and say whether it serves as the tool."""
    for companion in tool.companions:
        if not (path.parent / companion).exists():
            return Rejected(path, f"{path} has no {companion} beside it")
    probed = path.parent / tool.probe_sibling if tool.probe_sibling else path
    printed = run([probed, *tool.probe], limit_s=_PROBE_LIMIT_S, env=probe_environment(environ)).output
    version = parse_version(printed, tool.pattern)
    if version is None:
        return Rejected(path, f"{path} does not print a version")
    if not fits(version, tool.minimum, tool.below):
        return Rejected(path, f"{path} is {version}")
    return Found(path.absolute(), version, source)


def find_installed(
    tool: Tool, folders: Iterable[Path], environ: Mapping[str, str], source: str = "installed"
) -> tuple[Found | None, list[Rejected]]:
    """The first program that serves as the tool, and those that were looked at before it."""
    rejected: list[Rejected] = []
    for path in candidates(tool, folders, environ):
        answer = judge(tool, path, environ, source)
        if isinstance(answer, Found):
            return answer, rejected
        rejected.append(answer)
    return None, rejected


def probe_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for asking a version: Terraform neither calls home nor reads a configuration."""
    kept = {name: value for name, value in environ.items() if not name.startswith("TF_")}
    return kept | {"CHECKPOINT_DISABLE": "1", "LC_ALL": "C"}
