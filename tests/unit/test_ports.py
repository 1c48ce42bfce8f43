from __future__ import annotations

import socket

import pytest

from blocks.models.errors import Refused
from deployments.rehearsal.ports import NAMES, choose_ports


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(Refused, match=f"Port {port} for prefect is already taken"):
            choose_ports({"prefect": port})


def test_every_server_gets_a_port_of_its_own() -> None:
    chosen = choose_ports({})
    assert set(chosen) == set(NAMES)
    assert len(set(chosen.values())) == len(NAMES)
