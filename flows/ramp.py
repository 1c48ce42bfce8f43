"""The ramp: each stage is risen to, held, judged, noted, and released by an answer; a breach is triaged and decided."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Cancelled

from blocks.models.errors import RampartError
from blocks.models.load import LoadPlan
from blocks.models.record import Limit
from blocks.models.rules import GuardRule
from blocks.models.verdict import passed
from flows.approvals import ask as ask_person
from flows.approvals import decided_by_form
from flows.breach import after_breach, refine
from flows.hold import hold_and_judge, release
from flows.phase import phase
from tasks.artifacts import link_list, show_links, show_progress
from tasks.capture import capture_stages
from tasks.checks import PhaseStopped, check
from tasks.clock import wait_until
from tasks.clocks import refuse_wrong_clocks
from tasks.dashboard import annotate, links
from tasks.guard import CANCELLED, SETTLED_S, hold_reason, watch_load
from tasks.limits import Limits, guard_rules
from tasks.load import (
    end_ramp,
    enter_stage,
    prepare_ramp,
    read_ramp_plan,
    refuse_unknown_stage,
    start_stage,
    step_down,
    wait_for_end,
    wait_for_level,
)
from tasks.metrics import refuse_unknown_metrics
from tasks.rules.advance import Advance, asks_a_person, how_released
from tasks.rules.ceiling import Ascent, ceiling_of, judge_abort, judge_gates
from tasks.rules.guard import what_stops
from tasks.rules.segments import timeline
from tasks.rules.stability import load_statistics
from tasks.run import Run
from tasks.sut import read_stats
from tasks.watch import LoadWatch


@flow(name="ramp", flow_run_name="ramp of {environment}")
def ramp(  # noqa: PLR0913 - the form of a ramp
    run_id: str,
    environment: str,
    profile: str,
    *,
    start_stage_number: int = 1,
    ask: bool = True,
    advance: Advance = "by-hand",
    auto_until_stage: int = 0,
    refine_ceiling: bool = False,
) -> State[Any]:
    """Rise stage by stage; the guard watches from the first virtual user to the last."""
    watch: LoadWatch | None = None
    with phase("ramp", run_id, environment, profile) as opened:
        run = opened.run
        with check(run, "ramp.tabs") as checking:
            run.journal.append("ramp", "links", **links(run))
            show_links(run)
            containers = read_stats(run)
            checking.judge(
                passed(
                    f"{len(run.record().links)} links on the run's page; docker stats of {len(containers)} containers"
                )
            )
        watch, rules = _launch(run, start_stage_number, ask=ask, advance=advance, auto_until=auto_until_stage)
        guard = watch_load.submit(run, watch, Limits(run, rules, watch.loadgens), str(flow_run.id))
        evidence = capture_stages.submit(run, watch.captures)
        ascent, failure = Ascent(unit=watch.plan.unit), None
        try:
            run = _climb(run, watch, ascent, start_stage_number, advance, auto_until_stage)
            if refine_ceiling and advance != "continuous":
                refine(run, watch, ascent)
        except Exception as error:  # noqa: BLE001 - raised again when the ramp is judged
            failure = error
        finally:
            unconfirmed = end_ramp(run, watch)
            guard.wait()
            watch.captures.close()
            evidence.wait()
        _judge_ramp(run, watch, ascent, failure or unconfirmed)
    if watch is not None and watch.breach is not None and watch.breach.rule == CANCELLED:
        return Cancelled(message="the ramp was cancelled on its page; its load was stopped first")
    return opened.outcome


def _launch(
    run: Run, start: int, *, ask: bool, advance: Advance, auto_until: int = 0
) -> tuple[LoadWatch, tuple[GuardRule, ...]]:
    """Prepare the load and the guard's rules, and ask: what can be refused without a person is refused before."""
    literally = advance == "continuous"
    with check(run, "ramp.launch") as checking:
        plan = read_ramp_plan(run)
        refuse_unknown_stage(plan, start)
        refuse_wrong_clocks(run)
        rules, not_enforced = guard_rules(run, plan)
        refuse_unknown_metrics(run, rules, loaded=True)
        load_statistics()
        watch = prepare_ramp(run, plan, literally=literally)
        _approve(run, plan, start, f"{how_released(advance, start, auto_until)} {what_stops(rules)}", ask=ask)
        if ask:
            # An answer may take half an hour: a clock may have moved, or an idle connection been dropped.
            refuse_wrong_clocks(run)
            watch.disconnect()
            watch = prepare_ramp(run, plan, literally=literally)
        run.journal.append("ramp", "limits", rules=[rule.model_dump(include=set(Limit.model_fields)) for rule in rules])
        for text in not_enforced:
            run.journal.append("ramp", "note", text=text)
        what = f"{len(plan.levels)} stages up to {plan.levels[-1].amount:g} {plan.unit}"
        checking.judge(
            passed(
                f"{what}, {len(watch.segments)} segments on {len(watch.loadgens)} load generators, {len(rules)} rules of the guard"
            )
        )
    return watch, rules


def _approve(run: Run, plan: LoadPlan, start: int, terms: str, *, ask: bool) -> None:
    """Ask before the load."""
    timeout_s = run.profile.ramp.approval_timeout_s
    asked = f"Start the ramp at stage {start}?"
    record = run.record()
    smoked = ", ".join(f"{name} {value}" for name, value in record.smoke.get("numbers", {}).items())
    page = (
        f"The smoke test passed: {smoked}.\n\n**go** starts the load of stage {start}: {plan.levels[start - 1].amount:g} of "
        f"{plan.levels[-1].amount:g} {plan.unit} in {len(plan.levels)} stages. {terms}\n\n{link_list(record)}"
    )
    decision = ask_person(run, "ramp", asked, page, timeout_s) if ask else decided_by_form(run, "ramp", asked, "go")
    if decision.answer != "go":
        raise PhaseStopped(f"{decision.by} halted the run before the ramp")
    reason = hold_reason(run)
    if reason:
        raise PhaseStopped(
            f"the environment is on hold: {reason}; delete the variable rampart_hold_{run.environment_name} to go on"
        )


def _climb(  # noqa: PLR0913, PLR0917 - the form of a ramp
    run: Run, watch: LoadWatch, ascent: Ascent, start: int, advance: Advance, auto_until: int
) -> Run:
    """Rise until the ramp is over; after a breach go on as a person decides. Return the run with its blocks as read last."""
    number = start
    while True:
        if advance == "continuous":
            _run_through(run, watch, ascent)
        else:
            _rise(run, watch, ascent, number, advance, auto_until)
        if watch.breach is None:
            return run
        watch.leave_stage()
        if not watch.is_off(SETTLED_S):
            raise PhaseStopped("the load was not seen to be off after the breach; teardown stops it again")
        again = after_breach(run, watch, ascent, attended=advance == "by-hand")
        if again is None:
            return run
        run, number = again


def _rise(  # noqa: PLR0913, PLR0917 - the form of a ramp
    run: Run, watch: LoadWatch, ascent: Ascent, start: int, advance: Advance, auto_until: int
) -> None:
    """Go from stage to stage until the last one is released, somebody halts, or the guard stops the load."""
    levels = watch.plan.levels
    show_progress(run, 0, len(levels))
    for below in range(1, start):
        if not start_stage(run, watch, below, towards=start) or not wait_for_level(run, watch, below, held=False):
            return
    number, started = start, False
    while number <= len(levels):
        if not started and not start_stage(run, watch, number):
            return
        steady_from = wait_for_level(run, watch, number)
        if steady_from is None:
            return
        annotate(run, f"stage {number}: {levels[number - 1].amount:g} {watch.plan.unit}")
        judgement = hold_and_judge(run, watch, number, steady_from)
        if judgement is None:
            return
        if judgement.passed:
            ascent.stable(number, levels[number - 1].amount, (steady_from, datetime.now(UTC)))
        show_progress(run, number, len(levels))
        by_hand = asks_a_person(advance, number, auto_until, stepped_down=ascent.stepped_down)
        answer = release(run, watch, number, judgement, by_hand=by_hand)
        run.journal.append("ramp", "stage_ended", number=number)
        if answer == "halt":
            # The guard answers with halt too when it ends a pause: a breach is decided by triage.
            ascent.halted_at = number if watch.breach is None else None
            return
        started = answer == "step-down"
        if started:
            ascent.stepped_down = True
            step_down(run, watch, number)
        number += -1 if started else 1


def _run_through(run: Run, watch: LoadWatch, ascent: Ascent) -> None:
    """Run the script as it is: guard, gate and evidence at its own transitions, and nobody is asked."""
    if not start_stage(run, watch, 1):
        return
    began = datetime.now(UTC)
    for number, steady_s, end_s in timeline(watch.plan):
        if number > 1:
            enter_stage(run, watch, number)
        if not wait_until(began + timedelta(seconds=steady_s), watch):
            return
        steady_from = run.journal.append("ramp", "stage_steady", number=number).at
        annotate(run, f"stage {number}: {watch.plan.levels[number - 1].amount:g} {watch.plan.unit}")
        judgement = hold_and_judge(run, watch, number, steady_from, until=began + timedelta(seconds=end_s))
        if judgement is None:
            return
        if judgement.passed:
            ascent.stable(number, watch.plan.levels[number - 1].amount, (steady_from, datetime.now(UTC)))
        run.journal.append("ramp", "stage_ended", number=number)
    if watch.finish():
        wait_for_end(watch)


def _judge_ramp(run: Run, watch: LoadWatch, ascent: Ascent, failure: Exception | None) -> None:
    """Document the ceiling, judge the ramp's checks, and end the phase when it was halted or failed."""
    if watch.breach is not None:
        ascent.stopped(watch.breach.verdict, None if watch.breach.final else watch.stage)
    if failure is not None:
        expected = isinstance(failure, PhaseStopped | RampartError)
        ascent.failure = str(failure) if expected else f"{type(failure).__name__}: {failure}"
    record = run.record()
    ceiling = ceiling_of(record, ascent, len(watch.plan.levels))
    run.journal.append("ramp", "ceiling", **ceiling.model_dump())
    with check(run, "ramp.abort", needed=False) as checking:
        checking.judge(judge_abort(record, ascent, watch.polls))
    with check(run, "ramp.gate", needed=False) as checking:
        checking.judge(judge_gates(record, run.profile.gate.window_s))
    if ascent.stopped_as is not None or ascent.halted_at is not None:
        raise PhaseStopped(f"the ramp was halted: {ceiling.reason}") from failure
    if failure is not None:
        raise failure
