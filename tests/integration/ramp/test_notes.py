"""What is noted of a stage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prefect import flow

from tasks.clients.sut import ContainerStats
from tasks.notes import note_stage
from tasks.run import Run

pytestmark = pytest.mark.integration


def test_a_note_after_the_load_is_off_keeps_what_the_containers_used_under_it(run: Run) -> None:
    run.journal.append(
        "preflight", "run_opened", run_id=run.id, environment="test", profile="test", left_out=[], options={}
    )
    now = datetime.now(UTC)
    used = ContainerStats(name="ebit-api-1", cpu_percent=42.0, memory_bytes=1024)

    @flow
    def note_twice() -> None:
        for stats in ((used,), ()):
            note_stage(run, 1, now - timedelta(seconds=5), now, stats)

    note_twice()
    (stage,) = run.record().stages
    assert [(item.container, item.cpu_percent, item.memory_bytes) for item in stage.sut] == [("ebit-api-1", 42.0, 1024)]
