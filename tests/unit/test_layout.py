from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def folders(home: str) -> list[str]:
    """The home and the runs folder of a stack that is started with a home."""
    done = subprocess.run(
        [sys.executable, "-c", "from deployments.rehearsal import layout; print(layout.HOME, layout.RUNS, sep='\\n')"],
        cwd=PROJECT, env={**os.environ, "REHEARSAL_HOME": home}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


@pytest.mark.parametrize("home", ["", ".rehearsal", str(PROJECT / ".rehearsal")])
def test_the_default_stack_keeps_its_runs_in_the_checkout(home: str) -> None:
    assert folders(home) == [str(PROJECT / ".rehearsal"), str(PROJECT / "runs")]


def test_a_stack_with_a_home_of_its_own_keeps_its_runs_there(tmp_path: Path) -> None:
    assert folders(str(tmp_path)) == [str(tmp_path), str(tmp_path / "runs")]
    assert folders(".rehearsal/second") == [str(PROJECT / ".rehearsal/second"), str(PROJECT / ".rehearsal/second/runs")]
