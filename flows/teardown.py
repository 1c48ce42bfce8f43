"""Teardown: nothing of the run is left in the account. Can be started again, and by hand."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.phase import phase
from tasks.teardown import tear_down


@flow(name="teardown", flow_run_name="teardown of {environment}")
def teardown(
    run_id: Annotated[
        str,
        Field(min_length=36, max_length=36),
    ],
    environment: Annotated[str, Field(min_length=1)] = "perf",
    profile: Annotated[str, Field(min_length=1)] = "stepped-ramp",
) -> State[Any]:
    """Stop every k6 of the run, destroy its infrastructure, and look for what is left by tag.

    Args:
        run_id: The run to take down: the flow-run id of its performance-run.
        environment: Perf Environment block of the run.
        profile: Load Profile block of the run.
    """
    with phase("teardown", run_id, environment, profile) as opened:
        tear_down(opened.run)
    return opened.outcome
