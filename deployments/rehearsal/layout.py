"""Where the rehearsal keeps its things: everything below its home, results below runs.

The home is .rehearsal, or what REHEARSAL_HOME names: two stacks on one machine have a home each. A home of its own has its
runs too, because a janitor ends every run that its Prefect does not know.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
_DEFAULT_HOME = (PROJECT / ".rehearsal").resolve()
HOME = Path(os.environ.get("REHEARSAL_HOME") or _DEFAULT_HOME).resolve()
RUNS = PROJECT / "runs" if HOME == _DEFAULT_HOME else HOME / "runs"
TOOLS = PROJECT / ".tools"
CHECKOUT_SOURCE = PROJECT / "deployments" / "rehearsal" / "checkout"
CHECKOUT = HOME / "checkout"
STATE = HOME / "stack.json"
LOGS = HOME / "logs"
SUT = HOME / "hosts" / "sut"
LOADGEN = HOME / "hosts" / "loadgen"
WORKER = HOME / "hosts" / "worker"
KEYS = HOME / "keys"
COMPOSE = SUT / "opt" / "ebit"
LOCALHOST = "127.0.0.1"
ACCOUNT = "123456789012"
POOLS = ("rampart", "rampart-teardown")
INSTANCE_TYPES = {"x86_64": "c7i.large", "arm64": "c7g.large"}
"""An instance type of this machine's architecture: what the hosts run is what the machine runs."""


def tool_path() -> str:
    """PATH with the set-up's tools and the virtual environment first."""
    return f"{TOOLS / 'bin'}:{PROJECT / '.venv' / 'bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}"


def architecture() -> str:
    """This machine's architecture as EC2 names it."""
    return "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
