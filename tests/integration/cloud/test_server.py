import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.cloud.conftest import ROOT, Cloud, command, free_port

pytestmark = pytest.mark.integration


def test_the_first_line_says_that_it_is_moto_and_a_signal_ends_it_without_a_traceback(tmp_path: Path) -> None:
    with subprocess.Popen(
        command(Cloud(free_port(), free_port(), tmp_path)), cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(timeout=20) == 0
    assert "moto" in line
    assert "rehearsal only" in line
    assert rest == ""
    assert time.monotonic() - began < 10


def test_a_taken_port_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        cloud = Cloud(port, free_port(), tmp_path)
        ended = subprocess.run(command(cloud), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert f"port {port} of 127.0.0.1 cannot be listened on" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_account_id_of_another_length_is_refused(tmp_path: Path) -> None:
    arguments = [*command(Cloud(free_port(), free_port(), tmp_path)), "--account-id", "42"]
    ended = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "seen '42', wanted 12 digits" in ended.stderr
