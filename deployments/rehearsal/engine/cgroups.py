"""Control groups of containers: real limits and counters where this user may make groups, nothing claimed where not.

Version 1: one folder a controller (memory, cpu, cpuacct). Version 2: one folder with memory and cpu enabled. Groups are
`<mount>/rampart-rehearsal/<name>`, beside nobody else's, as docker's are `<mount>/docker/<id>`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PARENT_NAME = "rampart-rehearsal"
CPU_PERIOD_US = 100_000
"""Length of a CPU accounting period, docker's default (--cpu-period)."""

# What all groups together weigh against a process that is in none, which weighs 1: the kernel's default lets a whole system
# under test and its load count as a single process beside Prefect, Terraform and a browser.
_WEIGHT = 4
_REMOVE_WITHIN_S = 3.0
_NANO, _MICRO = 1_000_000_000, 1_000_000


@dataclass(frozen=True)
class Group:
    """The control group of one container.

    Attributes:
        folders: Controller ("memory", "cpu", "cpuacct") -> its folder; version 2 has the same folder for each.
        version: 1 or 2; 0 = none.
        memory_limit_bytes: Limit read back from the kernel; 0 = none in force.
        cpu_quota_us: CPU time per CPU_PERIOD_US; 0 = none in force.
    """

    folders: Mapping[str, Path]
    version: int
    memory_limit_bytes: int = 0
    cpu_quota_us: int = 0

    def read_number(self, controller: str, file: str, key: str = "") -> int | None:
        """Returns a number of a control file (or of the line that starts with `key`), or None if there is none."""
        folder = self.folders.get(controller)
        if folder is None:
            return None
        try:
            lines = (folder / file).read_text().splitlines()
        except OSError:
            return None
        words = next((line.split() for line in lines if not key or line.startswith(key + " ")), ["0"])
        return int(words[-1]) if words[-1].isdigit() else None

    def oom_kills(self) -> int:
        """Returns how many processes of the group the kernel killed for memory."""
        file = "memory.oom_control" if self.version == 1 else "memory.events"
        return self.read_number("memory", file, "oom_kill") or 0

    def memory_bytes(self) -> tuple[int, int] | None:
        """Returns usage and working set (usage without inactive file pages: what cadvisor and docker stats show)."""
        usage = self.read_number("memory", "memory.usage_in_bytes" if self.version == 1 else "memory.current")
        if usage is None:
            return None
        inactive_key = "total_inactive_file" if self.version == 1 else "inactive_file"
        return usage, max(0, usage - (self.read_number("memory", "memory.stat", inactive_key) or 0))

    def cpu_seconds(self) -> float | None:
        """Returns CPU time used by the group since it was made, or None if nobody counts it."""
        if self.version == 1:
            used = self.read_number("cpuacct", "cpuacct.usage")
            return None if used is None else used / _NANO
        used = self.read_number("cpu", "cpu.stat", "usage_usec")
        return None if used is None else used / _MICRO

    def processes(self) -> list[int]:
        """Returns the pids in the group."""
        pids: set[int] = set()
        for folder in set(self.folders.values()):
            with contextlib.suppress(OSError):
                pids |= {int(line) for line in (folder / "cgroup.procs").read_text().split()}
        return sorted(pids)

    def join(self) -> None:
        """Moves the calling process into the group, as far as it may."""
        for folder in set(self.folders.values()):
            with contextlib.suppress(OSError):
                (folder / "cgroup.procs").write_text("0")

    def remove(self) -> None:
        """Removes the group's folders; its processes must have ended (the kernel needs a moment after that)."""
        for folder in set(self.folders.values()):
            deadline = time.monotonic() + _REMOVE_WITHIN_S
            while folder.exists():
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    continue
                if time.monotonic() > deadline:
                    break
                time.sleep(0.01)
            with contextlib.suppress(OSError):
                folder.parent.rmdir()


NO_GROUP = Group({}, 0)


def create(name: str, memory_bytes: int, nano_cpus: int) -> Group:
    """Makes a group with limits, as far as this user may; what could not be set is not in the result.

    Args:
        name: Name of the group.
        memory_bytes: Memory limit; swap is not granted on top. 0 = none.
        nano_cpus: Billionths of a CPU; 0 = none.
    """
    folders = _version_1(name)
    version = 1
    if "memory" not in folders:
        found = _version_2(name)
        if found is not None:
            folders, version = dict.fromkeys(("memory", "cpu"), found), 2
    if not folders:
        return NO_GROUP
    _weigh(folders, version)
    quota_us = nano_cpus * CPU_PERIOD_US // _NANO
    memory = _limit_memory(folders, version, memory_bytes) if memory_bytes else 0
    cpu = quota_us if quota_us and _limit_cpu(folders, version, quota_us) else 0
    return Group(folders, version, memory, cpu)


def group_of(pid: int) -> Group:
    """Finds the group a process is in, made by whomever; NO_GROUP when it has ended. Limits are not read."""
    try:
        lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    except OSError:
        return NO_GROUP
    paths = {controller: path.lstrip("/") for _, names, path in lines for controller in names.split(",")}
    folders: dict[str, Path] = {
        controller: mount / paths[controller]
        for mount, options in _mounts("cgroup")
        for controller in ("memory", "cpu", "cpuacct")
        if controller in options and controller in paths
    }
    if "memory" in folders:
        return Group(folders, 1)
    # Version 2 has one line, with no controllers in it.
    unified = [mount / paths[""] for mount, _ in _mounts("cgroup2") if "" in paths]
    return Group(dict.fromkeys(("memory", "cpu"), unified[0]), 2) if unified else NO_GROUP


def probe() -> Group:
    """Says what limits can be enforced: makes a group with both, reads it back, removes it."""
    group = create(f"probe-{os.getpid()}", 64 * 1024 * 1024, _NANO)
    group.remove()
    return group


def _version_1(name: str) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for mount, options in _mounts("cgroup"):
        for controller in ("memory", "cpu", "cpuacct"):
            if controller in options and (made := _make(mount / PARENT_NAME / name)):
                folders[controller] = made
    return folders


def _version_2(name: str) -> Path | None:
    for mount, _ in _mounts("cgroup2"):
        own = mount / _own_path().lstrip("/")
        # Nearest delegated group first would forbid processes in it: look from the top, where a root user may.
        for base in (mount, *reversed([own, *own.parents])):
            if not base.is_relative_to(mount) or "memory" not in _words(base / "cgroup.controllers"):
                continue
            parent = base / PARENT_NAME
            if _make(parent) is None:
                continue
            for controller in ("+memory", "+cpu"):
                with contextlib.suppress(OSError):
                    (parent / "cgroup.subtree_control").write_text(controller)
            made = _make(parent / name)
            if made is not None and (made / "memory.max").exists():
                return made
            for folder in filter(None, (made, parent)):
                with contextlib.suppress(OSError):
                    folder.rmdir()
    return None


def _make(folder: Path) -> Path | None:
    for _ in range(3):  # another command may remove the empty parent in between
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        if os.access(folder / "cgroup.procs", os.W_OK):
            return folder
        with contextlib.suppress(OSError):
            folder.rmdir()
        return None
    return None


def _limit_memory(folders: Mapping[str, Path], version: int, limit_bytes: int) -> int:
    folder = folders.get("memory")
    if folder is None:
        return 0
    limit, swap = (
        ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes") if version == 1 else ("memory.max", "memory.swap.max")
    )
    try:
        (folder / limit).write_text(str(limit_bytes))
        in_force = int((folder / limit).read_text())
    except (OSError, ValueError):
        return 0
    with contextlib.suppress(OSError):  # a kernel without swap accounting has no such file
        (folder / swap).write_text(str(limit_bytes) if version == 1 else "0")
    # The kernel rounds down to pages; a much larger value would mean that nothing was set.
    return in_force if in_force <= limit_bytes else 0


def _limit_cpu(folders: Mapping[str, Path], version: int, quota_us: int) -> bool:
    folder = folders.get("cpu")
    if folder is None:
        return False
    try:
        if version == 1:
            (folder / "cpu.cfs_period_us").write_text(str(CPU_PERIOD_US))
            (folder / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            (folder / "cpu.max").write_text(f"{quota_us} {CPU_PERIOD_US}")
    except OSError:
        return False
    return True


def _weigh(folders: Mapping[str, Path], version: int) -> None:
    """Give the groups' parent its weight, where this user may."""
    file, one_process = ("cpu.shares", 1024) if version == 1 else ("cpu.weight", 100)
    if "cpu" in folders:
        with contextlib.suppress(OSError):
            (folders["cpu"].parent / file).write_text(str(one_process * _WEIGHT))


def _mounts(kind: str) -> list[tuple[Path, list[str]]]:
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [(Path(words[1]), words[3].split(",")) for words in lines if words[2] == kind]


def _own_path() -> str:
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "/")


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
