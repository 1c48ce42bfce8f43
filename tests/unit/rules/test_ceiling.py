"""The ceiling names the highest stable stage and why the ramp went no further."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from blocks.models.breach import Breached
from blocks.models.event import Event
from blocks.models.record import Record
from blocks.models.verdict import Judgement, Verdict, failed, inconclusive, passed
from tasks.rules.ceiling import Ascent, ceiling_of, judge_abort, judge_gates, judge_probe
from tasks.rules.record import fold

from .journals import START, all_passed, check, event, opened

WINDOW = (START, START + timedelta(seconds=120))


def _breach(rule: str, stage: int, second: float = 0.0) -> list[Event]:
    detected = START + timedelta(seconds=second)
    stopped = (detected + timedelta(seconds=1.5)).isoformat()
    return [
        event(
            "breach", second, rule=rule, observed="612 ms", limit="> 500 ms", stage=stage, detected=detected.isoformat()
        ),
        event("load_stopped", second, stopped=stopped),
    ]


def _decision(answer: str, second: float = 0.0, by: str = "Ada") -> Event:
    return event("decision", second, asked="What now?", answer=answer, by=by, waited_seconds=1.0)


def _stable(*numbers: int) -> list[Event]:
    return [
        line
        for number in numbers
        for line in (
            event("stage_started", number=number, vus=number),
            event("stage_judged", number=number, verdict="PASS", reason="flat"),
        )
    ]


def _record(*events: Event) -> Record:
    return fold([opened(), *events])


def _run_of(ascent: Ascent, *events: Event) -> Record:
    """The record of a run whose other checks all passed, with the ramp's own as the rules judge them."""
    so_far = fold([opened(), *all_passed(), *events])
    judged = {"ramp.abort": judge_abort(so_far, ascent, 50), "ramp.gate": judge_gates(so_far, 120)}
    ceiling: dict[str, Any] = ceiling_of(so_far, ascent, 3).model_dump()
    checks = [check(id_, judgement.verdict, judgement.detail) for id_, judgement in judged.items()]
    return fold([opened(), *all_passed(), *events, event("ceiling", **ceiling), *checks])


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


@pytest.mark.parametrize(
    ("stable", "breached", "ceiling"),
    [
        # In the pause in which the stage was to be released; on the rise to the next one; after two steps down.
        ((1, 2, 3), 3, 2),
        ((1, 2, 3), 4, 3),
        ((1, 2, 3), 2, 1),
        ((1,), 1, 0),
        # Stage 2 could not be judged and was gone on from.
        ((1, 3), 3, 1),
    ],
)
def test_a_stage_that_breaches_after_its_gate_is_no_ceiling(
    stable: tuple[int, ...], breached: int, ceiling: int
) -> None:
    ascent = _ascent(*stable)
    ascent.stopped(Verdict.FAIL, breached)
    assert (ascent.stage, ascent.amount) == (ceiling, ceiling * 1000.0)
    known = ceiling_of(_record(*_breach("sign-in p95", breached)), ascent, 3)
    assert (known.stage, known.vus) == ((ceiling, ceiling * 1000) if ceiling else (None, None))
    assert known.reason.startswith(f"stage {breached} was stopped: sign-in p95")


def test_a_hold_says_nothing_of_the_stage_it_stopped() -> None:
    ascent = _ascent(1, 2, 3)
    ascent.stopped(Verdict.FAIL)
    assert ascent.stage == 3


def test_a_stage_that_is_stable_after_its_fix_counts_again() -> None:
    ascent = _ascent(1, 2, 3)
    ascent.stopped(Verdict.FAIL, 3)
    ascent.went_on("resume")
    ascent.stable(3, 3000.0, WINDOW)
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
    assert ceiling_of(_record(_decision("halt")), ascent, 10).reason == "Ada halted after stage 2"


def test_a_breach_that_was_gone_on_from_is_not_the_ceilings_reason() -> None:
    ascent = _ascent(1, 2, 3)
    ascent.went_on("resume")
    record = _record(*_breach("sign-in p95", 2))
    assert "stopped" not in ceiling_of(record, ascent, 3).reason
    assert judge_abort(record, ascent, 50).verdict is Verdict.PASS


def test_a_throttled_ramp_is_inconclusive_and_says_so() -> None:
    ascent = _ascent(1, 2, 3)
    ascent.went_on("throttle")
    record = _record(*_breach("queue depth (settlement)", 2))
    assert judge_abort(record, ascent, 50).verdict is Verdict.INCONCLUSIVE
    assert "throttled" in ceiling_of(record, ascent, 3).reason


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE])
def test_a_breach_nobody_went_on_from_has_its_own_verdict_and_time(verdict: Verdict) -> None:
    ascent = _ascent(1)
    ascent.stopped(verdict)
    judged = judge_abort(_record(*_breach("sign-in p95", 2)), ascent, 50)
    assert judged.verdict is verdict
    assert judged.detail == "sign-in p95: observed 612 ms, limit > 500 ms; load off 1.5 s after it was seen"


def test_a_ramp_without_a_breach_says_how_often_the_guard_looked() -> None:
    assert judge_abort(_record(), _ascent(1), 42).detail == "the guard looked 42 times and had nothing to stop"


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


def test_a_ramp_that_was_broken_off_is_an_error_with_the_reason() -> None:
    ascent = _ascent(1, 2)
    ascent.failure = "Prometheus at http://p does not answer."
    run = _run_of(ascent, *_stable(1, 2))
    assert run.verdict is Verdict.ERROR
    assert run.reason == "ramp.abort: the ramp was broken off after stage 2: Prometheus at http://p does not answer."
    assert run.ceiling.stage == 2
    assert run.ceiling.reason.endswith("Prometheus at http://p does not answer.")


def test_a_ramp_that_was_broken_off_after_a_resume_is_an_error() -> None:
    ascent = _ascent(1)
    ascent.stopped(Verdict.FAIL)
    ascent.went_on("resume")
    ascent.failure = "the connection was lost"
    run = _run_of(ascent, *_stable(1), *_breach("sign-in p95", 2), _decision("resume", 10.0))
    assert (run.verdict, run.reason) == (
        Verdict.ERROR,
        "ramp.abort: the ramp was broken off after stage 1: the connection was lost",
    )


def test_a_halt_stays_a_fail_with_its_breach_when_something_fails_after_it() -> None:
    ascent = _ascent(1)
    ascent.stopped(Verdict.FAIL)
    ascent.failure = "smoke.run: exit code 99"
    # The answer was taken, and the smoke test after the fix did not pass.
    run = _run_of(ascent, *_stable(1), *_breach("sign-in p95", 2), _decision("resume", 10.0))
    assert (run.verdict, run.reason) == (Verdict.FAIL, "sign-in p95: observed 612 ms, limit > 500 ms, at stage 2")
    abort = next(item.detail for item in run.checks if item.id == "ramp.abort")
    assert abort.endswith("load off 1.5 s after it was seen; then: smoke.run: exit code 99")


def test_a_halt_whose_ceiling_was_refined_is_a_fail_by_the_breach_that_halted() -> None:
    ascent = _ascent(1)
    ascent.stopped(Verdict.FAIL)
    # A probe that was stopped in its turn, by a saturated load generator.
    ascent.stopped(Verdict.INCONCLUSIVE)
    ascent.refined(1500.0)
    probes = _breach("error rate", 2, 60.0)
    run = _run_of(ascent, *_stable(1), *_breach("sign-in p95", 2), _decision("halt", 10.0), *probes)
    assert (run.verdict, run.reason) == (Verdict.FAIL, "sign-in p95: observed 612 ms, limit > 500 ms, at stage 2")
    assert run.ceiling.vus == 1500
    assert run.ceiling.reason.startswith("stage 2 was stopped: sign-in p95")


def test_a_second_breach_after_a_resume_is_a_fail() -> None:
    ascent = _ascent(1)
    ascent.stopped(Verdict.FAIL)
    ascent.went_on("resume")
    ascent.stopped(Verdict.FAIL)
    later = [*_breach("error rate", 3, 60.0), _decision("halt", 70.0)]
    run = _run_of(ascent, *_stable(1, 2), *_breach("sign-in p95", 2), _decision("resume", 10.0), *later)
    assert (run.verdict, run.reason) == (Verdict.FAIL, "error rate: observed 612 ms, limit > 500 ms, at stage 3")


def test_a_person_who_halts_after_a_resume_makes_it_a_fail() -> None:
    ascent = _ascent(1, 2)
    ascent.went_on("resume")
    ascent.halted_at = 2
    run = _run_of(
        ascent, *_stable(1, 2), *_breach("sign-in p95", 2), _decision("resume", 10.0), _decision("halt", 90.0, "Bob")
    )
    assert (run.verdict, run.reason) == (Verdict.FAIL, "Bob halted: What now?")
    assert run.ceiling.reason == "Bob halted after stage 2"


def test_a_resumed_ramp_that_went_to_its_end_passes_and_says_how() -> None:
    ascent = _ascent(1, 2, 3)
    ascent.stopped(Verdict.FAIL)
    ascent.went_on("resume")
    # The guard ended the pause in which stage 2 was to be released.
    ended = _decision("halt", 1.0, "guard (sign-in p95)")
    run = _run_of(ascent, *_stable(1, 2, 3), *_breach("sign-in p95", 2), ended, _decision("resume", 10.0))
    assert run.verdict is Verdict.PASS
    abort = next(item.detail for item in run.checks if item.id == "ramp.abort")
    assert abort == "1 breach(es) stopped the load (sign-in p95) and were gone on from: resume"


def test_a_saturated_load_generator_is_no_fail_though_the_ramp_is_halted() -> None:
    ascent = _ascent(1)
    ascent.stopped(Verdict.INCONCLUSIVE)
    run = _run_of(ascent, *_stable(1), *_breach("load generator is saturated", 2), _decision("halt", 10.0))
    assert run.verdict is Verdict.INCONCLUSIVE


_CROSSED = Breached("sign-in p95", "612 ms", "> 500 ms")
_SATURATED = Breached("load generator is saturated", "60 ms late", "20 ms", verdict=Verdict.INCONCLUSIVE)
_HOLD = Breached("hold", "incident 123", "none", final=True)


@pytest.mark.parametrize(
    ("look", "breach", "wanted"),
    [
        (passed("flat"), None, passed("flat")),
        (failed("signin p95 rises"), None, failed("signin p95 rises")),
        (inconclusive("6 points"), None, inconclusive("6 points")),
        (None, None, inconclusive("it was not held for the gate's look")),
        (None, _CROSSED, failed(str(_CROSSED))),
        # It came after the look, while the probe was being ended.
        (passed("flat"), _CROSSED, failed(str(_CROSSED))),
        (None, _SATURATED, inconclusive(str(_SATURATED))),
        (None, _HOLD, inconclusive(str(_HOLD))),
    ],
)
def test_a_probe_is_judged_by_its_breach_else_by_its_look_and_only_the_system_makes_it_fail(
    look: Judgement | None, breach: Breached | None, wanted: Judgement
) -> None:
    assert judge_probe(look, breach) == wanted


def test_a_crossed_limit_that_a_saturated_load_generator_explains_is_inconclusive_and_names_it() -> None:
    row = {
        "row": "k6-saturated", "matched": True, "score": 1.2, "evidence": "lag 60 ms", "subjects": ["198.51.100.7"],
    }  # fmt: skip
    ascent = _ascent(1)
    ascent.stopped(Verdict.INCONCLUSIVE, 2)
    gate = event("stage_judged", number=2, verdict="INCONCLUSIVE", reason="why")
    breached = [*_breach("sign-in p95", 2), event("triage", rows=[row]), gate]
    run = _run_of(ascent, *_stable(1), *breached, _decision("halt", 10.0))
    said = "the load generator 198.51.100.7 was saturated, so these are not the system's numbers"
    assert run.verdict is Verdict.INCONCLUSIVE
    assert run.reason == f"sign-in p95: observed 612 ms, limit > 500 ms, at stage 2; {said}"
    abort = next(item for item in run.checks if item.id == "ramp.abort")
    assert (abort.verdict, said in abort.detail) == (Verdict.INCONCLUSIVE, True)
