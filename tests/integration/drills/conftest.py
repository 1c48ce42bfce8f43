from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deployments.rehearsal.drills.sut import AdminPorts
from tests.integration.sut.ebit import Ebit

SERVICES = ("api", "auth", "bet", "rt", "worker")
USER = {"email": "player@ebit.test", "password": "correct horse"}


@pytest.fixture(scope="session")
def ebit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ebit]:
    running = Ebit(tmp_path_factory.mktemp("ebit"), LOAD_TEST_BYPASS="open sesame")
    try:
        running.start()
        running.prepare()
        httpx.post(f"{running.api_url}/api/auth/signup", json=USER).raise_for_status()
        yield running
    finally:
        running.stop()


@pytest.fixture
def services(ebit: Ebit) -> Iterator[AdminPorts]:
    """The admin ports; what a test changes is as before after it."""
    ports = AdminPorts({f"{name}_admin": int(ebit.variables[f"{name.upper()}_ADMIN_PORT"]) for name in SERVICES})
    before = {name: ports.read(name) for name in SERVICES}
    try:
        yield ports
    finally:
        for name, settings in before.items():
            ports.change(name, settings)


@pytest.fixture(scope="session")
def token(ebit: Ebit) -> str:
    signed_in = httpx.post(f"{ebit.api_url}/api/auth/signin", json=USER).raise_for_status()
    return str(signed_in.json()["accessToken"])


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[Ebit]:
    """A system of which a service may be killed."""
    running = Ebit(tmp_path)
    try:
        running.start()
        yield running
    finally:
        running.stop()
