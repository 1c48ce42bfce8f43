"""A teardown started by hand means now, also while the failed run is kept."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextvars import copy_context
from dataclasses import replace

import pytest
from prefect import flow
from prefect.runtime import flow_run

from blocks.load_profile import LoadProfile
from flows.teardown import end_run
from tasks.clients.journal import Journal
from tasks.lease import take
from tasks.run import Run
from tests.integration.guard.conftest import until
from tests.integration.teardown.test_tear_down import lease_of

pytestmark = pytest.mark.integration

_BY_HAND = """
import sys
from flows.teardown import teardown
print(teardown(*sys.argv[1:], return_state=True).message)
"""


def test_a_teardown_by_hand_ends_the_keeping_of_a_failed_run_and_reports_its_result(prefect: str, run: Run) -> None:
    run.environment.save(run.environment_name)
    LoadProfile().save("test", overwrite=True)
    kept: list[Run] = []

    @flow(name="performance-run")
    def fails() -> None:
        failed = replace(run, id=str(flow_run.id))
        failed.evidence.mkdir(parents=True)
        failed.journal.append(
            "preflight", "run_opened", run_id=failed.id, environment=run.environment_name, profile="test", left_out=[],
            options={"keep_on_failure_minutes": 60},
        )  # fmt: skip
        assert take(failed, None, 10) is not None
        failed.journal.append(
            "provision", "check", id="provision.apply", verdict="FAIL", detail="half of it", evidence=[],
            started="2026-01-01T00:00:00+00:00", seconds=1.0,
        )  # fmt: skip
        kept.append(failed)
        end_run(failed)

    thread = threading.Thread(target=copy_context().run, args=(fails,))
    thread.start()
    until(lambda: bool(kept) and lease_of(kept[0])[1].purpose == "kept", "the failed run is kept", 120)
    by_hand = subprocess.run(
        [sys.executable, "-c", _BY_HAND, kept[0].id, run.environment_name, "test"],
        env={**os.environ, "PREFECT_API_URL": prefect}, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    thread.join(120)
    assert by_hand.stdout.strip() == "another process took everything down; nothing is left", by_hand.stderr
    decisions = [event.data for event in Journal(kept[0].journal.path).read()[0] if event.kind == "decision"]
    assert [(item["answer"], item["by"].partition(" ")[0]) for item in decisions] == [("destroy-now", "teardown")]
    # What is being destroyed is not kept any more: a crash meanwhile would be finished at once.
    assert lease_of(kept[0])[1].purpose == "run"
