"""Asking a person: the only place where a run pauses. It pauses the phase's own run, never the parent."""

from __future__ import annotations

import time
from typing import Literal
from uuid import uuid4

from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.logging import get_run_logger
from pydantic import Field

from blocks.models.record import Decision
from tasks.run import Run

# Prefect polls the paused run this often, in seconds; the answer is seen within it.
_POLL_S = 1


class GoOrHalt(RunInput):
    """Go on, or halt: then everything is stopped and torn down."""

    decision: Literal["go", "halt"] = Field(description="go = do what the page says; halt = stop here and tear down")
    name: str = Field(min_length=1, max_length=80, description="Who decides")


def ask(run: Run, phase: str, asked: str, page: str, timeout_s: float) -> Decision:
    """Ask a person whether to go on; no answer in time is a halt.

    Args:
        run: the run.
        phase: the phase that asks; its own flow run pauses.
        asked: the question, one line.
        page: Markdown shown with it: what is known, and what each answer does.
        timeout_s: how long the answer may take.
    """
    get_run_logger().info("WAITING for an answer: %s", asked)
    began = time.monotonic()
    try:
        answered = pause_flow_run(
            wait_for_input=GoOrHalt.with_initial_data(description=f"## {asked}\n\n{page}"),
            timeout=int(timeout_s),
            poll_interval=_POLL_S,
            key=uuid4().hex,
        )
    except FlowPauseTimeout:
        answer, by = "halt", f"nobody within {timeout_s:g} s"
    else:
        # Parts of a form's rules are not enforced by the server, so the answer is read once more.
        checked = GoOrHalt.model_validate(answered.model_dump())
        answer, by = checked.decision, checked.name
    return _keep(
        run, phase, Decision(asked=asked, answer=answer, by=by, waited_seconds=round(time.monotonic() - began, 2))
    )


def decided_by_form(run: Run, phase: str, asked: str, answer: str) -> Decision:
    """Keep a decision that the run's form made in advance."""
    return _keep(run, phase, Decision(asked=asked, answer=answer, by="the run's form", waited_seconds=0.0))


def _keep(run: Run, phase: str, decision: Decision) -> Decision:
    run.journal.append(phase, "decision", **decision.model_dump())
    get_run_logger().info("%s: %s, by %s", decision.asked, decision.answer, decision.by)
    return decision
