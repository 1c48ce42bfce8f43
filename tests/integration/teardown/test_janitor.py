"""The janitor finishes what it can, and is green only when nothing is left."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Crashed

from blocks.load_profile import LoadProfile
from flows.janitor import janitor
from tasks.lease import renewing, require_lease, take
from tasks.run import Run
from tasks.unfinished import finished
from tests.integration.ramp.conftest import parent_run
from tests.integration.teardown.test_tear_down import applied_by_the_run

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]


@pytest.mark.long
def test_a_run_that_is_still_not_clean_fails_the_janitor_and_keeps_no_other_from_being_finished(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.clients.terraform._PAUSES_S", ())
    run.environment.save(run.environment_name)
    LoadProfile().save("test", overwrite=True)
    # Three dead runs: of the first nobody can read the journal, the second is the oldest and applied nothing, the third's
    # host does not go.
    torn = run.environment.runs_folder / "torn" / "journal.jsonl"
    torn.mkdir(parents=True)
    empty = Run(parent_run(), run.environment_name, "test", run.environment, run.profile)
    empty.evidence.mkdir(parents=True)
    empty.journal.append(
        "preflight", "run_opened", run_id=empty.id, environment=run.environment_name, profile="test", left_out=[],
        options={},
    )  # fmt: skip
    line = json.loads(empty.journal.path.read_text())
    empty.journal.path.write_text(json.dumps({**line, "at": "2026-01-01T00:00:00Z"}) + "\n")
    assert take(run, None, 0) is not None
    applied_by_the_run(run)
    with get_client(sync_client=True) as client:
        for dead in (run, empty):
            client.set_flow_run_state(dead.id, Crashed(), force=True)
    state: State[Any] = janitor(return_state=True)
    assert state.is_failed()
    assert state.message is not None
    assert "Run torn is not finished: IsADirectoryError: " in state.message
    assert (
        f"Run {run.id} is not finished: it was not seen to be taken down completely; "
        "left: terraform_data.host in Terraform's state."
    ) in state.message
    assert empty.id not in state.message
    assert finished(empty)
    # The run that had the environment last is not kept waiting by an older one.
    began = {
        dead.id: next(event.at for event in dead.journal.read()[0] if event.data.get("taken_over"))
        for dead in (run, empty)
    }
    assert began[run.id] < began[empty.id]


@pytest.mark.long
def test_an_expired_lease_is_taken_over_although_prefect_says_that_its_run_lives(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.lease._RENEW_S", 0.1)
    run.environment.save(run.environment_name)
    LoadProfile().save("test", overwrite=True)
    assert take(run, None, 0) is not None
    janitor(return_state=True)
    assert finished(run)


def test_an_expired_lease_that_is_renewed_again_is_left_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.lease._RENEW_S", 0.1)
    monkeypatch.setattr("tasks.lease._RENEWALS", 600)
    run.environment.save(run.environment_name)
    held = take(run, None, 0)
    assert held is not None
    with renewing(held):
        janitor(return_state=True)
    assert not finished(run)
    require_lease(run)
