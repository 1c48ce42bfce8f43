"""One service of a compose file, checked key by key: what the stand-in cannot honour is refused by name."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.rehearsal.engine.compose.envfile import read_env_file
from deployments.rehearsal.engine.errors import EngineError
from deployments.rehearsal.engine.units import parse_duration_s, parse_size_bytes

_NANO = 1_000_000_000
_IGNORED = frozenset(
    {"build", "init", "user", "platform", "logging", "pull_policy", "expose", "tty", "stdin_open", "hostname"}
)
"""Keys without an effect where containers are plain processes; none of them weakens a promise."""

_READ = frozenset(
    {
        *("image", "command", "entrypoint", "environment", "env_file", "network_mode", "mem_limit", "cpus", "deploy"),
        *("healthcheck", "depends_on", "container_name", "labels", "working_dir", "restart", "ports", "volumes"),
        *("stop_signal", "stop_grace_period", "profiles", "scale"),
    }
)
_CONDITIONS = frozenset({"service_started", "service_healthy", "service_completed_successfully"})


@dataclass(frozen=True)
class Service:
    """A service, ready to be made into a container.

    Attributes:
        name: Its name.
        image: Image reference.
        command: Words in place of the image's CMD; None = the image's.
        entrypoint: Words in place of the image's ENTRYPOINT; None = the image's.
        environment: Variables.
        memory_bytes: Limit; 0 = none.
        nano_cpus: Limit; 0 = none.
        healthcheck: In the shape of an image's configuration; None = the image's.
        depends_on: Service -> condition.
        container_name: Fixed name, or empty.
        labels: Labels.
        workdir: Working directory, or empty = the image's.
        restart: Policy asked for; not followed.
        binds: Folders of this machine, used under their own path.
        stop_signal: Or empty = the image's.
        stop_grace_s: Time to stop.
        profiles: Profiles it belongs to; without any it always does.
    """

    name: str
    image: str
    command: list[str] | None
    entrypoint: list[str] | None
    environment: dict[str, str]
    memory_bytes: int
    nano_cpus: int
    healthcheck: dict[str, Any] | None
    depends_on: dict[str, str]
    container_name: str
    labels: dict[str, str]
    workdir: str
    restart: str
    binds: list[str]
    stop_signal: str
    stop_grace_s: float
    profiles: list[str]


def parse_service(name: str, raw: Mapping[str, Any], folder: Path, variables: Mapping[str, str]) -> Service:
    """Reads one service.

    Args:
        name: Its name.
        raw: Its keys, variables filled in.
        folder: The project's folder.
        variables: For entries of `environment` without a value.

    Raises:
        EngineError: A key is unknown, wrong, or not supported.
    """
    for key in raw:
        if key not in _READ and key not in _IGNORED and not key.startswith("x-"):
            raise _unsupported(name, key)
    if not raw.get("image"):
        raise EngineError(f"stand-in engine: service {name} without an image is not supported")
    if str(raw.get("network_mode", "host")) != "host":
        raise _unsupported(name, f"network_mode={raw['network_mode']}")
    if int(raw.get("scale", 1)) != 1:
        raise _unsupported(name, "scale")
    limits = _deploy_limits(name, raw.get("deploy") or {})
    environment: dict[str, str] = {}
    for path in _strings(raw.get("env_file")):
        environment |= read_env_file(folder / path, variables)
    return Service(
        name=name,
        image=str(raw["image"]),
        command=_words(raw.get("command")),
        entrypoint=_words(raw.get("entrypoint")),
        environment=environment | _mapping(raw.get("environment"), variables),
        memory_bytes=parse_size_bytes(str(raw.get("mem_limit", limits.get("memory", 0)))),
        nano_cpus=int(float(raw.get("cpus", limits.get("cpus", 0))) * _NANO),
        healthcheck=_healthcheck(name, raw.get("healthcheck")),
        depends_on=_depends_on(name, raw.get("depends_on") or {}),
        container_name=str(raw.get("container_name", "")),
        labels=_mapping(raw.get("labels"), {}),
        workdir=str(raw.get("working_dir", "")),
        restart=str(raw.get("restart", "no")),
        binds=[_bind(name, volume) for volume in raw.get("volumes") or []]
        + _checked_ports(name, raw.get("ports") or []),
        stop_signal=str(raw.get("stop_signal", "")),
        stop_grace_s=parse_duration_s(str(raw.get("stop_grace_period", "10s"))),
        profiles=_strings(raw.get("profiles")),
    )


def _deploy_limits(name: str, deploy: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in deploy:
        if key != "resources" and not (key == "replicas" and int(deploy[key]) == 1):
            raise _unsupported(name, f"deploy.{key}")
    limits = (deploy.get("resources") or {}).get("limits") or {}
    for key in limits:
        if key not in {"memory", "cpus"}:
            raise _unsupported(name, f"deploy.resources.limits.{key}")
    return dict(limits)


def _healthcheck(name: str, raw: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if raw is None:
        return None
    if raw.get("disable"):
        return {"Test": ["NONE"]}
    test = raw.get("test")
    made: dict[str, Any] = {}
    if test is not None:
        made["Test"] = ["CMD-SHELL", test] if isinstance(test, str) else [str(word) for word in test]
        if made["Test"][0] not in {"NONE", "CMD", "CMD-SHELL"}:
            raise EngineError(f'services.{name}.healthcheck.test: must start either by "CMD", "CMD-SHELL" or "NONE"')
    for key, target in (("interval", "Interval"), ("timeout", "Timeout"), ("start_period", "StartPeriod")):
        if key in raw:
            made[target] = int(parse_duration_s(str(raw[key])) * _NANO)
    if "retries" in raw:
        made["Retries"] = int(raw["retries"])
    for key in raw:
        if key not in {"test", "interval", "timeout", "start_period", "start_interval", "retries", "disable"}:
            raise _unsupported(name, f"healthcheck.{key}")
    return made


def _depends_on(name: str, raw: Mapping[str, Any] | list[str]) -> dict[str, str]:
    if isinstance(raw, list):
        return dict.fromkeys(raw, "service_started")
    conditions = {other: str((value or {}).get("condition", "service_started")) for other, value in raw.items()}
    for other, condition in conditions.items():
        if condition not in _CONDITIONS:
            raise _unsupported(name, f"depends_on.{other}.condition={condition}")
    return conditions


def _bind(name: str, volume: str | Mapping[str, Any]) -> str:
    """Takes a bind of a folder to its own path: there is no mount, so any other would silently be another folder."""
    if isinstance(volume, str):
        source, _, rest = volume.partition(":")
        target = rest.split(":")[0]
    else:
        source, target = str(volume.get("source", "")), str(volume.get("target", ""))
    if not source.startswith("/") or source.rstrip("/") != target.rstrip("/"):
        raise _unsupported(name, f"volumes ({volume}; only a folder under its own path)")
    return source.rstrip("/")


def _checked_ports(name: str, ports: list[Any]) -> list[str]:
    """Accepts ports published under their own number, which host networking gives anyway."""
    for port in ports:
        parts = str(port).removesuffix("/tcp").split(":") if not isinstance(port, dict) else ["?"]
        if len(set(parts[-2:])) != 1 or parts == ["?"]:
            raise _unsupported(name, f"ports ({port}; services share the host's network)")
    return []


def _mapping(raw: Mapping[str, Any] | list[str] | None, variables: Mapping[str, str]) -> dict[str, str]:
    """Reads a mapping or a list of `NAME=value`; an entry without a value takes it from `variables`."""
    if isinstance(raw, list):
        raw = {text.partition("=")[0]: (text.partition("=")[2] if "=" in text else None) for text in raw}
    made: dict[str, str] = {}
    for key, value in (raw or {}).items():
        if value is None:
            if key in variables:
                made[key] = variables[key]
        else:
            made[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return made


def _words(raw: str | list[Any] | None) -> list[str] | None:
    if raw is None:
        return None
    return shlex.split(raw) if isinstance(raw, str) else [str(word) for word in raw]


def _strings(raw: str | list[Any] | None) -> list[str]:
    return [raw] if isinstance(raw, str) else [str(item) for item in raw or []]


def _unsupported(service: str, key: str) -> EngineError:
    return EngineError(f"stand-in engine: services.{service}.{key} is not supported")
