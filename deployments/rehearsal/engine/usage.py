"""What containers use: CPU, memory, processes, disk. From the control group where there is one, else from /proc."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from deployments.rehearsal.engine.containers import Container, State
from deployments.rehearsal.engine.procfs import (
    cpu_seconds,
    descendants,
    disk_bytes,
    resident_bytes,
    total_memory_bytes,
)
from deployments.rehearsal.engine.units import binary_size, decimal_size

WINDOW_S = 1.0
"""Time over which `docker stats --no-stream` measures CPU; docker's collector ticks once a second."""


@dataclass(frozen=True)
class Usage:
    """What a running container uses at one moment.

    Attributes:
        cpu_s: CPU time since its start.
        memory_bytes: All memory it is charged for.
        working_set_bytes: Without file pages that can be dropped.
        pids: Its processes.
    """

    cpu_s: float
    memory_bytes: int
    working_set_bytes: int
    pids: list[int]


def usage_of(state: State) -> Usage:
    """Measures a running container; all zero for one that does not run."""
    if not state.process:
        return Usage(0.0, 0, 0, [])
    pids = state.group.processes() or [state.process.pid, *descendants(state.process.pid)]
    charged = state.group.memory_bytes()
    usage, working_set = charged if charged is not None else (resident_bytes(pids),) * 2
    counted = state.group.cpu_seconds()
    return Usage(cpu_seconds(pids) if counted is None else counted, usage, working_set, pids)


def stats_rows(containers: Sequence[Container]) -> list[dict[str, str]]:
    """Measures containers over WINDOW_S and returns rows as `docker stats` prints them."""
    states = [(container, container.state()) for container in containers]
    began = time.monotonic()
    before = [usage_of(state).cpu_s for _, state in states]
    if any(state.running for _, state in states):
        time.sleep(WINDOW_S)
    elapsed_s = time.monotonic() - began
    return [
        _row(container, state, earlier, elapsed_s) for (container, state), earlier in zip(states, before, strict=True)
    ]


def _row(container: Container, state: State, cpu_before_s: float, elapsed_s: float) -> dict[str, str]:
    now = usage_of(state)
    limit = state.group.memory_limit_bytes or total_memory_bytes()
    read, written = disk_bytes(now.pids)
    # Also docker's figure is per core: 100 % is one core, and it falls to 0 when the container has ended meanwhile.
    cpu_percent = max(0.0, now.cpu_s - cpu_before_s) / elapsed_s * 100 if elapsed_s else 0.0
    return {
        "BlockIO": f"{decimal_size(read)} / {decimal_size(written)}",
        "CPUPerc": f"{cpu_percent:.2f}%",
        "Container": container.short_id,
        "ID": container.short_id,
        "MemPerc": f"{now.working_set_bytes / limit * 100:.2f}%",
        "MemUsage": f"{binary_size(now.working_set_bytes)} / {binary_size(limit)}",
        "Name": container.definition.name,
        "NetIO": "0B / 0B",  # containers share the host's network: docker shows the same there
        "PIDs": str(len(now.pids)),
    }
