from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from blocks.models.event import Event
from deployments.rehearsal.drills.responder import Responder
from deployments.rehearsal.drills.sut import AdminPorts

NOBODY = AdminPorts({"auth_admin": 9, "bet_admin": 9})


def triage(*rows: tuple[str, bool]) -> Event:
    data: dict[str, Any] = {"rows": [{"row": row, "matched": matched} for row, matched in rows]}
    return Event(at=datetime.now(UTC), mono_s=0.0, pid=1, phase="ramp", kind="triage", data=data)


@pytest.mark.parametrize("row", ["ws-handshake", "oom-kill", "k6-saturated"])
def test_what_cannot_be_mended_is_a_halt(row: str) -> None:
    assert Responder(NOBODY).answer([triage((row, True))])["decision"] == "halt"


def test_no_row_that_matched_is_a_halt() -> None:
    assert Responder(NOBODY).answer([triage(("http-429", False))])["decision"] == "halt"


def test_one_queue_that_grows_throttles_the_bets() -> None:
    answer = Responder(NOBODY).answer([triage(("bullmq-backlog", True), ("prisma-pool", True))])
    assert answer["decision"] == "throttle"
    assert answer["scenario"] == "bet"
    assert 0 < answer["share"] < 1


def test_a_row_that_comes_back_after_its_answer_is_a_halt_and_another_row_has_its_own_answer() -> None:
    responder = Responder(NOBODY)
    backlog = triage(("bullmq-backlog", True))
    assert [responder.answer([backlog])["decision"] for _ in range(2)] == ["throttle", "halt"]
    assert responder.answer([triage(("oom-kill", True))])["name"] == "drill operator"


def test_the_last_triage_of_the_journal_is_answered() -> None:
    events = [triage(("bullmq-backlog", True)), triage(("oom-kill", True))]
    assert Responder(NOBODY).answer(events)["decision"] == "halt"


def test_a_repair_that_does_not_work_is_a_halt_that_says_so() -> None:
    answer = Responder(NOBODY).answer([triage(("prisma-pool", True))])
    assert answer["decision"] == "halt"
    assert "auth does not answer" in answer["name"]
