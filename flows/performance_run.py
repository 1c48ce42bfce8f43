"""The whole checklist: from pre-flight to the report, with teardown whatever happens."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from prefect import Flow, flow, runtime
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import TerminationSignal
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed
from pydantic import Field

from blocks.models.errors import RampartError
from blocks.models.verdict import Verdict
from flows.collect import collect
from flows.phase import go_on
from flows.preflight import preflight
from flows.provision import provision
from flows.ramp import ramp
from flows.report import report
from flows.smoke import smoke
from flows.teardown import teardown
from tasks.artifacts import show_checklist
from tasks.checks import PhaseStopped
from tasks.guard import hold_reason
from tasks.load import stop_all_load
from tasks.report import write_report
from tasks.run import Run, open_run
from tasks.teardown import tear_down

OtherRun = Annotated[str, Field(max_length=36)]
BlockName = Annotated[str, Field(min_length=1, max_length=100)]


def _take_over(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Tear down and report for a run that was cancelled or crashed; runs in a process of its own.

    Prefect passes the arguments by these names.
    """
    parameters = flow_run.parameters or {}
    dead = open_run(
        str(flow_run.id), str(parameters.get("environment", "perf")), str(parameters.get("profile", "stepped-ramp"))
    )
    dead.journal.append("teardown", "note", text=f"{flow.name} ended as {state.name}; its teardown was taken over.")
    try:
        tear_down(dead)
    except PhaseStopped as stop:
        dead.journal.append("teardown", "note", text=str(stop))
    write_report(dead)


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
        compare_with: Run to compare with, by its id; empty is the last comparable one.
    """
    options = {
        "ask_before_apply": ask_before_apply, "ask_before_ramp": ask_before_ramp, "start_stage": start_stage,
        "advance": advance, "auto_until_stage": auto_until_stage, "refine_ceiling": refine_ceiling, "compare_with": compare_with,
    }  # fmt: skip
    return _work_off(environment, profile, options, with_ramp=True)


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
    return _work_off(environment, profile, options, with_ramp=False)


def _work_off(environment: str, profile: str, options: dict[str, Any], *, with_ramp: bool) -> State[Any]:
    """Work through the checklist and end in the state its verdict asks for."""
    logger = get_run_logger()
    run_id = str(runtime.flow_run.id)
    try:
        run = open_run(run_id, environment, profile)
    except RampartError as error:
        logger.error("%s", error)  # noqa: TRY400 - the sentence is for the operator; a traceback helps nobody
        return Failed(message=str(error))
    if reason := hold_reason(run):
        held = f"The environment {environment} is on hold: {reason}. Delete the variable rampart_hold_{environment} to go on."
        logger.error("%s", held)
        return Failed(message=held)
    left_out = [] if with_ramp else ["ramp"]
    run.journal.append(
        "preflight",
        "run_opened",
        run_id=run_id,
        environment=environment,
        profile=profile,
        left_out=left_out,
        options=options,
    )
    show_checklist(run)
    where = (run_id, environment, profile)
    handed_over = False
    try:
        go_on(preflight(*where, with_ramp=with_ramp, start_stage=options.get("start_stage", 1), return_state=True))
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
    except PhaseStopped as stop:
        logger.error("%s", stop)  # noqa: TRY400 - a sentence for the operator
    except TerminationSignal:
        # 30 s until SIGKILL are too few for a destroy: stop the load, and let the hook do the rest.
        handed_over = True
        run.journal.append("ramp", "note", text="The run was cancelled.")
        stop_all_load(run)
        raise
    finally:
        if not handed_over:
            collect(*where, return_state=True)
            teardown(*where, return_state=True)
            report(*where, return_state=True)
    return _final_state(run)


def _final_state(run: Run) -> State[Any]:
    record = run.record()
    page = run.folder / "report.html"
    if record.verdict is Verdict.PASS and record.teardown is not None and record.teardown.verdict is Verdict.PASS:
        return Completed(message=f"PASS: {record.reason}; report: {page}")
    return Failed(message=f"{record.verdict.value}: {record.reason}; report: {page}")
