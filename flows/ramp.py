"""The ramp: each stage is risen to, held, judged, noted, and released by an answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from prefect import flow
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from blocks.models.verdict import Judgement, Verdict, failed, passed
from flows.approvals import ask as ask_person
from flows.approvals import decided_by_form
from flows.phase import phase
from tasks.artifacts import scorecard, show_links, show_scorecard
from tasks.checks import PhaseStopped, check
from tasks.clock import wait_until
from tasks.dashboard import annotate, links
from tasks.guard import hold_reason, watch_load
from tasks.load import end_ramp, prepare_ramp, read_ramp_plan, start_stage, wait_for_level
from tasks.metrics import read_gate_series
from tasks.notes import note_stage
from tasks.rules.gate import judge_gate
from tasks.run import Run
from tasks.sut import read_stats
from tasks.watch import LoadWatch

Advance = Literal["by-hand", "auto"]
# docker stats takes 2 to 2.5 s, so it is asked before the look ends and delays no decision.
_STATS_AHEAD = timedelta(seconds=2)


@flow(name="ramp")
def ramp(  # noqa: PLR0913 - the form of a ramp
    run_id: str,
    environment: str,
    profile: str,
    *,
    start_stage_number: int = 1,
    ask: bool = True,
    advance: Advance = "by-hand",
    auto_until_stage: int = 0,
) -> State[Any]:
    """Rise stage by stage; the guard watches from the first virtual user to the last."""
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
        _approve(run, ask=ask, start=start_stage_number)
        with check(run, "ramp.launch") as checking:
            plan = read_ramp_plan(run)
            if not 1 <= start_stage_number <= len(plan.levels):
                raise PhaseStopped(
                    f"ramp.launch: start stage {start_stage_number} does not exist; the script has stages 1 to {len(plan.levels)}"
                )
            watch = prepare_ramp(run, plan)
            what = f"{len(plan.levels)} stages up to {plan.levels[-1].amount:g} {plan.unit}"
            checking.judge(passed(f"{what}, {len(watch.segments)} segments on {len(watch.loadgens)} load generators"))
        guard = watch_load.submit(run, watch, str(flow_run.id))
        try:
            reached = _rise(run, watch, start_stage_number, advance, auto_until_stage)
        finally:
            end_ramp(run, watch)
            guard.wait()
        _judge_ramp(run, watch, reached)
    return opened.outcome


def _approve(run: Run, *, ask: bool, start: int) -> None:
    """Ask before the load."""
    timeout_s = run.profile.ramp.approval_timeout_s
    asked = f"Start the ramp at stage {start}?"
    page = f"The smoke test passed. **go** starts the load of stage {start}.\n\nNo answer within {timeout_s / 60:g} minutes is a halt."
    decision = ask_person(run, "ramp", asked, page, timeout_s) if ask else decided_by_form(run, "ramp", asked, "go")
    if decision.answer != "go":
        raise PhaseStopped(f"{decision.by} halted the run before the ramp")
    reason = hold_reason(run)
    if reason:
        raise PhaseStopped(
            f"the environment is on hold: {reason}; delete the variable rampart_hold_{run.environment_name} to go on"
        )


def _rise(run: Run, watch: LoadWatch, start: int, advance: Advance, auto_until: int) -> int:
    """Go from stage to stage and return the highest one that was stable; 0 for none."""
    stable = 0
    levels = len(watch.plan.levels)
    progress = create_progress_artifact(progress=0.0, description="Stages of the ramp")
    assert isinstance(progress, UUID)
    for number in range(1, levels + 1):
        if not start_stage(run, watch, number):
            break
        steady_from = wait_for_level(run, watch, number)
        if steady_from is None:
            break
        if number < start:
            run.journal.append("ramp", "stage_ended", number=number)
            continue
        annotate(run, f"stage {number}: {watch.plan.levels[number - 1].amount:g} {watch.plan.unit}")
        judgement = _hold_and_judge(run, watch, number, steady_from)
        update_progress_artifact(progress, progress=100.0 * number / levels)
        if judgement is None:
            break
        if judgement.verdict is Verdict.FAIL:
            run.journal.append("ramp", "stage_ended", number=number)
            break
        if judgement.passed:
            stable = number
        released = _release(run, watch, number, judgement, by_hand=advance == "by-hand" and number > auto_until)
        run.journal.append("ramp", "stage_ended", number=number)
        if not released:
            break
    return stable


def _hold_and_judge(run: Run, watch: LoadWatch, number: int, steady_from: datetime) -> Judgement | None:
    """Hold the stage for its time and the gate's look, judge it and note it; None when the guard stopped the load."""
    rule, level = run.profile.gate, watch.plan.levels[number - 1]
    until = steady_from + timedelta(seconds=max(rule.window_s, level.hold_s))
    if not wait_until(until - _STATS_AHEAD, watch):
        return None
    stats = read_stats.submit(run)
    if not wait_until(until, watch):
        return None
    series = read_gate_series(run, until - timedelta(seconds=rule.window_s), until, rule)
    judgement = judge_gate(series, rule)
    if judgement.verdict is Verdict.FAIL:
        # A failing look is repeated after half a window of new data.
        until += timedelta(seconds=rule.window_s / 2)
        if not wait_until(until, watch):
            return None
        series = read_gate_series(run, until - timedelta(seconds=rule.window_s), until, rule)
        judgement = judge_gate(series, rule)
    run.journal.append(
        "ramp",
        "stage_judged",
        number=number,
        verdict=judgement.verdict.value,
        reason=judgement.detail,
        steady_to=until.isoformat(),
    )
    note_stage(run, number, steady_from, until, stats.result())
    show_scorecard(run)
    return judgement


def _release(run: Run, watch: LoadWatch, number: int, judgement: Judgement, *, by_hand: bool) -> bool:
    """Ask, or let the form answer; a breach meanwhile overrides every answer."""
    last = number == len(watch.plan.levels)
    following = "end the ramp: this was the last stage" if last else f"start stage {number + 1}"
    asked = f"Release stage {number} and {following}?"
    if by_hand:
        timeout_s = run.profile.ramp.approval_timeout_s
        urls = "\n".join(f"- [{name}]({url})" for name, url in run.record().links.items())
        page = (
            f"{scorecard(run.record())}\n\nGate: **{judgement.verdict.value}** {judgement.detail}\n\n{urls}\n\n**go** will {following}. "
            f"The load is held meanwhile and the guard watches it.\n\nNo answer within {timeout_s / 60:g} minutes is a halt."
        )
        decision = ask_person(run, "ramp", asked, page, timeout_s)
    else:
        answer = "go" if judgement.passed else "halt"
        decision = decided_by_form(run, "ramp", asked, answer)
    return decision.answer == "go" and watch.may_start()


def _judge_ramp(run: Run, watch: LoadWatch, stable: int) -> None:
    """Document the ceiling and judge the ramp's checks."""
    record = run.record()
    last = len(watch.plan.levels)
    halted = next((item for item in record.decisions if item.answer == "halt"), None)
    unstable = next((stage for stage in record.stages if stage.gate and stage.gate.verdict is Verdict.FAIL), None)
    if watch.breach is not None:
        reason = f"the guard stopped stage {watch.stage}: {watch.breach}"
    elif unstable is not None and unstable.gate is not None:
        reason = f"stage {unstable.number} was not stable: {unstable.gate.reason}"
    elif halted is not None:
        reason = f"{halted.by} halted after stage {stable}"
    else:
        reason = f"the highest stage of the script was stable; the system may bear more than its {last} stages"
    amount = round(watch.plan.levels[stable - 1].amount) if stable and watch.plan.unit == "vus" else None
    run.journal.append("ramp", "ceiling", stage=stable or None, vus=amount, reason=reason)
    with check(run, "ramp.abort", needed=False) as checking:
        checking.judge(
            passed(f"the guard looked {watch.polls} times and had nothing to stop")
            if watch.breach is None
            else failed(str(watch.breach))
        )
    with check(run, "ramp.gate", needed=False) as checking:
        judged = [stage.gate for stage in record.stages if stage.gate is not None]
        bad = [gate for gate in judged if gate.verdict is not Verdict.PASS]
        if bad:
            checking.judge(Judgement(verdict=bad[0].verdict, detail=bad[0].reason))
        else:
            checking.judge(passed(f"{len(judged)} stages judged over {run.profile.gate.window_s:g} s each, all flat"))
    if watch.breach is not None or unstable is not None or halted is not None:
        raise PhaseStopped(f"the ramp was halted: {reason}")
