"""The ceiling names the highest stable stage and why the ramp went no further."""

from __future__ import annotations

from datetime import timedelta

import pytest

from blocks.models.event import Event
from blocks.models.record import Record
from blocks.models.verdict import Verdict
from tasks.rules.ceiling import Ascent, ceiling_of, judge_abort, judge_gates
from tasks.rules.record import fold

from .journals import START, event, opened

WINDOW = (START, START + timedelta(seconds=120))


def _breach(rule: str, stage: int) -> list[Event]:
    detected = START.isoformat()
    return [
        event("breach", rule=rule, observed="612 ms", limit="> 500 ms", stage=stage, detected=detected),
        event("load_stopped", stopped=(START + timedelta(seconds=1.5)).isoformat()),
    ]


def _record(*events: Event) -> Record:
    return fold([opened(), *events])


def _ascent(*stable: int) -> Ascent:
    ascent = Ascent(unit="vus")
    for number in stable:
        ascent.stable(number, number * 1000.0, WINDOW)
    return ascent


def test_no_stable_stage_has_no_ceiling_and_says_why() -> None:
    ceiling = ceiling_of(_record(*_breach("sign-in p95", 1)), _ascent(), 10)
    assert (ceiling.stage, ceiling.vus) == (None, None)
    assert ceiling.reason == "stage 1 was stopped: sign-in p95: observed 612 ms, limit > 500 ms"


def test_a_stage_held_again_below_keeps_the_ceiling() -> None:
    ascent = _ascent(1, 2, 3, 2)
    assert (ascent.stage, ascent.amount) == (3, 3000.0)


def test_a_whole_ramp_says_that_the_system_may_bear_more() -> None:
    ceiling = ceiling_of(_record(), _ascent(*range(1, 11)), 10)
    assert (ceiling.stage, ceiling.vus) == (10, 10_000)
    assert "may bear more" in ceiling.reason


def test_a_rate_has_no_virtual_users() -> None:
    ascent = Ascent(unit="rate")
    ascent.stable(1, 0.5, WINDOW)
    assert ceiling_of(_record(), ascent, 2).vus is None


def test_a_person_who_halts_is_named() -> None:
    ascent = _ascent(1, 2)
    ascent.halted_at = 2
    decision = event("decision", asked="Release stage 2?", answer="halt", by="Ada", waited_seconds=1.0)
    assert ceiling_of(_record(decision), ascent, 10).reason == "Ada halted after stage 2"


def test_a_breach_that_was_gone_on_from_is_not_the_ceilings_reason() -> None:
    ascent = _ascent(1, 2, 3)
    ascent.answers.append("resume")
    record = _record(*_breach("sign-in p95", 2))
    assert "stopped" not in ceiling_of(record, ascent, 3).reason
    assert judge_abort(record, ascent, 50, None).verdict is Verdict.PASS


def test_a_throttled_ramp_is_inconclusive_and_says_so() -> None:
    ascent = _ascent(1, 2, 3)
    ascent.answers.append("throttle")
    record = _record(*_breach("queue depth (settlement)", 2))
    assert judge_abort(record, ascent, 50, None).verdict is Verdict.INCONCLUSIVE
    assert "throttled" in ceiling_of(record, ascent, 3).reason


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE])
def test_a_breach_nobody_went_on_from_has_its_own_verdict_and_time(verdict: Verdict) -> None:
    judged = judge_abort(_record(*_breach("sign-in p95", 2)), _ascent(1), 50, verdict)
    assert judged.verdict is verdict
    assert judged.detail == "sign-in p95: observed 612 ms, limit > 500 ms; load off 1.5 s after it was seen"


def test_a_ramp_without_a_breach_says_how_often_the_guard_looked() -> None:
    assert judge_abort(_record(), _ascent(1), 42, None).detail == "the guard looked 42 times and had nothing to stop"


@pytest.mark.parametrize(
    ("verdicts", "wanted"),
    [
        ([], Verdict.FAIL),
        (["PASS", "PASS"], Verdict.PASS),
        (["PASS", "INCONCLUSIVE"], Verdict.INCONCLUSIVE),
        (["INCONCLUSIVE", "FAIL"], Verdict.FAIL),
    ],
)
def test_the_gates_verdict_is_the_worst_of_the_stages(verdicts: list[str], wanted: Verdict) -> None:
    events = [
        line
        for number, verdict in enumerate(verdicts, start=1)
        for line in (
            event("stage_started", number=number, vus=number),
            event("stage_judged", number=number, verdict=verdict, reason="why"),
        )
    ]
    assert judge_gates(_record(*events), 120).verdict is wanted


def test_a_stage_that_is_held_again_counts_as_it_was_judged_last() -> None:
    first = event("stage_judged", number=1, verdict="FAIL", reason="rising")
    again = event("stage_judged", number=1, verdict="PASS", reason="flat")
    assert judge_gates(_record(first, again), 120).verdict is Verdict.PASS


def test_triage_belongs_to_its_breach() -> None:
    row = {"row": "prisma-pool", "matched": True, "score": 1.2, "evidence": "p95 of auth 80 ms"}
    record = _record(*_breach("first", 1), event("triage", rows=[row]), *_breach("second", 2))
    assert [len(breach.triage) for breach in record.breaches] == [1, 0]
