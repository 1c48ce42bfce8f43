from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blocks.models.event import Event
from deployments.rehearsal.drills.faults import DRILLS
from deployments.rehearsal.drills.injector import Moment, inject
from deployments.rehearsal.drills.responder import Responder
from deployments.rehearsal.drills.sut import AdminPorts

PROJECT = Path(__file__).parents[3]

pytestmark = pytest.mark.integration


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)


def test_a_drill_that_does_not_exist_exits_2_with_a_sentence() -> None:
    done = run("deployments.rehearsal.drills", "run", "earthquake")
    assert done.returncode == 2
    assert "There is no drill 'earthquake'" in done.stdout
    assert "Traceback" not in done.stderr


def test_an_injector_without_a_known_drill_exits_1_with_a_sentence() -> None:
    done = run("deployments.rehearsal.drills.injector", "earthquake", "1", "00000000-0000-4000-8000-000000000001")
    assert done.returncode == 1
    assert "There is no drill 'earthquake'" in done.stderr


def test_the_operator_enlarges_the_pools_that_triage_names_first(services: AdminPorts) -> None:
    inject(DRILLS["prisma-pool"].faults, Moment(stage=2, delay_s=0.5), services)
    rows = [{"row": "prisma-pool", "matched": True}, {"row": "http-429", "matched": False}]
    triage = Event(at=datetime.now(UTC), mono_s=0.0, pid=1, phase="ramp", kind="triage", data={"rows": rows})
    assert Responder(services).answer([triage])["decision"] == "resume"
    for service in ("auth", "bet"):
        settings = services.read(service)
        assert settings["prisma_pool_size"] > 10
        # What was slow stays slow: only the pool is the operator's to change.
        assert settings["db_query_ms"] == 100
