"""However a run dies: nothing with its tag is left, no k6 and no Terraform lives, the lease is released, the report exists.

``KILLMATRIX=full`` runs every cell, else those of the short form. Rows are appended to runs/killmatrix.json with a hash of
the code, and stay valid while it is unchanged: a suite that is started again goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.disks import small_disk
from tests.killmatrix import results
from tests.killmatrix.cells import MATRIX, SHORT, Cell
from tests.killmatrix.faults import Door
from tests.killmatrix.measures import janitor_helped, seconds_from_heartbeat, seconds_to_teardown
from tests.killmatrix.moments import reach
from tests.killmatrix.ways import die, janitor
from tests.killmatrix.world import World, until
from tests.rehearsal.standing import PROJECT, Prefect

pytestmark = [
    pytest.mark.rehearsal,
    pytest.mark.timeout(1200),
    # The stack's processes outlive whoever starts them again.
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]

_SCHEMA = json.loads((PROJECT / "docs" / "record.schema.json").read_text())
# From dying to clean: 94 s until a silent run counts as crashed, the janitor's start, a destroy of 30 s with its tries.
_CLEAN_S = 420.0
# Two stacks on a busy machine can make one smoke test too slow.
_BEGINNINGS = 3
# Room for a run, its reserves included.
_DISK_MB = 96
_FULL = os.environ.get("KILLMATRIX") == "full"
_CELLS = [
    pytest.param(cell, repeat, id=f"{cell}-{repeat}")
    for cell in (MATRIX if _FULL else SHORT)
    for repeat in range(1, (cell.repeats if _FULL else 1) + 1)
]


@pytest.fixture
def world(prefect: Prefect, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    found = World(prefect)
    if request.node.callspec.params["cell"].way != "disk-full":
        yield found
        return
    with small_disk(tmp_path / "runs", _DISK_MB) as folder, prefect.changed(runs_folder=str(folder)):
        found.runs = folder
        yield found


@pytest.mark.parametrize(("cell", "repeat"), _CELLS)
def test_nothing_outlives_a_run(cell: Cell, repeat: int, world: World, aws: Door) -> None:
    if results.kept(cell, repeat):
        return
    _begin(world, cell)
    died = time.monotonic()
    die(world, cell.way, aws)
    row = _until_clean(world, cell, died)
    results.append(cell, repeat, row)
    assert row["leftovers"] == []
    assert row["record_valid"], row
    assert row["report_exists"], row


def _begin(world: World, cell: Cell) -> None:
    """Bring a run to the moment; one that ended before, and is clean, is begun again."""
    for _ in range(_BEGINNINGS):
        world.begin(**_form(cell))
        if reach(world, cell.moment):
            return
        until(lambda: is_clean(world), "a run that ended too early left nothing", _CLEAN_S, poll_s=1.0)
    pytest.fail(f"{_BEGINNINGS} runs ended before {cell.moment}; the last one: {world.record().get('reason')}")


def _form(cell: Cell) -> dict[str, Any]:
    form: dict[str, Any] = {"advance": "auto"}
    if cell.moment in {"pause", "triage"}:
        form = {"advance": "by-hand"}
    if cell.way == "approval-timeout":
        form["profile"] = "killmatrix-impatient"
    if cell.moment == "triage":
        form["profile"] = "killmatrix-strict" if cell.way != "approval-timeout" else "killmatrix-strict-impatient"
    if cell.moment == "evidence":
        form["start_stage"] = 1
    return form


def is_clean(world: World) -> bool:
    """Whether nothing of the run is left, and all is said; what is cheap to ask is asked first."""
    return (
        (world.folder / "report.html").is_file()
        and world.has("run_closed")
        and world.ended()
        and bool(world.lease().get("released"))
        and not world.terraforms()
        and not world.providers()
        and not world.loads()
        and not world.left()
    )


def _until_clean(world: World, cell: Cell, died: float) -> dict[str, Any]:
    """Wait until nothing is left and everything is said, and return what was seen at the end."""

    def clean() -> bool:
        if cell.way in {"kill-worker", "kill-sshd", "no-route", "kill-prefect"}:
            world.answer("halt")
        return is_clean(world)

    try:
        until(clean, f"nothing is left after {cell}", _CLEAN_S, poll_s=1.0)
    except AssertionError:
        janitor(world)
        until(clean, f"nothing is left after {cell} and the janitor", _CLEAN_S, poll_s=1.0)
    seconds = round(time.monotonic() - died, 1)
    record, events = world.record(), world.events()
    # Of a run whose worker lives, the worker says that it died.
    beats = world.heartbeats() if cell.way == "kill-both" else []
    errors = list(jsonschema.Draft202012Validator(_SCHEMA).iter_errors(record))
    return {
        "seconds_to_clean": seconds,
        "leftovers": world.left(),
        "record_valid": not errors and record["run_id"] == world.run_id,
        "report_exists": (world.folder / "report.html").stat().st_size > 0,
        "seconds_to_teardown": seconds_to_teardown(events, died),
        "seconds_from_heartbeat": seconds_from_heartbeat(events, died, beats),
        "janitor_helped": janitor_helped(events),
        "verdict": record.get("verdict"),
        "reason": record.get("reason"),
    }
