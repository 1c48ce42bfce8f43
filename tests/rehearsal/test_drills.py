"""A short drill: a fault that is detected, ranked, fixed, and gone on from; `make drills` runs all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from deployments.rehearsal import layout
from deployments.rehearsal.drills.faults import DECISIONS

PROJECT = Path(__file__).parents[2]
LATEST = layout.RUNS / "latest"

pytestmark = [pytest.mark.rehearsal, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("row", ["prisma-pool"])
def test_a_drill_ends_as_the_matrix_says(row: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deployments.rehearsal.drills", "run", row, "--seed", "1"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 2 and "cannot be injected on this machine" in done.stdout:
        pytest.skip(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((LATEST / "drill.json").read_text())
    assert (result["injected_row"], result["detected_row"], result["verdict"]) == (row, row, "PASS")
    assert result["decision"] == DECISIONS[row]
    assert datetime.fromisoformat(result["injected_at"]) < datetime.fromisoformat(result["detected_at"])
    assert result["seconds_to_stopped"] >= result["seconds_to_detected"] > 0
    record = json.loads((LATEST / "record.json").read_text())
    assert record["run_id"] == result["run_id"]
    assert record["teardown"]["leftover"] == []


def test_the_run_of_a_drill_knows_nothing_of_what_was_injected() -> None:
    result = json.loads((LATEST / "drill.json").read_text())
    for file in LATEST.rglob("*"):
        if (
            file.is_file()
            and file.name != "drill.json"
            and file.suffix in {".json", ".jsonl", ".md", ".html", ".txt", ".log"}
        ):
            text = file.read_text(errors="replace")
            assert "injected" not in text, file
            assert result["injected_at"] not in text, file
