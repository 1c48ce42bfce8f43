"""A load that was not seen to be off is not said to be off."""

from __future__ import annotations

import threading
from contextvars import copy_context
from pathlib import Path
from uuid import uuid4

from prefect.logging import disable_run_logger
from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.models.breach import Breached
from blocks.models.load import LoadPlan
from blocks.models.settings import SshAccess
from blocks.perf_environment import PerfEnvironment
from tasks.clients.hosts import Host
from tasks.clients.loadgen import LoadGenerator
from tasks.guard import stop_on_breach
from tasks.run import Run
from tasks.watch import LoadWatch

_PLAN = LoadPlan(unit="vus", levels=(), scenarios=(), thresholds={}, tags={}, other={})


def _run(tmp_path: Path) -> Run:
    environment = PerfEnvironment(
        checkout=tmp_path, account_id="123456789012", aws=AwsCredentials(), runs_folder=tmp_path / "runs"
    )
    run = Run(str(uuid4()), "test", "test", environment, LoadProfile(guard_poll_s=0.5))
    run.folder.mkdir(parents=True)
    return run


def test_a_breach_whose_load_generator_stays_away_has_no_end_of_load_and_names_it(tmp_path: Path) -> None:
    run = _run(tmp_path)
    run.journal.append("ramp", "run_opened", run_id=run.id, environment="test")
    # Nothing listens on port 1: the connection is refused at once.
    away = LoadGenerator(Host("127.0.0.1", SshAccess(port=1)), "away", 0)
    watch = LoadWatch(loadgens=(away,), plan=_PLAN, segments=())
    reported: list[bool] = []

    def stop() -> None:
        with disable_run_logger():
            reported.append(stop_on_breach(run, watch, Breached("by the test", "now", "later")))

    thread = threading.Thread(target=copy_context().run, args=(stop,))
    thread.start()
    while watch.breach is None:
        assert thread.is_alive()
    watch.finish()
    thread.join(60)
    assert reported == [True]
    assert not watch.stopped.is_set()
    # Nobody waits for what the guard does not try any more.
    assert watch.settled.is_set()
    # The question whether to go on ends all the same.
    with watch.pause_to_end() as pending:
        assert pending is watch.breach
    record = run.record()
    assert [(breach.rule, breach.stopped, breach.load_zero_at) for breach in record.breaches] == [
        ("by the test", None, None)
    ]
    assert "was not seen to be off" in record.notes[-1]
    assert "127.0.0.1" in record.notes[-1]


def test_a_breach_that_cannot_be_journaled_keeps_nobody_waiting_for_its_load(tmp_path: Path) -> None:
    run, watch = _run(tmp_path), LoadWatch(loadgens=(), plan=_PLAN, segments=())
    # Nothing can be appended to a folder.
    (run.folder / "journal.jsonl").mkdir()
    with disable_run_logger():
        assert stop_on_breach(run, watch, Breached("by the test", "now", "later"))
    assert watch.is_off(0)
    assert watch.gone is not None
