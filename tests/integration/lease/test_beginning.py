"""What a new run finds in its environment: it begins only when the run before is over."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import VariableCreate

from blocks.models.errors import Refused
from flows.performance_run import _lease as take_environment
from tasks.lease import newest, require_lease, take
from tasks.rules.lease import variable_name
from tasks.run import Run
from tests.integration.lease.test_chain import run, run_of

__all__ = ["run"]

pytestmark = pytest.mark.integration


def test_before_another_run_begins_the_run_of_an_expired_lease_has_to_be_over(run: Run, tmp_path: Path) -> None:
    assert take(run, None, 0) is not None
    other = run_of(tmp_path, run.environment_name)
    with pytest.raises(Refused, match=rf"its run {run.id} is not over in Prefect\. Wait for it, cancel it, or"):
        take_environment(other)
    require_lease(run)


def test_a_lease_of_nonsense_is_taken_over_when_no_run_is_left(run: Run) -> None:
    with get_client(sync_client=True) as client:
        client.create_variable(VariableCreate(name=variable_name(run.environment_name, 1), value="mine"))
    assert take_environment(run).epoch == 2


def test_a_lease_of_nonsense_does_not_take_the_environment_from_a_run_that_lives(run: Run, tmp_path: Path) -> None:
    run.folder.mkdir()
    run.journal.append("preflight", "run_opened", run_id=run.id, environment=run.environment_name, profile="test")
    with get_client(sync_client=True) as client:
        client.create_variable(VariableCreate(name=variable_name(run.environment_name, 1), value="mine"))
    with pytest.raises(Refused, match=rf"but run {run.id} is not over in Prefect\. Wait for it, cancel it, or"):
        take_environment(run_of(tmp_path, run.environment_name))
    link = newest(run.environment_name)
    assert link is not None
    assert link.epoch == 1
