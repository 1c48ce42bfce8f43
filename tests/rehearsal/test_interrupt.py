"""Ctrl-C in the middle of a rehearsal: everything is torn down and nothing is left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from deployments.rehearsal import layout

PROJECT = Path(__file__).parents[2]

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(600)]


def _processes_of_the_stack() -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "environ", "pid"]):
        line, environment = " ".join(process.info["cmdline"] or []), process.info["environ"] or {}
        if f"{layout.HOME}/" in line or environment.get("REHEARSAL_HOME") == str(layout.HOME):
            found.append(f"{process.info['pid']} {line[:120]}")
    return found


@pytest.mark.parametrize("moment", [pytest.param("Apply the plan", marks=pytest.mark.slow), "stage 2 rises"])
def test_ctrl_c_tears_down_and_leaves_nothing(moment: str, tmp_path: Path) -> None:
    log = tmp_path / "rehearsal.log"
    before = set(_processes_of_the_stack())
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deployments.rehearsal", "run"], cwd=PROJECT, stdout=output, stderr=subprocess.STDOUT
        )
    deadline = time.monotonic() + 300
    while moment not in log.read_text():
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(300) == 130, log.read_text()[-3000:]
    assert "Traceback" not in log.read_text()
    record = json.loads((layout.RUNS / "latest" / "record.json").read_text())
    assert record["verdict"] != "PASS"
    assert record["teardown"]["verdict"] == "PASS", record["teardown"]
    assert record["teardown"]["leftover"] == []
    assert (layout.RUNS / "latest" / "report.html").is_file()
    assert set(_processes_of_the_stack()) - before == set()
