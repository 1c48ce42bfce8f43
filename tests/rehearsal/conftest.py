"""A stack that stands while the tests of a module run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deployments.rehearsal import layout
from tests.rehearsal.standing import PROJECT, Prefect


@pytest.fixture(scope="module")
def prefect() -> Iterator[Prefect]:
    rehearsal = [sys.executable, "-m", "deployments.rehearsal"]
    up = subprocess.run([*rehearsal, "up"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert up.returncode == 0, up.stdout + up.stderr
    try:
        ports = json.loads(layout.STATE.read_text())["ports"]
        running = Prefect(f"http://127.0.0.1:{ports['prefect']}")
        with running.http:
            yield running
    finally:
        subprocess.run([*rehearsal, "down"], cwd=PROJECT, check=True, capture_output=True)
