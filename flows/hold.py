"""Holding a stage: it is watched, judged, noted, and released by an answer."""

from __future__ import annotations

from datetime import datetime, timedelta

from prefect.futures import PrefectFuture

from blocks.models.breach import Breached
from blocks.models.errors import RampartError
from blocks.models.verdict import Judgement, Verdict, worse
from flows.approvals import GoOrHalt, StageRelease, ask, decided_by_form
from tasks.artifacts import link_list, scorecard, show_scorecard
from tasks.clients.sut import ContainerStats
from tasks.clock import wait_until
from tasks.guard import stop_on_breach
from tasks.limits import SATURATION_TOLD_S
from tasks.metrics import read_dropped_shares, read_gate_series
from tasks.notes import NOTED, note_stage
from tasks.rules.gate import judge_gate, judge_rate
from tasks.run import Run
from tasks.sut import read_stats
from tasks.watch import LoadWatch

# docker stats takes 2 to 2.5 s, so it is asked before the look ends and delays no decision.
_STATS_AHEAD = timedelta(seconds=2)
# A rise that is shorter is not shared with the capture of evidence: most of it would be spent beside it.
_SHARED_RISE_S = 15.0


def hold_and_judge(
    run: Run, watch: LoadWatch, number: int, steady_from: datetime, until: datetime | None = None
) -> Judgement | None:
    """Hold the stage for its time and the gate's look, judge it and note it; None when the load was stopped.

    Args:
        run: the run.
        watch: the load.
        number: the stage.
        steady_from: when its load was reached.
        until: when the script itself leaves it; None = it is held until it is released.
    """
    rule, level = run.profile.gate, watch.plan.levels[number - 1]
    watch.captures.hush()
    looked = until or steady_from + timedelta(seconds=max(rule.window_s, level.hold_s))
    if not wait_until(looked - _STATS_AHEAD, watch):
        return None
    stats = read_stats.submit(run)
    if not wait_until(looked, watch):
        return None
    judgement = look(run, watch, number, steady_from, looked)
    if judgement.verdict is Verdict.FAIL and until is None:
        # A failing look is repeated after half a window of new data, and not before the guard can tell a saturated load
        # generator: what drifts is its own numbers then.
        looked += timedelta(seconds=max(rule.window_s / 2, SATURATION_TOLD_S))
        if not wait_until(looked, watch):
            return None
        judgement = look(run, watch, number, steady_from, looked)
    if judgement.verdict is Verdict.FAIL:
        # Load off first: notes and statistics take seconds, and may fail.
        stop_on_breach(run, watch, Breached("stability", judgement.detail, f"flat over {rule.window_s:g} s"))
    write_judgement(run, number, judgement, looked)
    note(run, number, steady_from, looked, stats)
    show_scorecard(run)
    if judgement.verdict is Verdict.FAIL:
        return None
    watch.captures.take(number)
    return judgement


def look(run: Run, watch: LoadWatch, number: int, steady_from: datetime, end: datetime) -> Judgement:
    """Judge the gate's look that ends at a moment; it reaches back no further than to when the level was reached."""
    rule = run.profile.gate
    begin = max(steady_from, end - timedelta(seconds=rule.window_s))
    scenarios = [name for name, amount in watch.plan.levels[number - 1].amounts.items() if amount > 0]
    judgement = judge_gate(read_gate_series(run, scenarios, begin, end, rule), rule)
    return (
        worse(judgement, judge_rate(read_dropped_shares(run, begin, end))) if watch.plan.unit == "rate" else judgement
    )


def note(
    run: Run,
    number: int,
    start: datetime,
    end: datetime,
    stats: PrefectFuture[tuple[ContainerStats, ...]] | None = None,
) -> None:
    """Note a stage; what cannot be asked now breaks nothing off: the record says why it is missing.

    Args:
        run: the run.
        number: the stage.
        start: when its level was reached, or when it began.
        end: until when it is noted.
        stats: what its containers use, as it is being read; None when the load is off.
    """
    used: tuple[ContainerStats, ...] = ()
    missing: dict[str, str] = {}
    if stats is not None:
        try:
            used = stats.result()
        except (RampartError, ValueError) as error:
            # ValueError: docker stats has no numbers of a container that is ending.
            missing["sut"] = str(error)
    try:
        note_stage(run, number, start, end, used)
    except RampartError as error:
        missing["live"] = str(error)
    known = next((dict(stage.not_captured) for stage in run.record().stages if stage.number == number), {})
    asked = {"live"} if stats is None else {"live", "sut"}
    not_captured = {what: why for what, why in known.items() if what not in asked} | missing
    if not_captured != known:
        run.journal.append("ramp", "stage_numbers", number=number, not_captured=not_captured)
    for what, why in missing.items():
        run.journal.append("ramp", "note", text=f"Stage {number} was noted without {NOTED[what]}: {why}")


def write_judgement(run: Run, number: int, judgement: Judgement, steady_to: datetime) -> None:
    """Journal what the gate said of a stage, and until when it looked."""
    run.journal.append(
        "ramp",
        "stage_judged",
        number=number,
        verdict=judgement.verdict.value,
        reason=judgement.detail,
        steady_to=steady_to.isoformat(),
    )


def release(run: Run, watch: LoadWatch, number: int, judgement: Judgement, *, by_hand: bool) -> str:
    """Ask, or let the form answer; a breach meanwhile overrides every answer."""
    last = number == len(watch.plan.levels)
    following = "end the ramp: this was the last stage" if last else f"start stage {number + 1}"
    asked = f"Release stage {number} and {following}?"
    if by_hand:
        timeout_s = run.profile.ramp.approval_timeout_s
        record = run.record()
        down = f"**step-down** stops the newest load and holds stage {number - 1}. " if number > 1 else ""
        page = (
            f"{scorecard(record, in_dialog=True)}\n\nGate: **{judgement.verdict.value}** {judgement.detail}\n\n{link_list(record)}\n\n"
            f"**go** will {following}. {down}The load is held meanwhile and the guard watches it."
        )
        form = StageRelease if number > 1 else GoOrHalt
        decision = ask(run, "ramp", asked, page, timeout_s, form)
    else:
        decision = decided_by_form(run, "ramp", asked, "go" if judgement.passed else "halt")
    if not last and watch.plan.levels[number].rise_s < _SHARED_RISE_S:
        watch.captures.hush()
    return decision.answer if watch.may_start() else "halt"
