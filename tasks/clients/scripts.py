"""k6 on the worker: reading what a script asks for, without running it."""

from __future__ import annotations

import json
import shutil
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blocks.models.errors import Refused
from tasks.clients.processes import run_command

# ELF e_machine of the architectures AWS offers (System V ABI).
_ELF_MACHINES = {0x3E: "x86_64", 0xB7: "arm64"}


def inspect_script(
    k6: str, checkout: Path, script: Path, environment: Mapping[str, str], users_file: Path
) -> dict[str, Any]:
    """Return the script's resolved options.

    The script is read in a temporary copy of its folder tree, because it may open files that provisioning will
    create: a missing users file is replaced there by a generated sample.

    Args:
        k6: the worker's k6.
        checkout: the system's repository.
        script: the script, relative to the checkout.
        environment: what the script finds in ``__ENV``.
        users_file: the users file, relative to the checkout.

    Raises:
        Refused: the script is not in a folder of the checkout, is missing or does not parse; says k6's own error.
    """
    if script.is_absolute() or ".." in script.parts or len(script.parts) == 1:
        raise Refused(
            f"The k6 script {script} is in no folder of the checkout; wanted is a path such as tests-perf/{script.name}, "
            "because its folder goes to the load generators: move it there, or correct the load profile."
        )
    if not (checkout / script).is_file():
        raise Refused(f"The checkout {checkout} has no k6 script {script}; set the script of the load profile.")
    with tempfile.TemporaryDirectory(prefix="rampart-inspect-") as folder:
        root = Path(folder)
        top = script.parts[0]
        shutil.copytree(checkout / top, root / top, ignore=shutil.ignore_patterns("node_modules", "results"))
        sample = root / users_file
        if not sample.exists():
            sample.parent.mkdir(parents=True, exist_ok=True)
            sample.write_text(json.dumps([{"email": "sample@example.org", "password": "sample"}]))
        arguments = [item for key, value in environment.items() for item in ("-e", f"{key}={value}")]
        completed = run_command(
            [k6, "inspect", "--execution-requirements", *arguments, str(root / script)],
            environment={"K6_AUTO_EXTENSION_RESOLUTION": "false", "K6_NO_COLOR": "true"},
            timeout_s=60.0,
        )
        if completed.code != 0:
            said = completed.last_line.replace(str(root) + "/", "").replace("file://", "")
            raise Refused(f"k6 cannot read {script}: {said[:300]}; wanted is a script that `k6 inspect` accepts.")
        shown: dict[str, Any] = json.loads(completed.stdout)
        return shown


def binary_architecture(binary: Path) -> str:
    """Return ``x86_64`` or ``arm64`` of an ELF binary.

    Raises:
        Refused: it is missing or no such binary.
    """
    found = binary if binary.is_file() else Path(shutil.which(str(binary)) or "")
    if not found.is_file():
        raise Refused(f"The load generators' k6 binary {binary} is missing; download it for their architecture.")
    with found.open("rb") as file:
        head = file.read(20)
    machine = struct.unpack_from("<H", head, 18)[0] if head[:4] == b"\x7fELF" else None
    if machine not in _ELF_MACHINES:
        raise Refused(f"{binary} is no Linux binary for x86_64 or arm64; wanted is the k6 of the load generators.")
    return _ELF_MACHINES[machine]
