"""Registers Rampart with a Prefect server: block types, work pools, deployments, automations.

As a command, from the checkout's root: ``python -m deployments.register``. It may be called again at any time.
"""

from __future__ import annotations

import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import httpx
from prefect.cli import app as prefect_command
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, PrefectException
from prefect.settings import PREFECT_API_URL

from blocks.load_profile import LoadProfile
from blocks.models.errors import Failed, RampartError
from blocks.perf_environment import PerfEnvironment
from deployments.automations import ALARM_BLOCK, apply_automations
from tasks.clients.processes import Completed

ROOT = Path(__file__).parents[1]
POOLS = ("rampart", "rampart-teardown")
"""The pools of deployments/prefect.yaml. Runs have the first; teardowns, the janitor and reports the second, so that a
long run never keeps them waiting."""


def register() -> tuple[str, ...]:
    """Register everything and return what was done, a line each.

    Raises:
        Failed: Prefect refused a part.
    """
    with get_client(sync_client=True) as client:
        for pool in POOLS:
            try:
                client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
            except ObjectAlreadyExists:
                continue
    with ThreadPoolExecutor(1) as executor:
        registered = executor.submit(register_block_types)
        _deploy()
        registered.result()
    with get_client(sync_client=True) as client:
        names = apply_automations(client)
        told = any(document.name == ALARM_BLOCK for document in client.read_block_documents())
    hint = (
        ""
        if told
        else f" (make a notification block named {ALARM_BLOCK} and register again to be told when the janitor is overdue)"
    )
    return (
        "blocks: Perf Environment, Load Profile",
        f"work pools: {', '.join(POOLS)}; each needs a worker",
        "deployments: those of deployments/prefect.yaml",
        f"automations: {', '.join(name.removeprefix('rampart: ') for name in names)}{hint}",
    )


def register_block_types() -> None:
    """Register the block types, so that blocks can be saved."""
    PerfEnvironment.register_type_and_schema()
    LoadProfile.register_type_and_schema()


def _deploy() -> None:
    """Deploy by Prefect's own command, in this process: in one of its own it would import every flow again, for seconds."""
    os.environ.setdefault("RAMPART_DIRECTORY", str(ROOT))
    said, arguments = io.StringIO(), sys.argv
    sys.argv = ["prefect", "--no-prompt", "deploy", "--prefect-file", "deployments/prefect.yaml", "--all"]
    try:
        with redirect_stdout(said), redirect_stderr(said), chdir(ROOT):
            prefect_command()
    except SystemExit as ended:
        if ended.code:
            last = Completed(1, said.getvalue(), "").last_line
            raise Failed(
                f"prefect deploy ended with {ended.code}: {last}. See whether Prefect's server answers, and register again."
            ) from ended
    finally:
        sys.argv = arguments


def main() -> int:
    """Register; exit code 0 when everything is registered, 2 when it is not said where."""
    address = PREFECT_API_URL.value()
    if not address:
        sys.stderr.write(
            "PREFECT_API_URL is not set; wanted is your Prefect server's address, such as http://prefect.example:4200/api.\n"
        )
        return 2
    try:
        for line in register():
            sys.stdout.write(f"{line}\n")
    except httpx.HTTPError as error:
        sys.stderr.write(
            f"Prefect at {address} did not answer ({type(error).__name__}); see whether its server runs, or correct PREFECT_API_URL.\n"
        )
        return 1
    except (RampartError, PrefectException) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
