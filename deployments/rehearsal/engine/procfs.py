"""Facts about processes, read from /proc: who lives, who descends from whom, what they use."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")

_AFTER_NAME_STATE, _AFTER_NAME_PARENT, _AFTER_NAME_TICKS, _AFTER_NAME_START = 0, 1, slice(11, 15), 19
"""Places in /proc/<pid>/stat counted after the name in brackets (proc(5): state is field 3)."""


@dataclass(frozen=True)
class Identity:
    """A process that cannot be mistaken for a later one with the same pid.

    Attributes:
        pid: Process id.
        start_ticks: Start time in clock ticks since boot, field 22 of /proc/<pid>/stat.
    """

    pid: int
    start_ticks: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        fields = _stat(self.pid)
        return bool(fields) and int(fields[_AFTER_NAME_START]) == self.start_ticks and fields[0] not in "ZX"


def identify(pid: int) -> Identity | None:
    """Returns the identity of a running pid, or None."""
    fields = _stat(pid)
    return Identity(pid, int(fields[_AFTER_NAME_START])) if fields else None


def descendants(pid: int) -> list[int]:
    """Returns the children of a process, their children, and so on; without the process itself."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        current = waiting.pop()
        children = _children(current)
        found += children
        waiting += children
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Returns user and system time of processes and of their children that have ended."""
    ticks = 0
    for pid in pids:
        if fields := _stat(pid):
            ticks += sum(int(field) for field in fields[_AFTER_NAME_TICKS])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_bytes(pids: Iterable[int]) -> int:
    """Returns the sum of resident memory; pages shared between the processes count more than once."""
    pages = 0
    for pid in pids:
        try:
            pages += int((PROC / str(pid) / "statm").read_text().split()[1])
        except (OSError, IndexError):
            continue
    return pages * os.sysconf("SC_PAGE_SIZE")


def disk_bytes(pids: Iterable[int]) -> tuple[int, int]:
    """Returns bytes read from and written to disk; 0 where /proc does not tell."""
    read = written = 0
    for pid in pids:
        try:
            lines = (PROC / str(pid) / "io").read_text().splitlines()
        except OSError:
            continue
        counts = dict(line.split(": ") for line in lines)
        read, written = read + int(counts["read_bytes"]), written + int(counts["write_bytes"])
    return read, written


def total_memory_bytes() -> int:
    """Returns the machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _stat(pid: int) -> list[str]:
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return []


def _children(pid: int) -> list[int]:
    tasks = PROC / str(pid) / "task"
    try:
        return [int(c) for task in tasks.iterdir() for c in (task / "children").read_text().split()]
    except FileNotFoundError:
        if not tasks.is_dir():
            return []
    except (ProcessLookupError, PermissionError):
        return []
    # A kernel without CONFIG_PROC_CHILDREN: look at every process once.
    parents = {int(path.name): _stat(int(path.name)) for path in PROC.iterdir() if path.name.isdigit()}
    return [child for child, fields in parents.items() if fields and int(fields[_AFTER_NAME_PARENT]) == pid]
