"""Starting the stand-in with what cannot work: one sentence, no traceback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.grafana.servers import DASHBOARDS, EDITOR, ROOT, free_port

pytestmark = pytest.mark.integration


def _start(port: int, dashboards: Path, state: Path, token: str = EDITOR) -> subprocess.CompletedProcess[str]:
    command = [
        *(sys.executable, "-m", "deployments.rehearsal.grafana", "--port", str(port)),
        *("--prometheus-url", "http://127.0.0.1:9", "--jaeger-url", "http://127.0.0.1:9"),
        *("--dashboards", str(dashboards), "--state", str(state)),
    ]
    environment = {**os.environ, "GRAFANA_TOKEN": token}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=False)


def test_a_port_already_taken_ends_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = _start(port, DASHBOARDS, tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert f"Port {port}" in ended.stderr


def test_a_missing_token_ends_in_one_sentence(tmp_path: Path) -> None:
    ended = _start(free_port(), DASHBOARDS, tmp_path, token="")
    assert ended.returncode == 2
    assert "GRAFANA_TOKEN is empty" in ended.stderr


def test_a_missing_dashboard_folder_ends_in_one_sentence(tmp_path: Path) -> None:
    ended = _start(free_port(), tmp_path / "none", tmp_path)
    assert ended.returncode == 2
    assert "is not a folder" in ended.stderr
