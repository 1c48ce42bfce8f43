"""Asking a person: the only place where a run pauses. It pauses the phase's own run, never the parent."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.utilities.urls import url_for
from pydantic import Field, ValidationError, create_model, model_validator
from pydantic_core import ErrorDetails

from blocks.models.errors import Refused
from blocks.models.load import LoadPlan
from blocks.models.record import Decision
from blocks.models.verdict import Verdict
from tasks.artifacts import link_list, show_question
from tasks.lease import end_keeping, keep
from tasks.rules.segments import throttle
from tasks.run import Run

# Prefect polls the paused run this often, in seconds; the answer is seen within it.
_POLL_S = 0.5
MAX_KEEP_MINUTES = 240
"""What a failed run made is kept no longer than this, however often it is extended: four hours are an engineer's half day."""
_ENDINGS = ("teardown", "report")
_BAD = {Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE}
_MADE = {Verdict.PASS, Verdict.FAIL, Verdict.ERROR}


class GoOrHalt(RunInput):
    """Go on, or halt: then everything is stopped and torn down."""

    decision: Literal["go", "halt"] = Field(description="go = do what the page says; halt = stop here and tear down")
    name: str = Field(min_length=1, max_length=80, description="Who decides")


class StageRelease(RunInput):
    """What becomes of the stage that is held."""

    decision: Literal["go", "step-down", "halt"] = Field(
        description="go = do what the page says; step-down = back to the stage below and hold it; halt = stop and tear down"
    )
    name: str = Field(min_length=1, max_length=80, description="Who decides")


class KeepOrDestroy(RunInput):
    """What becomes of a failed run's infrastructure."""

    decision: Literal["destroy-now", "extend"] = Field(
        description="destroy-now = take everything down; extend = keep it longer, by the minutes below"
    )
    name: str = Field(min_length=1, max_length=80, description="Who decides")
    minutes: int = Field(30, ge=1, le=240, description="With extend: how much longer")


def triage_form(plan: LoadPlan, loadgens: int) -> type[RunInput]:
    """Return the form of a triage: what it takes is what this ramp can do.

    Args:
        plan: what is risen through; its stages may be gone on with and its scenarios throttled.
        loadgens: how many hosts share the load.
    """

    def take(form: Any) -> Any:  # noqa: ANN401 - the form is made below
        if form.decision == "throttle":
            try:
                throttle(plan, form.scenario, form.share, loadgens)
            except Refused as refusal:
                raise ValueError(str(refusal)) from refusal
        return form

    fields: dict[str, Any] = {
        "decision": (
            Literal["resume", "throttle", "halt"],
            Field(
                description="resume = it is fixed: smoke again, then the ramp from the stage; throttle = go on with less of one scenario; "
                "halt = stop here and tear down"
            ),
        ),
        "name": (str, Field(min_length=1, max_length=80, description="Who decides")),
        "stage": (int, Field(0, ge=0, le=len(plan.levels), description="Stage to go on with; 0 = the breached one")),
        "scenario": (
            Literal[("", *(scenario.name for scenario in plan.scenarios))],
            Field("", description="With throttle: which scenario"),
        ),
        "share": (float, Field(0.5, gt=0, lt=1, description="With throttle: what is left of it, 0.5 = half")),
    }
    checks: dict[str, Any] = {"take": model_validator(mode="after")(take)}
    form: type[RunInput] = create_model("TriageDecision", __base__=RunInput, __validators__=checks, **fields)
    return form


def ask(  # noqa: PLR0913, PLR0917 - a question has this many parts
    run: Run,
    phase: str,
    asked: str,
    page: str,
    timeout_s: float,
    form: type[RunInput] = GoOrHalt,
    unanswered: str = "halt",
) -> Decision:
    """Ask a person; no answer in time is a halt.

    Args:
        run: the run.
        phase: the phase that asks; its own flow run pauses.
        asked: the question, one line.
        page: Markdown shown with it: what is known, and what each answer does.
        timeout_s: how long the answer may take.
        form: what may be answered; has the fields ``decision`` and ``name``.
        unanswered: what no answer in time means.
    """
    get_run_logger().info("WAITING for an answer: %s", asked)
    until = f"No answer until {datetime.now(UTC) + timedelta(seconds=timeout_s):%H:%M:%S} UTC means {unanswered}."
    show_question(run, f"**{asked}** Press Resume on {_own_page(phase)}. {until}")
    began = time.monotonic()
    problem = ""
    while True:
        left_s = timeout_s - (time.monotonic() - began)
        try:
            answered = pause_flow_run(
                wait_for_input=form.with_initial_data(description=f"## {asked}\n\n{problem}{page}\n\n{until}"),
                timeout=max(1, int(left_s)),
                poll_interval=_POLL_S,  # type: ignore[call-overload] # seconds for time.sleep, so half a second is fine
                key=uuid4().hex,
            )
            # Parts of a form's rules are not enforced by the server, so the answer is read once more.
            values = form.model_validate(answered.model_dump(exclude={"keyset"})).model_dump()
        except FlowPauseTimeout:
            values = {"decision": unanswered, "name": f"nobody within {timeout_s:g} s"}
        except ValidationError as error:
            first = error.errors()[0]
            if first["input"] != {}:
                problem = f"**The answer was not taken:** {_why(first)}\n\n"
                continue
            # The guard ends the pause of a cancelled run without an answer.
            values = {"decision": unanswered, "name": "nobody: the pause was ended"}
        break
    # A form has the fields of all its answers; those of the others are not kept.
    others = {"decision", "name", "keyset"}
    others |= set() if values["decision"] == "throttle" else {"scenario", "share"}
    others |= set() if values["decision"] == "extend" else {"minutes"}
    details = {key: value for key, value in values.items() if key not in others and value}
    decision = Decision(
        asked=asked, answer=values["decision"], by=values["name"], details=details,
        waited_seconds=round(time.monotonic() - began, 2),
    )  # fmt: skip
    show_question(run, f"Nothing is asked. The last answer, by {decision.by}: {asked} **{decision.answer}**")
    return _keep(run, phase, decision)


def ask_whether_to_keep(run: Run, minutes: int) -> None:
    """Keep what a failed run made for a person to look at, until the time is over or somebody says destroy.

    The load is off by then. While it asks, the lease ends when the time does, so that the janitor takes it down should
    this process be gone; afterwards it is a working run's again. Cancelling the run means now.

    Args:
        run: the run, whose lease this process holds.
        minutes: how long at first; extended by the answers, at most to ``MAX_KEEP_MINUTES`` in all.
    """
    record = run.record()
    bad = next((item for item in record.checks if item.phase not in _ENDINGS and item.verdict in _BAD), None)
    if bad is None or not any(item.id == "provision.apply" and item.verdict in _MADE for item in record.checks):
        return
    began = datetime.now(UTC)
    until = began + timedelta(minutes=min(minutes, MAX_KEEP_MINUTES))
    latest = began + timedelta(minutes=MAX_KEEP_MINUTES)
    try:
        while True:
            keep(run, until)
            asked = f"What the failed run made is kept until {until:%H:%M:%S} UTC. Destroy it now?"
            page = (
                f"**{bad.id}** {bad.verdict.value}: {bad.detail}\n\n{link_list(record)}\n\nThe load is off; the infrastructure costs money while it "
                f"is kept. **destroy-now** takes everything down. **extend** keeps it longer, at most until {latest:%H:%M} UTC. "
                "Cancelling the run destroys it now."
            )
            left_s = (until - datetime.now(UTC)).total_seconds()
            decision = ask(run, "teardown", asked, page, left_s, KeepOrDestroy, unanswered="destroy-now")
            if decision.answer != "extend":
                return
            until = min(latest, until + timedelta(minutes=float(decision.details.get("minutes", 0))))
    finally:
        # Also when a signal ends the question: who takes over must not find it kept.
        end_keeping(run)


def decided_by_form(run: Run, phase: str, asked: str, answer: str) -> Decision:
    """Keep a decision that the run's form made in advance."""
    return _keep(run, phase, Decision(asked=asked, answer=answer, by="the run's form", waited_seconds=0.0))


def _why(error: ErrorDetails) -> str:
    """Say why a form did not take an answer: a field of it, or the answer as a whole."""
    where = ".".join(map(str, error["loc"]))
    return f"{where}: {error['msg']}" if where else str(error.get("ctx", {}).get("error", error["msg"]))


def _own_page(phase: str) -> str:
    """Return a link to the page of the run that asks, in Prefect's newer UI: the older one shows little of a long page."""
    url = url_for("flow-run", flow_run.id)
    return (
        f"[the page of the {phase} run]({url.replace('/runs/', '/v2/runs/', 1)})" if url else f"the {phase} run's page"
    )


def _keep(run: Run, phase: str, decision: Decision) -> Decision:
    run.journal.append(phase, "decision", **decision.model_dump())
    get_run_logger().info("%s %s, by %s", decision.asked, decision.answer, decision.by)
    return decision
