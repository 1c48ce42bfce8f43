"""This machine's architecture by docker's name."""

from __future__ import annotations

import os

_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


def host_architecture() -> str:
    """Returns `amd64`, `arm64`, or the kernel's own name for anything else."""
    machine = os.uname().machine
    return _NAMES.get(machine, machine)
