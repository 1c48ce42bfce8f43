"""Containers of a real engine: which there are says its socket, what they use their control groups, as for cadvisor.

The engine's own statistics take about a second for each container (Docker 20.10, also with `one-shot`): too long for a
scrape a second.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from deployments.rehearsal.engine.cgroups import CPU_PERIOD_US, Group, group_of
from deployments.rehearsal.engine.exposition import Sample

_ANSWER_S = 5.0
_NANO = 1_000_000_000


class Daemon:
    """Reads the running containers of a compose project.

    Args:
        socket: The engine's Unix socket.
        project: The compose project.
        group_of: Finds the control group of a process.
    """

    def __init__(self, socket: Path, project: str, group_of: Callable[[int], Group] = group_of) -> None:
        self._http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://docker", timeout=_ANSWER_S
        )
        self._group_of = group_of
        self._filters = json.dumps({"label": [f"com.docker.compose.project={project}"], "status": ["running"]})

    def samples(self) -> Iterator[Sample]:
        """Yield the samples; a container that ends meanwhile has none."""
        listed = self._http.get("/containers/json", params={"filters": self._filters})
        for container in listed.raise_for_status().json():
            answer = self._http.get(f"/containers/{container['Id']}/json")
            if answer.is_success:
                inspected = answer.json()
                yield from _samples(inspected, self._group_of(inspected["State"]["Pid"]))


def _samples(inspected: dict[str, Any], group: Group) -> Iterator[Sample]:
    cpu_s, memory = group.cpu_seconds(), group.memory_bytes()
    if cpu_s is None or memory is None:
        return
    usage_bytes, working_set_bytes = memory
    host = inspected["HostConfig"]
    quota_us = host["CpuQuota"] or host["NanoCpus"] * CPU_PERIOD_US // _NANO
    labels = {
        "id": f"/docker/{inspected['Id']}",
        "image": inspected["Config"]["Image"],
        "name": inspected["Name"].lstrip("/"),
    }
    yield "container_cpu_usage_seconds_total", {"cpu": "total", **labels}, cpu_s
    if quota_us:
        yield "container_spec_cpu_quota", labels, quota_us
        yield "container_spec_cpu_period", labels, host["CpuPeriod"] or CPU_PERIOD_US
    yield "container_memory_working_set_bytes", labels, working_set_bytes
    yield "container_memory_usage_bytes", labels, usage_bytes
    yield "container_spec_memory_limit_bytes", labels, host["Memory"]
    yield "container_start_time_seconds", labels, datetime.fromisoformat(inspected["State"]["StartedAt"]).timestamp()
    yield "container_oom_events_total", labels, group.oom_kills()
    yield "container_last_seen", labels, time.time()
