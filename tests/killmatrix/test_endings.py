"""Endings that are asked for: a failed run that is kept, a teardown by hand, several at once, and one without Prefect."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.killmatrix.faults import Door
from tests.killmatrix.moments import reach
from tests.killmatrix.test_cells import is_clean
from tests.killmatrix.ways import janitor
from tests.killmatrix.world import World, kill, until
from tests.rehearsal.standing import PROJECT, Prefect

pytestmark = [
    pytest.mark.rehearsal,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("aws"),
    # The stack's processes outlive whoever starts them again.
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]

_END_S = 400.0


@pytest.fixture
def world(prefect: Prefect, aws: Door) -> World:  # noqa: ARG001 - the runs go through it
    return World(prefect)


def _teardown(world: World, **parameters: Any) -> str:
    found = world.prefect.ask("GET", "/deployments/name/teardown/teardown")
    body = {"parameters": {"run_id": world.run_id, **parameters}}
    return str(world.prefect.ask("POST", f"/deployments/{found['id']}/create_flow_run", json=body)["id"])


def _state(world: World, run_id: str) -> dict[str, Any]:
    state: dict[str, Any] = world.prefect.ask("GET", f"/flow_runs/{run_id}")["state"]
    return state


def _kept(world: World) -> bool:
    return any("teardown" in paused["name"] for paused in world.prefect.paused()) and world.lease()["purpose"] == "kept"


@pytest.fixture
def broken(world: World, tmp_path: Path) -> Iterator[None]:
    """Runs fail after apply: the hosts refuse their key."""
    key = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with world.prefect.changed(ssh={"private_key": str(key)}):
        yield


@pytest.mark.usefixtures("broken")
def test_a_failed_run_is_kept_until_somebody_says_destroy(world: World) -> None:
    world.begin(keep_on_failure_minutes=30)
    until(lambda: _kept(world), "the failed run is kept", _END_S)
    first = datetime.fromisoformat(world.lease()["expires"])
    assert world.left()
    assert not world.loads()
    world.answer("extend", minutes=20)
    until(lambda: datetime.fromisoformat(world.lease()["expires"]) > first, "it is kept longer", 60)
    assert datetime.fromisoformat(world.lease()["expires"]) == first + timedelta(minutes=20)
    until(lambda: _kept(world), "it is asked again", 60)
    world.answer("destroy-now")
    until(lambda: is_clean(world), "nothing is left", _END_S)
    answers = [
        event.data for event in world.events() if event.kind == "decision" and "kept until" in event.data["asked"]
    ]
    assert [answer["answer"] for answer in answers] == ["extend", "destroy-now"]
    assert f"{first:%H:%M:%S} UTC" in answers[0]["asked"]


@pytest.mark.usefixtures("broken")
def test_what_is_kept_outlives_its_process_and_the_janitor_ends_it_in_time(world: World) -> None:
    world.begin(keep_on_failure_minutes=30)
    until(lambda: _kept(world), "the failed run is kept", _END_S)
    kill(world.flow())
    until(
        lambda: any("is kept until" in str(event.data.get("text")) for event in world.events()),
        "the hook keeps it",
        120,
    )
    janitor(world)
    assert world.left()
    name = max((item["name"] for item in _leases(world)), key=lambda found: int(found.rsplit("_", 1)[1]))
    over = {**world.lease(), "expires": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()}
    world.prefect.ask("PATCH", f"/variables/name/{name}", json={"name": name, "value": over})
    janitor(world)
    until(lambda: is_clean(world), "the janitor ended it", _END_S)


def _leases(world: World) -> list[dict[str, Any]]:
    asked = {"variables": {"name": {"like_": "rampart_lease_rehearsal_"}}}
    found: list[dict[str, Any]] = world.prefect.ask("POST", "/variables/filter", json=asked)
    return found


def test_of_several_teardowns_at_once_one_works_and_all_report_the_same(world: World) -> None:
    world.begin()
    assert reach(world, "provisioning")
    listed = _teardown(world, dry_run=True)
    until(lambda: _state(world, listed)["type"] == "COMPLETED", "the dry run ended", 120)
    assert "things carry the run's tag; nothing was deleted" in _state(world, listed)["message"]
    assert world.left()
    started = [_teardown(world) for _ in range(3)]
    until(
        lambda: all(_state(world, run_id)["type"] == "COMPLETED" for run_id in started), "all teardowns ended", _END_S
    )
    until(lambda: is_clean(world), "nothing is left", _END_S)
    assert sum(event.kind == "teardown" for event in world.events()) == 1
    # The run's own process found its lease taken over, and made nothing more.
    until(world.ended, "the run itself ended", 120)


def test_a_run_is_taken_down_by_its_folder_alone_when_prefect_is_gone(world: World) -> None:
    world.begin()
    assert reach(world, "late-apply")
    server = world.server("prefect")
    argv, environment = server.cmdline(), server.environ()
    flow, worker = world.flow(), world.worker()
    for process in (worker, flow, *server.children(recursive=True), server):
        kill(process)
    psutil.wait_procs([server, flow, worker], timeout=30)
    try:
        done = _by_folder(world.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        assert world.left() == []
        assert world.terraforms() == []
        assert world.providers() == []
        assert Path(done.stdout.strip()).name == "report.html"
        assert json.loads((world.folder / "record.json").read_text())["teardown"]["leftover"] == []
    finally:
        world.restart("prefect", argv, environment)
        world.new_worker()
    until(lambda: _asked_to_clean(world), "the lease is released", _END_S, poll_s=10)


def _asked_to_clean(world: World) -> bool:
    if is_clean(world):
        return True
    janitor(world)
    return False


def _by_folder(folder: Path) -> subprocess.CompletedProcess[str]:
    credentials = {
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
    }
    return subprocess.run(
        [sys.executable, "-m", "flows.teardown", str(folder)], cwd=PROJECT, env={**os.environ, **credentials},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
