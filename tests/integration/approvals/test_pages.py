"""What a run's page in Prefect shows, on a real server."""

from __future__ import annotations

from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from tasks.artifacts import show_question
from tasks.run import Run
from tests.integration.lease.test_chain import run, run_of

__all__ = ["run"]

pytestmark = pytest.mark.integration


def shown(run: Run) -> list[object]:
    own = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run.id)]))
    with get_client(sync_client=True) as client:
        return [(item.key, item.data) for item in client.read_artifacts(artifact_filter=own)]


def test_a_page_is_changed_in_place_and_another_runs_of_the_same_name_is_not(run: Run) -> None:
    other = run_of(run.folder, run.environment_name)
    show_question(other, "theirs")
    for text in ("first", "second"):
        show_question(run, text)
    assert shown(run) == [("question", "second")]
    assert shown(other) == [("question", "theirs")]
