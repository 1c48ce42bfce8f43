"""Containers of a real engine, read over its socket: what cadvisor would read from the same control groups."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from deployments.rehearsal.engine.cgroups import CPU_PERIOD_US
from deployments.rehearsal.engine.exposition import Sample

_ANSWER_S = 5.0
_NANO = 1_000_000_000


class Daemon:
    """Reads the running containers of a compose project.

    Args:
        socket: The engine's Unix socket.
        project: The compose project.
    """

    def __init__(self, socket: Path, project: str) -> None:
        self._http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://docker", timeout=_ANSWER_S
        )
        self._filters = json.dumps({"label": [f"com.docker.compose.project={project}"], "status": ["running"]})

    def samples(self) -> Iterator[Sample]:
        """Yield the samples; a container that ends meanwhile has none.

        `one-shot` (API 1.41, Docker 20.10) reads the counters once instead of over a second. OOM events are not among what
        the engine tells of a running container, so they have no series here.
        """
        listed = self._http.get("/containers/json", params={"filters": self._filters})
        for container in listed.raise_for_status().json():
            inspected = self._http.get(f"/containers/{container['Id']}/json")
            stats = self._http.get(
                f"/containers/{container['Id']}/stats", params={"stream": "false", "one-shot": "true"}
            )
            if inspected.is_success and stats.is_success and "usage" in stats.json()["memory_stats"]:
                yield from _samples(inspected.json(), stats.json())


def _samples(inspected: dict[str, Any], stats: dict[str, Any]) -> Iterator[Sample]:
    labels = {
        "id": f"/docker/{inspected['Id']}",
        "image": inspected["Config"]["Image"],
        "name": inspected["Name"].lstrip("/"),
    }
    host, memory = inspected["HostConfig"], stats["memory_stats"]
    # Control groups of version 1 and 2 name their file pages differently.
    files = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file", 0))
    quota_us = host["CpuQuota"] or host["NanoCpus"] * CPU_PERIOD_US // _NANO
    yield (
        "container_cpu_usage_seconds_total",
        {"cpu": "total", **labels},
        stats["cpu_stats"]["cpu_usage"]["total_usage"] / _NANO,
    )
    if quota_us:
        yield "container_spec_cpu_quota", labels, quota_us
        yield "container_spec_cpu_period", labels, host["CpuPeriod"] or CPU_PERIOD_US
    yield "container_memory_working_set_bytes", labels, max(0, memory["usage"] - files)
    yield "container_memory_usage_bytes", labels, memory["usage"]
    yield "container_spec_memory_limit_bytes", labels, host["Memory"]
    yield "container_start_time_seconds", labels, datetime.fromisoformat(inspected["State"]["StartedAt"]).timestamp()
    yield "container_last_seen", labels, time.time()
