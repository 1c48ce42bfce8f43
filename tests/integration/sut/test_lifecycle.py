import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.integration.sut.ebit import Ebit, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def fresh(tmp_path: Path) -> Ebit:
    return Ebit(tmp_path, REQUEST_LOG="")


def test_before_the_migrations_the_api_is_healthy_and_says_what_is_missing(fresh: Ebit) -> None:
    try:
        fresh.start()
        user = {"email": "a@ebit.test", "password": "correct horse"}
        answer = httpx.post(f"{fresh.api_url}/api/auth/signup", json=user)
        assert answer.status_code == 503
        assert "migrations" in answer.json()["error"]
        seeded = fresh.execute("api", "-m", "ebit_api.seed")
        assert seeded.returncode == 1
        assert "run the migrations first" in seeded.stderr
    finally:
        fresh.stop()


def test_sigterm_ends_every_service_within_two_seconds_and_without_a_traceback(fresh: Ebit) -> None:
    try:
        fresh.start()
        fresh.prepare()
        user = {"email": "a@ebit.test", "password": "correct horse"}
        httpx.post(f"{fresh.api_url}/api/auth/signup", json=user).raise_for_status()
        token = httpx.post(f"{fresh.api_url}/api/auth/signin", json=user).json()["accessToken"]
        with connect(f"ws://127.0.0.1:{fresh.variables['RT_PORT']}/rt?token={token}") as socket:
            socket.recv(5)
            for name in list(fresh.processes):
                started = time.monotonic()
                assert fresh.stop_service(name) == 0
                assert time.monotonic() - started < 2, name
                assert "Traceback" not in fresh.log(name), fresh.log(name)
    finally:
        fresh.stop()


def test_a_taken_port_is_one_sentence(fresh: Ebit) -> None:
    try:
        fresh.start_service("worker")
        wait_until(lambda: "listens on" in fresh.log("worker"), "the worker is up")
        second = fresh.execute("worker", "-m", "ebit_worker")
    finally:
        fresh.stop()
    assert second.returncode == 1
    assert second.stderr.startswith(f"worker cannot start: port {fresh.variables['WORKER_PORT']}")
    assert second.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("service", "variable", "value"),
    [("auth", "BCRYPT_COST", "2"), ("bet", "PRISMA_POOL_SIZE", "many"), ("api", "RATE_LIMIT_RPS", "0")],
)
def test_an_unusable_variable_is_one_sentence(fresh: Ebit, service: str, variable: str, value: str) -> None:
    fresh.variables[variable] = value
    done = fresh.execute(service, "-m", f"ebit_{service}")
    assert done.returncode == 1
    assert variable in done.stderr
    assert done.stderr.count("\n") == 1


def test_migrate_without_services_is_one_sentence(fresh: Ebit) -> None:
    done = fresh.execute("api", "-m", "ebit_api.migrate")
    assert done.returncode == 1
    assert "Is the service running?" in done.stderr


def test_the_probe_tells_a_live_service_from_a_dead_one(fresh: Ebit) -> None:
    try:
        fresh.start_service("fe")
        wait_until(lambda: "listens on" in fresh.log("fe"), "fe is up")
        wait_until(lambda: probe(fresh) == 0, "the probe succeeds")
    finally:
        fresh.stop()
    assert probe(fresh) == 1


def probe(ebit: Ebit) -> int:
    command = [sys.executable, "-m", "ebit_shared.probe", ebit.variables["FE_PORT"]]
    return subprocess.run(command, cwd=ebit.folder / "fe" / "app", check=False, timeout=10).returncode
