"""Measured cells, kept as they come: a suite that is started again goes on where it stopped."""

from __future__ import annotations

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
    rows = [
        *_rows(),
        {"way": cell.way, "moment": cell.moment, "repeat": repeat, "commit": commit, "code": _CODE, **row},
    ]
    FILE.parent.mkdir(exist_ok=True)
    part = FILE.with_suffix(".part")
    part.write_text(json.dumps({"cells": rows}, indent=1))
    part.replace(FILE)


def kept(cell: Cell, repeat: int) -> bool:
    """Whether this code has passed this cell already."""
    same: dict[str, Any] = {"way": cell.way, "moment": cell.moment, "repeat": repeat, "code": _CODE, "leftovers": []}
    return any(all(row.get(key) == value for key, value in same.items()) for row in _rows())


def _rows() -> list[dict[str, Any]]:
    return list(json.loads(FILE.read_text())["cells"]) if FILE.exists() else []
