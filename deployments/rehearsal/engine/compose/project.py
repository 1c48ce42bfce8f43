"""A compose project: its files, variables and services."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.rehearsal.engine.compose.envfile import read_env_file
from deployments.rehearsal.engine.compose.interpolation import Interpolation
from deployments.rehearsal.engine.compose.services import Service, parse_service
from deployments.rehearsal.engine.errors import EngineError
from deployments.rehearsal.engine.output import err

_DEFAULT_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_TOP_LEVEL = frozenset({"name", "version", "services", "volumes", "networks"})


@dataclass(frozen=True)
class ProjectOptions:
    """What stood before the compose command.

    Attributes:
        files: `-f`.
        name: `-p`, or empty.
        folder: `--project-directory`, or empty.
        env_files: `--env-file`.
        profiles: `--profile`.
    """

    files: Sequence[str]
    name: str
    folder: str
    env_files: Sequence[str]
    profiles: Sequence[str]


@dataclass(frozen=True)
class Project:
    """A project.

    Attributes:
        name: Its name.
        folder: Its folder.
        files: Its files.
        services: Services that are enabled, in the file's order.
        document: The file with variables filled in.
    """

    name: str
    folder: Path
    files: list[Path]
    services: dict[str, Service]
    document: dict[str, Any]

    def in_order(self, names: Sequence[str] = (), *, dependencies: bool = True) -> list[Service]:
        """Returns services after those they depend on.

        Args:
            names: Wanted services; empty = all.
            dependencies: Also what they depend on.

        Raises:
            EngineError: A service does not exist, or they depend on each other in a circle.
        """
        ordered: dict[str, Service] = {}

        def visit(name: str, above: tuple[str, ...]) -> None:
            if name in above:
                raise EngineError(f"dependency cycle detected: {' -> '.join((*above, name))}")
            if name not in self.services:
                raise EngineError(f"no such service: {name}")
            service = self.services[name]
            for other in service.depends_on if dependencies or not names else ():
                visit(other, (*above, name))
            ordered.setdefault(name, service)

        for name in names or self.services:
            visit(name, ())
        return list(ordered.values())


def load_project(options: ProjectOptions) -> Project:
    """Reads the compose files.

    Raises:
        EngineError: A file is missing or wrong, or a required variable is not set.
    """
    files = _files(options)
    folder = Path(options.folder).absolute() if options.folder else files[0].parent
    variables = _variables(options, folder)
    document = _read(files, Interpolation(variables, _warn_unset))
    for key in document:
        if key not in _TOP_LEVEL and not key.startswith("x-"):
            raise EngineError(f"stand-in engine: top-level key {key} of a compose file is not supported")
    name = project_name(options, folder, str(document.get("name", "")))
    services: dict[str, Service] = {}
    wanted = {*options.profiles, *filter(None, variables.get("COMPOSE_PROFILES", "").split(","))}
    for service_name, raw in (document.get("services") or {}).items():
        service = parse_service(service_name, raw or {}, folder, variables)
        if not service.profiles or wanted & {*service.profiles} or "*" in wanted:
            services[service_name] = service
    if not services:
        raise EngineError("no service selected")
    return Project(name, folder, files, services, document | {"name": name})


def project_name(options: ProjectOptions, folder: Path, in_file: str) -> str:
    """Returns the project's name: `-p`, COMPOSE_PROJECT_NAME, `name:` of the file, the folder's name."""
    name = options.name or os.environ.get("COMPOSE_PROJECT_NAME", "") or in_file
    name = name or re.sub(r"[^a-z0-9_-]", "", folder.name.lower()).lstrip("_-")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise EngineError(
            f'invalid project name "{name}": must consist only of lowercase alphanumeric characters, hyphens, and '
            "underscores as well as start with a letter or number"
        )
    return name


def _files(options: ProjectOptions) -> list[Path]:
    names = list(options.files) or list(filter(None, os.environ.get("COMPOSE_FILE", "").split(":")))
    if not names:
        base = Path(options.folder or ".")
        names = [str(base / name) for name in _DEFAULT_FILES if (base / name).is_file()][:1]
    if not names:
        raise EngineError("no configuration file provided: not found")
    files = [Path(name).absolute() for name in names]
    for path in files:
        if not path.is_file():
            raise EngineError(f"open {path}: no such file or directory")
    return files


def _variables(options: ProjectOptions, folder: Path) -> dict[str, str]:
    own = dict(os.environ)
    paths = [Path(name) for name in options.env_files] or [p for p in [folder / ".env"] if p.is_file()]
    variables: dict[str, str] = {}
    for path in paths:
        variables |= read_env_file(path, own)
    return variables | own


def _read(files: Sequence[Path], interpolation: Interpolation) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - most commands need none

    document: dict[str, Any] = {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for path in files:
        try:
            raw = yaml.load(path.read_text(), Loader=loader)  # noqa: S506 - a safe loader
        except yaml.YAMLError as error:
            raise EngineError(f"parsing {path}: yaml: {error}") from error
        if not isinstance(raw, dict):
            raise EngineError(f"parsing {path}: top-level object must be a mapping")
        document = _merged(document, interpolation.tree(raw))
    return document


def _merged(base: Any, over: Any) -> Any:  # noqa: ANN401 - what YAML holds
    """Lays one file over another: mappings by key; anything else is replaced (compose appends ports and volumes)."""
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {key: _merged(base.get(key), value) for key, value in over.items()}
    return over


def _warn_unset(name: str) -> None:
    err(f'level=warning msg="The \\"{name}\\" variable is not set. Defaulting to a blank string."')
