from __future__ import annotations

import socket
from pathlib import Path

import pytest

from blocks.models.errors import Refused
from deployments.rehearsal import layout
from deployments.rehearsal.ports import NAMES, choose_ports

BLOCK = 32
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(Refused, match=f"Port {port} for prefect is already taken"):
            choose_ports({"prefect": port})


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(Refused, match=f"Port {port} for prefect"):
        choose_ports({"prefect": port})


def test_every_server_gets_a_port_of_its_own_in_one_block_below_those_of_outgoing_connections() -> None:
    chosen = choose_ports({})
    assert set(chosen) == set(NAMES)
    assert len(set(chosen.values())) == len(NAMES)
    assert len({(port - 20_000) // BLOCK for port in chosen.values()}) == 1
    assert min(chosen.values()) >= 20_000
    assert max(chosen.values()) < min(32_768, int(EPHEMERAL.read_text().split()[0]))


def test_a_home_has_the_same_ports_at_each_start_and_another_home_has_others(monkeypatch: pytest.MonkeyPatch) -> None:
    first = choose_ports({})
    assert choose_ports({}) == first
    monkeypatch.setattr(layout, "HOME", layout.HOME / "another")
    assert not set(choose_ports({}).values()) & set(first.values())


def test_a_stack_goes_to_the_next_block_when_any_port_of_its_own_is_taken() -> None:
    first = choose_ports({})
    # The load generator's sshd has another address; a block has more ports than a stack has servers.
    with socket.create_server(("127.0.0.2", first["prefect"] + BLOCK - 1)):
        second = choose_ports({})
    assert not set(second.values()) & set(first.values())
    assert choose_ports({}) == first


def test_a_connection_that_ended_does_not_move_a_stack() -> None:
    first = choose_ports({})
    with socket.create_server(("127.0.0.1", first["prefect"])) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        # The server's side ends first, so it is the one whose port waits.
        accepted.close()
        client.close()
    assert choose_ports({}) == first


def test_a_wanted_port_is_not_given_to_another_server() -> None:
    first = choose_ports({})
    chosen = choose_ports({"prefect": first["aws"]})
    assert chosen["prefect"] == first["aws"]
    assert len(set(chosen.values())) == len(NAMES)
