"""A real Prefect server of the tests' own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

LOCALHOST = "127.0.0.1"
_DATABASE = Path(__file__).parents[2] / ".tools" / "prefect" / "prefect.db"


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server's API; Prefect's client in this process uses it. One for all tests: more would fight."""
    folder = tmp_path_factory.mktemp("prefect")
    with prefect_server(folder) as url, temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: folder}):
        yield url


@contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """Serve a Prefect with its data in a folder; gives the address of its API."""
    with socket.create_server((LOCALHOST, 0)) as free:
        port = int(free.getsockname()[1])
    url = f"http://{LOCALHOST}:{port}/api"
    # The set-up's: to migrate an empty one takes longer than most tests.
    shutil.copy(_DATABASE, folder)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", LOCALHOST, "--port", str(port)],
            env={
                **os.environ, "PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1",
                "PREFECT_API_URL": url,
                # The types of other services' blocks take seconds to register.
                "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
            },
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for(f"{url}/health", server, folder / "log")
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            if httpx.get(url, timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
