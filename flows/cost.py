"""Cost check: what the run really cost, asked of Cost Explorer when a day has passed."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from blocks.models.verdict import Verdict
from flows.phase import in_a_sentence, phase_of
from tasks.checks import check
from tasks.cost import ask_for_cost
from tasks.report import render_again
from tasks.run import Run, open_known_run


@flow(name="cost-check", flow_run_name="cost check of {environment}")
def cost_check(
    run_id: Annotated[str, Field(min_length=36, max_length=36)],
    environment: Annotated[str, Field(min_length=1)] = "perf",
    profile: Annotated[str, Field(min_length=1)] = "stepped-ramp",
    look: Annotated[int, Field(ge=1, le=3)] = 1,
) -> State[Any]:
    """Ask Cost Explorer what a run cost, and amend its record and report.

    Args:
        run_id: The run: the flow-run id of its performance-run.
        environment: Perf Environment block of the run.
        profile: Load Profile block of the run.
        look: Which look this is; after the third nothing more is scheduled.
    """
    return in_a_sentence(lambda: _ask(open_known_run(run_id, environment, profile), look))


def _ask(run: Run, look: int) -> State[Any]:
    with phase_of(run, "report") as opened:
        with check(run, "report.cost", needed=False) as checking:
            judgement = ask_for_cost(run, look)
            checking.judge(judgement)
        render_again(run)
        state = Failed if judgement.verdict is Verdict.FAIL else Completed
        opened.outcome = state(message=f"{judgement.verdict.value}: {judgement.detail}")
    return opened.outcome
