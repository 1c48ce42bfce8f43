"""After a breach: the load is off; what it was is found out, and a person decides how to go on."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from blocks.models.load import LoadPlan
from blocks.models.record import Decision
from blocks.models.verdict import Judgement, Verdict
from flows.approvals import ask, decided_by_form, triage_form
from flows.hold import look, note, write_judgement
from flows.phase import go_on
from flows.smoke import smoke
from tasks.artifacts import show_scorecard, show_triage
from tasks.clock import wait_until
from tasks.dashboard import annotate
from tasks.guard import SETTLED_S
from tasks.load import prepare_segments, start_stage, stop_segments, wait_for_level
from tasks.rules.ceiling import Ascent, judge_probe
from tasks.rules.segments import finer_plan, next_probe, throttle
from tasks.rules.triage import doubt_of, rank, suggest
from tasks.rules.triage import page as triage_page
from tasks.rules.triage import table as triage_table
from tasks.run import Run, open_run
from tasks.triage import read_signals
from tasks.watch import LoadWatch

_WAIT_POLL_S = 0.2
# Probes of a refined ceiling: three halve the step between two stages three times.
_PROBES = 3


def after_breach(run: Run, watch: LoadWatch, ascent: Ascent, *, attended: bool) -> tuple[Run, int] | None:
    """Triage a breach whose load is gone, ask what to do, and prepare it.

    Returns:
        The run with its blocks read anew and the stage to go on with; None = halt.
    """
    breach, stage = watch.breach, max(1, watch.stage)
    assert breach is not None
    detected = datetime.now(UTC)
    annotate(run, f"breach: {breach.rule}")
    rules = run.profile.triage
    signals = read_signals(
        run, stage_started=watch.stage_started or detected, detected=watch.breached or detected,
        stable=ascent.window, loadgens=watch.loadgens, saturation=tuple(watch.saturation),
    )  # fmt: skip
    rows = rank(signals, rules)
    suggestion = suggest(rows, rules)
    run.journal.append(
        "ramp", "triage", rows=[row.model_dump(mode="json") for row in rows], suggestion=suggestion.model_dump()
    )
    doubt = doubt_of(rows)
    if doubt and not breach.final:
        # A saturated k6 measures its own waiting: a limit of the system may be crossed before its own is.
        watch.doubt()
        breach = replace(breach, verdict=Verdict.INCONCLUSIVE)
    ascent.stopped(breach.verdict, None if breach.final else stage)
    if breach.verdict is Verdict.INCONCLUSIVE:
        detail = f"{breach}; {doubt}" if doubt else str(breach)
        write_judgement(run, stage, Judgement(verdict=breach.verdict, detail=detail), detected)
    note(run, stage, watch.stage_started or detected, watch.breached or detected)
    watch.captures.take(stage)
    show_scorecard(run)
    asked = f"Stage {stage} was stopped ({breach.rule}). Resume, throttle or halt?"
    show_triage(run, triage_table(rows))
    if breach.final or (watch.breach is not None and watch.breach.final) or not attended:
        decided_by_form(run, "ramp", asked, "halt")
        return None
    timeout_s = run.profile.ramp.approval_timeout_s
    page = (
        f"**{breach}.** All load is off.\n\n{triage_page(rows, suggestion)}\n\n"
        "**resume** after a fix: the smoke test runs again, then the ramp from the stage. **throttle** goes on with less "
        "of one scenario. **halt** documents the ceiling, with refine_ceiling after up to three probes of load, and tears down.\n\n"
        "Whatever you answer, the guard keeps the rules it began with: another limit or exception needs a new run."
    )
    decision = ask(run, "ramp", asked, page, timeout_s, triage_form(watch.plan, len(watch.loadgens)))
    if decision.answer == "halt":
        return None
    plan = watch.plan
    if decision.answer == "throttle":
        plan = throttle(plan, decision.details["scenario"], decision.details["share"], len(watch.loadgens))
    return _begin_again(run, watch, ascent, plan, decision, stage)


def _begin_again(  # noqa: PLR0913, PLR0917 - what a decision changes
    run: Run, watch: LoadWatch, ascent: Ascent, plan: LoadPlan, decision: Decision, breached: int
) -> tuple[Run, int] | None:
    """Arm the guard for another attempt, smoke again after a fix, and return what to go on with."""
    # The blocks are read anew: a fix may have changed them, a bypass key for one. The guard keeps its rules.
    fresh = open_run(run.id, run.environment_name, run.profile_name)
    # A pause is usually longer than this.
    if not _wait_until_clean(run, watch, watch.gone or datetime.now(UTC)):
        return None
    if not watch.rearm(plan, prepare_segments(fresh, watch, plan)):
        return None
    if decision.answer == "resume":
        watch.smoking = True
        try:
            go_on(
                smoke(
                    run.id, run.environment_name, run.profile_name, attempt=len(ascent.answers) + 2, return_state=True
                )
            )
        finally:
            watch.smoking = False
    ascent.went_on(decision.answer)
    return fresh, int(decision.details.get("stage") or breached)


def refine(run: Run, watch: LoadWatch, ascent: Ascent) -> None:
    """Bisect between the last stable level and the breached one, at most three probes; nobody is asked.

    A probe is risen to, held for the gate's look and judged; the guard watches as ever. Each begins when no windowed value
    looks back at the load before it. One that could not be judged ends the refining.
    """
    breach = watch.breach
    if breach is None or breach.final or breach.verdict is not Verdict.FAIL or not ascent.stage:
        return
    stable = ascent.stage
    plan = finer_plan(watch.plan, stable, watch.stage, len(watch.loadgens))
    low, high = stable, len(plan.levels)
    off: datetime | None = watch.gone or datetime.now(UTC)
    for _ in range(_PROBES):
        probe = next_probe(low, high)
        if probe is None or off is None or not _wait_until_clean(run, watch, off):
            return
        if not watch.rearm(plan, prepare_segments(run, watch, plan)):
            return
        amount = plan.levels[probe - 1].amount
        seen = _hold_probe(run, watch, probe, stable + 1)
        off = _end_probe(run, watch)
        judgement = judge_probe(seen, watch.breach)
        what, why = f"Refining the ceiling: {amount:g} {plan.unit}", judgement.detail.rstrip(".")
        match judgement.verdict:
            case Verdict.PASS:
                low, said = probe, "was stable"
                ascent.refined(amount)
            case Verdict.FAIL:
                high, said = probe, f"was not stable: {why}"
            case _:
                off, said = None, f"could not be judged, so no further level is tried: {why}"
        run.journal.append("ramp", "note", text=f"{what} {said}.")


def _hold_probe(run: Run, watch: LoadWatch, probe: int, above: int) -> Judgement | None:
    """Rise to a probe, hold it and look at it; None when the load was stopped before.

    Args:
        run: the run.
        watch: the load.
        probe: the level to hold.
        above: the first level above the stable ones: what is risen to, for the guard.
    """
    steady_from: datetime | None = None
    for number in range(1, probe + 1):
        if not start_stage(run, watch, number, towards=above):
            return None
        steady_from = wait_for_level(run, watch, number, held=False)
        if steady_from is None:
            return None
    assert steady_from is not None
    until = steady_from + timedelta(seconds=run.profile.gate.window_s)
    return look(run, watch, probe, steady_from, until) if wait_until(until, watch) else None


def _end_probe(run: Run, watch: LoadWatch) -> datetime | None:
    """See that the load of a probe is off and return since when; None when the guard did not see it gone."""
    if watch.breach is None:
        stop_segments(run, watch, tuple(watch.running.values()))
    if watch.breach is None:
        return datetime.now(UTC)
    return watch.gone if watch.is_off(SETTLED_S) else None


def _wait_until_clean(run: Run, watch: LoadWatch, off: datetime) -> bool:
    """Wait until no windowed value of the guard looks back at the load before; return False when nobody may go on.

    Args:
        run: the run.
        watch: the load.
        off: when that load was seen to be gone.
    """
    clean = off + timedelta(seconds=max((rule.window_s for rule in run.profile.guard), default=0.0))
    while (left_s := (clean - datetime.now(UTC)).total_seconds()) > 0:
        if watch.breach is not None and watch.breach.final:
            return False
        time.sleep(min(left_s, _WAIT_POLL_S))
    return True
