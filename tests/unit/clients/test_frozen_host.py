"""A host that takes a connection and then says nothing any more keeps nobody waiting for ever."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from blocks.models.errors import Unavailable
from blocks.models.settings import SshAccess
from tasks.clients import hosts
from tasks.clients.hosts import Host

_LOCALHOST = "127.0.0.1"


class _Sshd(paramiko.ServerInterface):  # type: ignore[misc] # Paramiko has no types
    """A real SSH server whose answers can be held back."""

    def __init__(self, key: paramiko.PKey) -> None:
        self.key = key
        self.answering_channels, self.answering_requests = threading.Event(), threading.Event()
        self.answering_channels.set()
        self.transports: list[paramiko.Transport] = []
        self.listener = socket.create_server((_LOCALHOST, 0))
        self.port = int(self.listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.answering_channels.set()
        self.answering_requests.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self.listener.close()
        for transport in self.transports:
            transport.close()

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 - Paramiko's signature
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:  # noqa: ARG002 - Paramiko's signature
        return int(paramiko.AUTH_SUCCESSFUL)

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 - Paramiko's signature
        self.answering_channels.wait()
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:  # noqa: ARG002
        return self.answering_requests.wait()

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:  # noqa: ARG002
        return self.answering_requests.wait()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self.key)
            self.transports.append(transport)
            transport.start_server(server=self)


@pytest.fixture
def sshd(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Sshd]:
    monkeypatch.setattr(hosts, "_CHANNEL_S", 0.5)
    server = _Sshd(paramiko.ECDSAKey.generate())
    yield server
    server.close()


@pytest.fixture
def host(sshd: _Sshd, tmp_path: Path) -> Host:
    sshd.key.write_private_key_file(str(tmp_path / "key"))
    access = SshAccess(user="ubuntu", port=sshd.port, private_key=tmp_path / "key")
    made = Host(_LOCALHOST, access, known_hosts=f"{sshd.key.get_name()} {sshd.key.get_base64()}")
    made.open()
    return made


def _ends(act: Callable[[], object]) -> BaseException | None:
    """Do something that must end by itself, and return what it raised."""
    raised: list[BaseException] = []

    def work() -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - handed to the test
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "it waits for ever"
    return raised[0] if raised else None


def test_a_connection_that_was_opened_anew_gives_no_channel(sshd: _Sshd, host: Host) -> None:
    sshd.transports[0].close()
    _ends(lambda: host.run(["true"], timeout_s=0.5))
    sshd.answering_channels.clear()
    error = _ends(lambda: host.run(["true"]))
    assert len(sshd.transports) > 1
    assert isinstance(error, Unavailable)
    assert str(error).endswith("was lost: Timeout opening channel.")


def test_a_command_whose_start_is_not_answered_is_given_up(host: Host) -> None:
    error = _ends(lambda: host.run(["true"]))
    assert isinstance(error, Unavailable)
    assert "was lost: Channel closed" in str(error)


def test_a_session_for_files_that_is_not_answered_is_given_up(host: Host) -> None:
    assert isinstance(_ends(lambda: host.write("text", "file")), Unavailable)
