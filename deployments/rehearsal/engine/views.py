"""Containers and images in the shapes docker prints: `inspect`, `ps`, `compose ps`, `images`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from deployments.rehearsal.engine.cgroups import CPU_PERIOD_US
from deployments.rehearsal.engine.containers import Container, State
from deployments.rehearsal.engine.health import health
from deployments.rehearsal.engine.images import Image
from deployments.rehearsal.engine.units import (
    ZERO_TIME,
    age,
    ago,
    created_at,
    decimal_size,
    rfc3339,
    seconds_since_epoch,
)

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"

_SHORT = 12
_SHORTENED_COMMAND = 20
_NANO_PER_MICRO_PERIOD = 1_000_000_000 // CPU_PERIOD_US


def inspect_container(container: Container) -> dict[str, Any]:
    """Returns what `docker inspect` prints. Limits are those in force, not those asked for."""
    definition, state = container.definition, container.state()
    shown: dict[str, Any] = {
        "Status": state.status,
        "Running": state.running,
        "Paused": False,
        "Restarting": False,
        "OOMKilled": state.group.oom_kills() > 0,
        "Dead": False,
        "Pid": state.process.pid if state.process else 0,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": state.started_at or ZERO_TIME,
        "FinishedAt": state.finished_at or ZERO_TIME,
    }
    if checked := health(container):
        shown["Health"] = checked
    memory = state.group.memory_limit_bytes
    return {
        "Id": definition.id,
        "Created": rfc3339(definition.created),
        "Path": definition.argv[0],
        "Args": definition.argv[1:],
        "State": shown,
        "Image": definition.image_id,
        "Name": f"/{definition.name}",
        "LogPath": str(container.log),
        "RestartCount": 0,
        "Driver": "stand-in",
        "Platform": "linux",
        "HostConfig": {
            "NetworkMode": "host",
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "LogConfig": {"Type": "json-file", "Config": {}},
            "Memory": memory,
            "MemorySwap": memory,
            "NanoCpus": state.group.cpu_quota_us * _NANO_PER_MICRO_PERIOD,
            "CpuPeriod": 0,
            "CpuQuota": 0,
            "OomKillDisable": False,
        },
        "Config": {
            "Hostname": container.short_id,
            "Env": [f"{name}={value}" for name, value in definition.env.items()],
            "Cmd": definition.argv,
            "Entrypoint": None,
            "Image": definition.image,
            "WorkingDir": definition.workdir,
            "Labels": definition.labels,
            "StopSignal": definition.stop_signal,
        },
        "NetworkSettings": {"Ports": {}, "Networks": {"host": {}}},
        "Mounts": [
            {"Type": "bind", "Source": path, "Destination": path, "Mode": "rw", "RW": True, "Propagation": "rprivate"}
            for path in definition.binds
        ],
    }


def ps_row(container: Container, *, full_id: bool = False) -> dict[str, Any]:
    """Returns a row of `docker ps`; `Label` is its method."""
    definition, state = container.definition, container.state()
    command = " ".join(definition.argv)
    if len(command) > _SHORTENED_COMMAND and not full_id:
        command = command[: _SHORTENED_COMMAND - 1] + "…"
    return {
        "Command": f'"{command}"',
        "CreatedAt": created_at(definition.created),
        "ID": definition.id if full_id else container.short_id,
        "Image": definition.image,
        "Label": _label_method(definition.labels),
        "Labels": ",".join(f"{name}={value}" for name, value in sorted(definition.labels.items())),
        "LocalVolumes": "0",
        "Mounts": ",".join(definition.binds),
        "Names": definition.name,
        "Networks": "host",
        "Ports": "",
        "RunningFor": ago(definition.created),
        "Size": "0B",
        "State": state.status,
        "Status": status_text(container, state),
    }


def compose_ps_row(container: Container) -> dict[str, Any]:
    """Returns a row of `docker compose ps`."""
    row = ps_row(container)
    return {key: value for key, value in row.items() if key != "Label"} | {
        "ExitCode": container.state().exit_code,
        "Health": health(container).get("Status", "") if row["State"] == "running" else "",
        "Name": row["Names"],
        "Project": container.definition.labels.get(PROJECT_LABEL, ""),
        "Publishers": [],
        "Service": container.definition.labels.get(SERVICE_LABEL, ""),
    }


def status_text(container: Container, state: State) -> str:
    """Writes `Up 5 minutes (healthy)`, `Exited (137) 3 seconds ago` or `Created`."""
    if state.running:
        up = f"Up {age(time.time() - seconds_since_epoch(state.started_at))}"
        status = health(container).get("Status")
        text = "health: starting" if status == "starting" else status
        return f"{up} ({text})" if text else up
    if state.status == "exited":
        ended = state.finished_at or state.started_at
        return f"Exited ({state.exit_code}) {ago(seconds_since_epoch(ended))}"
    return "Created"


def inspect_image(image: Image) -> dict[str, Any]:
    """Returns what `docker image inspect` prints."""
    return {
        "Id": image.id,
        "RepoTags": list(image.tags),
        "RepoDigests": list(image.digests),
        "Parent": "",
        "Comment": "stand-in engine (rehearsal only)",
        "Created": image.config.get("created", ""),
        "Config": image.runtime,
        "Architecture": image.architecture,
        "Os": image.config.get("os", ""),
        "Size": image.size_bytes,
        "RootFS": {"Type": "layers", "Layers": image.config["rootfs"]["diff_ids"]},
    }


def image_rows(image: Image, *, full_id: bool = False) -> list[dict[str, str]]:
    """Returns rows of `docker images`: one a tag, `<none>` without one."""
    created = seconds_since_epoch(str(image.config.get("created") or ZERO_TIME))
    digests = dict(digest.split("@", 1) for digest in image.digests)
    shown_id = image.id if full_id else image.id.removeprefix("sha256:")[:_SHORT]
    rows = []
    for name in image.tags or ("<none>:<none>",):
        repository, _, tag = name.rpartition(":")
        rows.append(
            {
                "Containers": "N/A",
                "CreatedAt": created_at(created),
                "CreatedSince": ago(created),
                "Digest": digests.get(repository, "<none>"),
                "ID": shown_id,
                "Repository": repository,
                "SharedSize": "N/A",
                "Size": decimal_size(image.size_bytes, 3),
                "Tag": tag,
                "UniqueSize": "N/A",
                "VirtualSize": decimal_size(image.size_bytes, 3),
            }
        )
    return rows


def _label_method(labels: dict[str, str]) -> Callable[[str], str]:
    return lambda name: labels.get(name, "")
