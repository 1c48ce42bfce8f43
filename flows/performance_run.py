"""The whole checklist: from pre-flight to the report, with teardown whatever happens."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from prefect import Flow, flow, runtime
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import TerminationSignal
from prefect.states import Completed, Failed
from pydantic import Field

from blocks.models.errors import RampartError, Refused
from blocks.models.lease import LeaseState, Link
from blocks.models.verdict import Verdict
from flows.approvals import MAX_KEEP_MINUTES
from flows.janitor import clear
from flows.phase import go_on, in_a_sentence
from flows.preflight import preflight
from flows.provision import provision
from flows.smoke import smoke
from flows.teardown import end_run, take_over
from tasks.artifacts import show_checklist
from tasks.checks import PhaseStopped
from tasks.guard import hold_reason
from tasks.lease import Held, is_cancelling, kept_until, newest, renewing, state_of, take
from tasks.load import stop_all_load
from tasks.log import run_logger
from tasks.rules.record import where_it_ended
from tasks.run import Run, lay_out, open_run
from tasks.unfinished import finished

# The forms' defaults, for a run that was started without them.
_DEFAULTS: dict[str, Any] = {"environment": "perf", "profile": "stepped-ramp"}
# Others may take the lease between a look and a try; one of them wins each time.
_LEASE_TRIES = 5

OtherRun = Annotated[str, Field(max_length=36)]
BlockName = Annotated[str, Field(min_length=1, max_length=100)]


def _take_over(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Tear down and report for a run that was cancelled or crashed; runs in a process of its own.

    Prefect passes the arguments by these names.
    """
    parameters = {**_DEFAULTS, **(flow_run.parameters or {})}
    dead = open_run(str(flow_run.id), str(parameters["environment"]), str(parameters["profile"]))
    if not dead.journal.read()[0]:
        _open_journal(dead, parameters, with_ramp=flow.name == "performance-run")
    if finished(dead):
        return
    if state.is_crashed() and (kept := kept_until(dead)) is not None:
        note = f"{flow.name} crashed; what it made is kept until {kept:%H:%M} UTC, then the janitor takes it down."
        dead.journal.append("teardown", "note", text=note)
        return
    take_over(
        dead,
        f"{flow.name} ended as {state.name} at {where_it_ended(dead.journal.read()[0])}; its teardown was taken over.",
        "hook",
    )


# Prefect types a hook by the parameters of its flow, which differ here.
_HOOK: Any = _take_over


@flow(name="performance-run", on_cancellation=[_HOOK], on_crashed=[_HOOK])
def performance_run(  # noqa: PLR0913, PLR0917 - the form in the UI
    environment: BlockName = "perf",
    profile: BlockName = "stepped-ramp",
    start_stage: Annotated[int, Field(ge=1, le=100)] = 1,
    ask_before_apply: bool = True,
    ask_before_ramp: bool = True,
    advance: Literal["by-hand", "auto", "continuous"] = "by-hand",
    auto_until_stage: Annotated[int, Field(ge=0, le=100)] = 0,
    refine_ceiling: bool = False,
    keep_on_failure_minutes: Annotated[int, Field(ge=0, le=MAX_KEEP_MINUTES)] = 0,
    compare_with: OtherRun = "",
) -> State[Any]:
    """Run the whole checklist: pre-flight, provision, smoke, ramp, collect, teardown, report.

    Stages are released on the page of the ramp run, which pauses; the load is held meanwhile.

    Args:
        environment: Perf Environment block: where to run.
        profile: Load Profile block: what load, which limits.
        start_stage: Stage at which to hold first; the stages below are only risen through.
        ask_before_apply: Ask before infrastructure is made and money is spent.
        ask_before_ramp: Ask between the smoke test and the ramp.
        advance: Who releases a stage: a person on the ramp's page, or the gate alone when it says PASS; continuous runs
            the script as it is, and asks nobody.
        auto_until_stage: With by-hand: stages up to this one are released by the gate alone.
        refine_ceiling: After a breach, find the ceiling between the last stable stage and the breached one in three steps.
        keep_on_failure_minutes: When the run fails, ask before the teardown, and keep what was made for this long; 0 = take it
            down at once.
        compare_with: Run to compare with, by its id; empty is the last comparable one.
    """
    options = {
        "ask_before_apply": ask_before_apply, "ask_before_ramp": ask_before_ramp, "start_stage": start_stage,
        "advance": advance, "auto_until_stage": auto_until_stage, "refine_ceiling": refine_ceiling,
        "keep_on_failure_minutes": keep_on_failure_minutes, "compare_with": compare_with,
    }  # fmt: skip
    return in_a_sentence(lambda: _work_off(environment, profile, options, with_ramp=True))


@flow(name="nightly-smoke", on_cancellation=[_HOOK], on_crashed=[_HOOK])
def nightly_smoke(
    environment: BlockName = "perf", profile: BlockName = "stepped-ramp", compare_with: OtherRun = ""
) -> State[Any]:
    """Provision, smoke, tear down and report, without a question and without a ramp.

    Args:
        environment: Perf Environment block: where to run.
        profile: Load Profile block: which smoke test.
        compare_with: Run to compare with, by its id; empty is the last comparable one.
    """
    options = {"ask_before_apply": False, "compare_with": compare_with}
    return in_a_sentence(lambda: _work_off(environment, profile, options, with_ramp=False))


def _work_off(environment: str, profile: str, options: dict[str, Any], *, with_ramp: bool) -> State[Any]:
    """Work through the checklist under a lease, and end in the state its verdict asks for."""
    run = open_run(str(runtime.flow_run.id), environment, profile)
    if reason := hold_reason(run):
        raise Refused(
            f"The environment {environment} is on hold: {reason}. Delete the variable rampart_hold_{environment} to go on."
        )
    with renewing(_lease(run)):
        lay_out(run)
        _open_journal(run, {"environment": environment, "profile": profile, **options}, with_ramp=with_ramp)
        show_checklist(run)
        handed_over = False
        try:
            _work_through(run, options, with_ramp=with_ramp)
        except PhaseStopped as stop:
            run_logger().error("%s", stop)
        except TerminationSignal:
            run.journal.append(
                "teardown",
                "note",
                text=f"The run's process was told to end at {where_it_ended(run.journal.read()[0])}.",
            )
            try:
                stop_all_load(run)
            except RampartError as error:
                # Whoever ends the run stops it again.
                run_logger().error("The load could not be confirmed to be off: %s", error)
            # A worker that cancels gives 30 s until SIGKILL, too few for a destroy: its hook does the rest.
            handed_over = is_cancelling(run)
            raise
        finally:
            if not handed_over:
                end_run(run)
    return _final_state(run)


def _lease(run: Run) -> Held:
    """Take the environment's lease; what a dead run left there is taken down first.

    Raises:
        Refused: a live run has it, or what a dead one left cannot be removed.
    """
    cleared: Link | None = None
    for _ in range(_LEASE_TRIES):
        link = newest(run.environment_name)
        state, why = state_of(link)
        if state in {LeaseState.HELD, LeaseState.KEPT}:
            raise Refused(
                f"The environment {run.environment_name} is taken: {why}. Wait for it, cancel that run, or start its teardown."
            )
        if state is LeaseState.STALE and link != cleared:
            run_logger().warning("Before this run: %s", why)
            clear(run, link)
            # Clearing takes minutes: somebody else may have the environment by now, so it is judged again.
            cleared = link
            continue
        held = take(run, link, run.environment.lease_minutes)
        if held is not None:
            return held
    raise Refused(f"Others took the lease of {run.environment_name} {_LEASE_TRIES} times; start the run again.")


def _open_journal(run: Run, options: dict[str, Any], *, with_ramp: bool) -> None:
    run.journal.append(
        "preflight", "run_opened", run_id=run.id, environment=run.environment_name, profile=run.profile_name,
        left_out=[] if with_ramp else ["ramp"], options={key: options[key] for key in options if key not in _DEFAULTS},
    )  # fmt: skip


def _work_through(run: Run, options: dict[str, Any], *, with_ramp: bool) -> None:
    """Go from phase to phase until one does not pass."""
    where = (run.id, run.environment_name, run.profile_name)
    asked = {key: options[key] for key in ("start_stage", "advance") if key in options}
    go_on(preflight(*where, with_ramp=with_ramp, **asked, return_state=True))
    go_on(
        provision(
            *where,
            ask=options["ask_before_apply"],
            approval_timeout_s=run.profile.ramp.approval_timeout_s,
            return_state=True,
        )
    )
    go_on(smoke(*where, return_state=True))
    if with_ramp:
        # The gate's statistics take seconds to import; a run that has to be taken down by a hook does not wait for them.
        from flows.ramp import ramp  # noqa: PLC0415

        go_on(
            ramp(
                *where,
                start_stage_number=options["start_stage"],
                ask=options["ask_before_ramp"],
                advance=options["advance"],
                auto_until_stage=options["auto_until_stage"],
                refine_ceiling=options["refine_ceiling"],
                return_state=True,
            )
        )


def _final_state(run: Run) -> State[Any]:
    record = run.record()
    page = run.folder / "report.html"
    if record.verdict is Verdict.PASS and record.teardown is not None and record.teardown.verdict is Verdict.PASS:
        return Completed(message=f"PASS: {record.reason}; report: {page}")
    return Failed(message=f"{record.verdict.value}: {record.reason}; report: {page}")
