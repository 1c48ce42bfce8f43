"""The load generator as a host of its own: an address, an sshd, and one CPU for all that is started over it."""

from __future__ import annotations

import contextlib

from deployments.rehearsal.engine.cgroups import Group, create

LOADGEN_ADDRESS = "127.0.0.2"
"""Where the load generator's sshd listens; all of 127.0.0.0/8 is this machine."""
LOADGEN_NANO_CPUS = 1_000_000_000
"""The load generator's CPU: one core. What uses it up takes it from k6, and not from the system under test."""


def loadgen_group(ssh_port: int) -> Group:
    """Make, or find, the load generator's control group.

    Args:
        ssh_port: port of its sshd, which tells the rehearsals of a machine apart.

    Returns:
        The group; without a quota in it where this user may set none.
    """
    return create(f"loadgen-{ssh_port}", 0, LOADGEN_NANO_CPUS)


def enter(group: Group, pid: int) -> None:
    """Put a process on the load generator's CPU; what it starts from then on is there too."""
    for folder in {group.folders[name] for name in ("cpu", "cpuacct") if name in group.folders}:
        with contextlib.suppress(OSError):
            (folder / "cgroup.procs").write_text(str(pid))
