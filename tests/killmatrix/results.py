"""Measured cells, kept as they come: a suite that is started again goes on where it stopped."""

from __future__ import annotations

import fcntl
import json
import subprocess
from typing import Any

from tests.bench.results import PROJECT, code_hash
from tests.killmatrix.cells import Cell

FILE = PROJECT / "runs" / "killmatrix.json"
# What a cell exercises.
_CODE = code_hash("flows", "tasks", "blocks", "deployments", "tests/killmatrix")


def append(cell: Cell, repeat: int, row: dict[str, Any]) -> None:
    """Keep a cell."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=PROJECT, capture_output=True, text=True, check=False
    ).stdout.strip()
    new = {"way": cell.way, "moment": cell.moment, "repeat": repeat, "commit": commit, "code": _CODE, **row}
    FILE.parent.mkdir(exist_ok=True)
    # Two workers of pytest append to one file.
    with FILE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        part = FILE.with_suffix(".part")
        part.write_text(json.dumps({"cells": [*_rows(), new]}, indent=1))
        part.replace(FILE)


def kept(cell: Cell, repeat: int) -> bool:
    """Whether this code has passed this cell already."""
    passed: dict[str, Any] = {"leftovers": [], "record_valid": True, "report_exists": True}
    same = {"way": cell.way, "moment": cell.moment, "repeat": repeat, "code": _CODE, **passed}
    return any(all(row.get(key) == value for key, value in same.items()) for row in _rows())


def _rows() -> list[dict[str, Any]]:
    return list(json.loads(FILE.read_text())["cells"]) if FILE.exists() else []
