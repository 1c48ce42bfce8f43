"""Registering with a real Prefect server: everything is there, and a second time changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.integration.conftest import prefect_server

pytestmark = pytest.mark.integration

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def prefect(tmp_path: Path) -> Iterator[str]:
    """A server of its own: automations would act on the runs of other tests."""
    with prefect_server(tmp_path) as url:
        yield url


def _register(prefect: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "deployments.register"], cwd=PROJECT, capture_output=True, text=True, check=False,
        env={**os.environ, "PREFECT_API_URL": prefect, "DO_NOT_TRACK": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _all(prefect: str, kind: str) -> dict[str, str]:
    found = httpx.post(f"{prefect}/{kind}/filter", json={}, timeout=30).raise_for_status().json()
    return {item["name"]: item["id"] for item in found}


def _limit(prefect: str, deployment: str) -> int | None:
    found = httpx.get(f"{prefect}/deployments/{deployment}", timeout=30).raise_for_status().json()
    limit: int | None = (found["global_concurrency_limit"] or {}).get("limit")
    return limit or found["concurrency_limit"]


@pytest.mark.parametrize(
    ("address", "code", "said"),
    [
        ("", 2, "PREFECT_API_URL is not set"),
        ("http://127.0.0.1:9/api", 1, "Prefect at http://127.0.0.1:9/api did not answer"),
    ],
)
def test_without_a_server_the_last_word_is_a_sentence(address: str, code: int, said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deployments.register"], cwd=PROJECT, capture_output=True, text=True, check=False,
        env={**os.environ, "PREFECT_API_URL": address, "PREFECT_HOME": str(tmp_path), "DO_NOT_TRACK": "1"},
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.long
def test_everything_is_registered_once_however_often_it_is_called(prefect: str) -> None:
    said = _register(prefect)
    assert "the janitor is overdue (make a notification block named rampart-alarm" in said
    first = {kind: _all(prefect, kind) for kind in ("deployments", "automations", "work_pools")}
    assert set(first["work_pools"]) >= {"rampart", "rampart-teardown"}
    assert set(first["deployments"]) == {
        "performance-run", "nightly-smoke", "teardown", "janitor", "report", "cost-check",
    }  # fmt: skip
    assert set(first["automations"]) == {
        "rampart: a run without heartbeats has crashed",
        "rampart: a crashed run wakes the janitor",
        "rampart: the janitor is overdue",
    }
    # As an older version of Rampart left them: a limit's slots do not outlive the server, and a run that lost its slot ends.
    with temporary_settings({PREFECT_API_URL: prefect}), get_client(sync_client=True) as client:
        for deployment in first["deployments"].values():
            client.update_deployment(UUID(deployment), DeploymentUpdate(concurrency_limit=1))
    assert all(_limit(prefect, deployment) for deployment in first["deployments"].values())
    _register(prefect)
    assert not any(_limit(prefect, deployment) for deployment in first["deployments"].values())
    assert {kind: _all(prefect, kind) for kind in first} == first
    # As the operations page says.
    found = httpx.post(f"{prefect}/automations/filter", json={}, timeout=30).raise_for_status().json()
    triggers = {item["name"].removeprefix("rampart: "): item for item in found}
    silent = triggers["a run without heartbeats has crashed"]
    assert (silent["trigger"]["posture"], silent["trigger"]["within"]) == ("Proactive", 90.0)
    assert silent["actions"][0]["state"] == "CRASHED"
    woken = triggers["a crashed run wakes the janitor"]
    assert woken["actions"][0]["deployment_id"] == _all(prefect, "deployments")["janitor"]
    assert triggers["the janitor is overdue"]["trigger"]["within"] == 45 * 60
