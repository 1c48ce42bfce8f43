"""Whatever ends a held load, the load is off first, and no answer overrides it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.states import Cancelling
from prefect.variables import Variable

from blocks.models.breach import Breached
from blocks.models.event import Event
from blocks.models.load import Level, LoadPlan
from blocks.models.rules import StabilityRule
from blocks.models.settings import Observability
from blocks.models.triage import Saturation
from blocks.models.verdict import Verdict
from flows.approvals import StageRelease, ask
from flows.hold import hold_and_judge
from flows.ramp import _climb
from tasks import guard
from tasks.clients.loadgen import LoadGenerator
from tasks.guard import stop_on_breach, watch_load
from tasks.limits import Limits
from tasks.metrics import prometheus_of
from tasks.rules import queries
from tasks.rules.ceiling import Ascent
from tasks.rules.segments import renumber
from tasks.run import Run
from tasks.watch import LoadWatch
from tests.integration.guard.conftest import System, start_k6, until

from .conftest import Held

pytestmark = pytest.mark.integration

_BY_HAND = Breached("by the test", "now", "later")


def _events(held: Held, *kinds: str) -> list[Event]:
    return [event for event in held.run.journal.read()[0] if event.kind in kinds]


def _stop(held: Held) -> None:
    assert held.context is not None
    assert held.context.run(stop_on_breach, held.run, held.watch, _BY_HAND)


def _stop_and_answer(held: Held) -> None:
    """Stop as a breach does, and wait until the question is answered by it, as the ramp does before it goes on."""
    _stop(held)
    until(lambda: held.decision is not None, "the pause ended")


def _stopped_by(held: Held, rule: str) -> None:
    decision = held.end()
    assert decision.answer == "halt"
    assert not held.may_start
    assert held.alive() == []
    breach, gone, ended = _events(held, "breach", "load_stopped", "segment_ended")[:3]
    assert breach.data["rule"].startswith(rule)
    assert gone.data["stopped"] >= breach.data["detected"]
    # 105: k6 ended by SIGINT and wrote its summary.
    assert ended.data["exit_code"] == 105


def test_a_breach_during_a_pause_stops_the_load_and_ends_the_pause(held: Held, system: System) -> None:
    system.delay_s["/signin"] = 2.5
    _stopped_by(held, "sign-in p95")
    assert held.decision is not None
    assert held.decision.by == "guard (sign-in p95)"


def test_a_cancel_on_the_ramps_own_page_stops_the_load(held: Held) -> None:
    assert held.own is not None
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(held.own, Cancelling(), force=True)
    _stopped_by(held, "cancelled")


def test_a_cancel_on_the_parents_page_stops_the_load(held: Held) -> None:
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(held.run.id), Cancelling(), force=True)
    _stopped_by(held, "cancelled")


def test_the_hold_variable_stops_the_load(held: Held) -> None:
    Variable.set("rampart_hold_test", "incident 123", overwrite=True)
    try:
        _stopped_by(held, "hold")
    finally:
        Variable.unset("rampart_hold_test")


def test_a_killed_k6_is_a_breach_with_its_exit_code(held: Held) -> None:
    held.loadgen.interrupt("segment-01")
    decision = held.end()
    assert decision.by == "guard (segment-01 ended)"
    assert _events(held, "breach")[0].data["observed"] == "exit code 105"


@pytest.mark.parametrize("answer_first", [True, False])
def test_an_answer_in_the_moment_of_a_breach_does_not_start_the_next_stage(held: Held, *, answer_first: bool) -> None:
    barrier = threading.Barrier(2)

    def breach() -> None:
        barrier.wait()
        _stop(held)

    def answer() -> None:
        barrier.wait()
        held.answer("go")

    actions: list[Callable[[], None]] = [answer, breach] if answer_first else [breach, answer]
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    decision = held.end()
    # Both are kept: the person's answer, and the breach that overrides it.
    assert decision.by in {"Ada", "guard (by the test)"}
    assert not held.may_start
    assert _events(held, "breach")[0].data["rule"] == "by the test"
    assert held.alive() == []


def test_a_pause_that_opens_after_the_breach_is_ended_and_triages_own_is_left_open(
    run: Run, loadgen: LoadGenerator
) -> None:
    plan = LoadPlan(unit="vus", levels=(), scenarios=(), thresholds={}, tags={}, other={})
    watch = LoadWatch(loadgens=(loadgen,), plan=plan, segments=())

    answered_by: list[str] = []

    @flow(name="climbs")
    def climbs() -> None:
        guard = watch_load.submit(run, watch, Limits(run, (), watch.loadgens), str(flow_run.id))
        try:
            assert stop_on_breach(run, watch, _BY_HAND)
            answered_by.append(ask(run, "ramp", "Release stage 1?", "The page.", 60.0, StageRelease).by)
            watch.leave_stage()
            assert watch.overrule(Breached("hold", "incident", "none", final=True))
            answered_by.append(ask(run, "ramp", "Resume or halt?", "The page.", 60.0).by)
            watch.leave_stage()
            answered_by.append(ask(run, "ramp", "Resume or halt?", "The page.", 3.0).by)
        finally:
            watch.finish()
            guard.wait()

    # Prefect fails the run of a pause that nobody answered.
    climbs(return_state=True)
    assert answered_by == ["guard (by the test)", "guard (hold)", "nobody within 3 s"]


def test_load_that_appears_after_a_breach_is_stopped_again(held: Held, system: System) -> None:
    _stop(held)
    start_k6(held.loadgen, held.run, system, "segment-02")
    until(lambda: held.alive() == [], "the stray k6 was stopped")
    until(lambda: bool(_events(held, "note")), "it was journaled")
    assert "segment-02 ran although the load had to be off" in _events(held, "note")[0].data["text"]


def test_a_load_generator_that_answers_nonsense_has_its_load_stopped_when_it_can_be(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "STOPPING_S", 2.0)
    script = Path(held.loadgen.folder) / "job.sh"
    kept = script.rename(script.with_suffix(".kept"))
    script.write_text("echo nonsense\n")
    _stop(held)
    assert held.watch.settled.is_set()
    assert not held.watch.stopped.is_set()
    breach, note = _events(held, "breach", "note")
    assert breach.data["rule"] == "by the test"
    assert "was not seen to be off: ValueError: " in note.data["text"]
    kept.rename(script)
    until(lambda: len(_events(held, "note")) > 1, "the guard stopped it")
    assert "segment-01 ran although the load had to be off" in _events(held, "note")[1].data["text"]
    assert held.alive() == []


def test_a_new_attempt_long_after_a_breach_is_not_called_blind(held: Held, system: System) -> None:
    _stop(held)
    silent_until = time.monotonic() + held.run.profile.blind_after_s + 1
    until(lambda: time.monotonic() > silent_until, "nobody was seen for longer than the guard may be blind")
    again = renumber(held.watch.segments, 2)
    assert held.watch.rearm(held.watch.plan, again)
    start_k6(held.loadgen, held.run, system, again[0].name)
    held.watch.expect(again[0])
    polls = held.watch.polls
    until(lambda: held.watch.polls > polls + 4, "the guard looks at the new attempt")
    assert held.watch.breach is None
    assert held.alive() == ["segment-02"]


def test_a_stage_that_is_not_flat_has_its_load_off_before_anything_is_noted_of_it(held: Held, system: System) -> None:
    level = Level(number=1, amounts={"signin": 6, "bet": 4}, rise_s=0.0, hold_s=0.0)
    held.watch.plan = held.watch.plan.model_copy(update={"levels": (level,)})
    held.run.journal.append("ramp", "run_opened", run_id=held.run.id, environment="test")
    gate = StabilityRule(window_s=8.0, step_s=1.0, min_points=4, floor_ms=1.0, relative_drift=0.01, significance=0.4)
    run = replace(held.run, profile=held.run.profile.model_copy(update={"gate": gate}))
    # A gate that has too few points judges nothing: its window begins when there are numbers.
    asked = queries.p95_ms(run.environment.metrics, run.id, 5.0)
    until(lambda: sum(sample.known for sample in prometheus_of(run).query(asked)) > 1, "both endpoints have a p95")
    judged = threading.Event()

    def slow_down() -> None:
        while not judged.wait(0.5):
            system.delay_s["/bet"] = system.delay_s.get("/bet", 0.0) + 0.04

    slower = threading.Thread(target=slow_down)
    slower.start()
    try:
        assert held.context is not None
        assert held.context.run(hold_and_judge, run, held.watch, 1, datetime.now(UTC)) is None
    finally:
        judged.set()
        slower.join()
    assert held.alive() == []
    happened = _events(held, "breach", "load_stopped", "stage_judged")
    assert [event.kind for event in happened] == ["breach", "load_stopped", "stage_judged"]
    assert (happened[0].data["rule"], happened[2].data["verdict"]) == ("stability", "FAIL")
    # There is no SUT to ask for container statistics here: the record says so, and has the other numbers.
    (stage,) = held.run.record().stages
    assert list(stage.not_captured) == ["sut"]
    assert "sut_public_ip" in stage.not_captured["sut"]
    assert any(item.live_p95_ms for item in stage.endpoints)


def test_a_breach_of_the_script_as_it_is_is_triaged_and_halts_without_a_question(held: Held) -> None:
    held.run.journal.append("ramp", "run_opened", run_id=held.run.id, environment="test")
    _stop_and_answer(held)
    ascent = Ascent(unit="vus")
    # The gate had said PASS before the breach.
    ascent.stable(1, 10.0, (datetime.now(UTC), datetime.now(UTC)))
    assert held.context is not None
    held.context.run(_climb, held.run, held.watch, ascent, 1, "continuous", 0)
    triage, decision = _events(held, "triage", "decision")[-2:]
    assert len(triage.data["rows"]) == 6
    assert (decision.data["answer"], decision.data["by"]) == ("halt", "the run's form")
    assert ascent.stopped_as is Verdict.FAIL
    assert ascent.stage == 0


def test_a_breach_without_prometheus_is_triaged_and_decided_and_says_what_is_not_noted(held: Held) -> None:
    held.run.journal.append("ramp", "run_opened", run_id=held.run.id, environment="test")
    _stop_and_answer(held)
    away = held.run.environment.model_copy(update={"observability": Observability(monitoring_url="http://127.0.0.1:9")})
    assert held.context is not None
    run = replace(held.run, environment=away)
    held.context.run(_climb, run, held.watch, Ascent(unit="vus"), 1, "continuous", 0)
    assert len(_events(held, "triage")) == 1
    assert _events(held, "decision")[-1].data["answer"] == "halt"
    (stage,) = held.run.record().stages
    assert "127.0.0.1:9" in stage.not_captured["live"]
    assert any("Stage 1 was noted without its live numbers" in event.data["text"] for event in _events(held, "note"))


def test_a_limit_that_a_saturated_load_generator_crossed_is_inconclusive_for_stage_and_ramp(held: Held) -> None:
    held.run.journal.append("ramp", "run_opened", run_id=held.run.id, environment="test")
    address = held.loadgen.host.address
    held.watch.saturation.append(Saturation(loadgen=address, at=datetime.now(UTC), cpu_busy=0.99, lag_ms=400.0))
    _stop_and_answer(held)
    ascent = Ascent(unit="vus")
    assert held.context is not None
    held.context.run(_climb, held.run, held.watch, ascent, 1, "continuous", 0)
    (triage,) = _events(held, "triage")
    assert (triage.data["rows"][0]["row"], triage.data["rows"][0]["matched"]) == ("k6-saturated", True)
    (judged,) = _events(held, "stage_judged")
    assert (judged.data["number"], judged.data["verdict"]) == (1, "INCONCLUSIVE")
    assert f"the load generator {address} was saturated" in judged.data["reason"]
    assert held.watch.breach is not None
    assert ascent.stopped_as is held.watch.breach.verdict is Verdict.INCONCLUSIVE
