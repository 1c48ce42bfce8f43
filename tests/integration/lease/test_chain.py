"""The chain of leases on a real Prefect server."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import VariableUpdate
from prefect.context import SyncClientContext
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed
from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.models.errors import Refused, Unavailable
from blocks.models.lease import LeaseState
from blocks.perf_environment import PerfEnvironment
from tasks.lease import end_keeping, give_up, keep, newest, release, renewing, require_lease, state_of, take
from tasks.rules.lease import read_link, variable_name
from tasks.run import Run
from tasks.teardown import release_forgotten
from tests.integration.ramp.conftest import parent_run

pytestmark = pytest.mark.integration

_PROCESSES, _TAKEOVERS = 8, 200


def run_of(folder: Path, environment: str) -> Run:
    block = PerfEnvironment(checkout=folder, account_id="123456789012", aws=AwsCredentials(), runs_folder=folder)
    return Run(parent_run(), environment, "test", block, LoadProfile())


@pytest.fixture
def run(prefect: str, tmp_path: Path) -> Run:  # noqa: ARG001 - its server has to run
    return run_of(tmp_path, f"env-{uuid4().hex[:8]}")


def test_a_lease_of_a_live_run_is_held_and_of_an_ended_one_is_stale(run: Run) -> None:
    assert state_of(newest(run.environment_name))[0] is LeaseState.FREE
    held = take(run, None, 10)
    assert held is not None
    require_lease(run)
    assert state_of(newest(run.environment_name))[0] is LeaseState.HELD
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(held.lease.run_id, Completed(), force=True)
    assert state_of(newest(run.environment_name))[0] is LeaseState.STALE


def test_who_lost_the_lease_may_make_nothing_and_learns_it(run: Run, tmp_path: Path) -> None:
    held = take(run, None, 0)
    assert held is not None
    other = run_of(tmp_path, run.environment_name)
    with renewing(held):
        assert take(other, newest(run.environment_name), 10, "teardown") is not None
        with pytest.raises(Refused, match="was taken over"):
            require_lease(run)
        assert held.lost.is_set()
    require_lease(other)
    assert take(other, None, 10) is None


def test_a_released_lease_frees_the_environment_and_forgets_the_older_links(run: Run) -> None:
    for epoch in (1, 2, 3):
        held = take(run, newest(run.environment_name), 10)
        assert held is not None
        assert held.epoch == epoch
    release(run)
    link = newest(run.environment_name)
    assert state_of(link)[0] is LeaseState.FREE
    with get_client(sync_client=True) as client:
        assert client.read_variable_by_name(variable_name(run.environment_name, 2)) is None
    # Epochs go on: whoever slept since epoch 3 finds that it is not the newest.
    again = take(run, link, 10)
    assert again is not None
    assert again.epoch == 4


def test_a_kept_lease_outlives_its_run_and_a_failed_teardown_lets_it_expire(run: Run) -> None:
    held = take(run, None, 10)
    assert held is not None
    keep(run, held.lease.expires)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Completed(), force=True)
    assert state_of(newest(run.environment_name))[0] is LeaseState.KEPT
    give_up(run, ("vpc-1",))
    link = newest(run.environment_name)
    assert state_of(link)[0] is LeaseState.STALE
    assert link is not None
    assert link.lease is not None
    assert link.lease.leftover == ("vpc-1",)


def test_a_run_that_is_kept_no_longer_holds_a_working_runs_lease_which_is_stale_when_it_dies(run: Run) -> None:
    held = take(run, None, 10)
    assert held is not None
    keep(run, datetime.now(UTC) + timedelta(minutes=240))
    end_keeping(run)
    link = newest(run.environment_name)
    assert link is not None
    assert link.lease is not None
    assert timedelta(minutes=9) < link.lease.expires - datetime.now(UTC) <= timedelta(minutes=10)
    assert state_of(link)[0] is LeaseState.HELD
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Completed(), force=True)
    assert state_of(link)[0] is LeaseState.STALE


def test_the_forgotten_lease_of_a_run_taken_down_is_released_and_no_live_or_other_runs_is(
    run: Run, tmp_path: Path
) -> None:
    assert take(run, None, 10) is not None
    release_forgotten(run)
    assert state_of(newest(run.environment_name))[0] is LeaseState.HELD
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Completed(), force=True)
    release_forgotten(run_of(tmp_path, run.environment_name))
    assert state_of(newest(run.environment_name))[0] is LeaseState.STALE
    release_forgotten(run)
    assert state_of(newest(run.environment_name))[0] is LeaseState.FREE


def test_a_lease_that_somebody_edited_into_nonsense_is_lost_and_stale(run: Run) -> None:
    held = take(run, None, 10)
    assert held is not None
    with get_client(sync_client=True) as client:
        client.update_variable(
            VariableUpdate(name=variable_name(run.environment_name, held.epoch), value="mine, all mine")
        )
    with pytest.raises(Refused, match="was taken over"):
        require_lease(run)
    state, why = state_of(newest(run.environment_name))
    assert (state, why.partition(":")[0]) == (LeaseState.STALE, "lease 1 counts as expired")


def test_a_lease_that_was_renewed_since_it_was_judged_is_not_taken_over(run: Run, tmp_path: Path) -> None:
    held = take(run, None, 0)
    assert held is not None
    judged = newest(run.environment_name)
    assert state_of(judged)[0] is LeaseState.STALE
    keep(run, datetime.now(UTC) + timedelta(minutes=10))
    assert take(run_of(tmp_path, run.environment_name), judged, 10) is None
    require_lease(run)


def test_a_silent_prefect_is_said(run: Run) -> None:
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(Unavailable, match="did not answer"),
    ):
        newest(run.environment_name)


def _take_over(url: str, folder: Path, environment: str, barrier: Barrier, winners: Any) -> None:
    # As in a flow: one client for all that is asked.
    with temporary_settings({PREFECT_API_URL: url}), SyncClientContext.get_or_create() as context:
        client = context.client
        block = PerfEnvironment(checkout=folder, account_id="123456789012", aws=AwsCredentials(), runs_folder=folder)
        for epoch in range(1, _TAKEOVERS + 1):
            run = Run(str(uuid4()), environment, "test", block, LoadProfile())
            barrier.wait(120)
            # Everybody knows which epoch is the newest now: one of them took it.
            variable = client.read_variable_by_name(variable_name(environment, epoch))
            assert variable is not None
            held = take(run, read_link(epoch, variable.value), 0, "teardown")
            winners.put(held.epoch if held else 0)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_of_eight_processes_that_take_over_a_stale_lease_one_wins_each_time(
    prefect: str, run: Run, tmp_path: Path
) -> None:
    assert take(run, None, 0) is not None
    context = multiprocessing.get_context("forkserver")
    # Prefect is imported once, and not by each of the eight.
    context.set_forkserver_preload([__name__])
    barrier, winners = context.Barrier(_PROCESSES), context.Queue()
    arguments = (prefect, tmp_path, run.environment_name, barrier, winners)
    processes = [context.Process(target=_take_over, args=arguments) for _ in range(_PROCESSES)]
    for process in processes:
        process.start()
    epochs = Counter(winners.get(timeout=300) for _ in range(_PROCESSES * _TAKEOVERS))
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert epochs.pop(0) == (_PROCESSES - 1) * _TAKEOVERS
    assert epochs == dict.fromkeys(range(2, _TAKEOVERS + 2), 1)


def test_a_renewal_never_undoes_a_release_or_a_surrender(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.lease._RENEW_S", 0.001)
    for end in (release, lambda run: give_up(run, ())):
        held = take(run, newest(run.environment_name), 10)
        assert held is not None
        with renewing(held):
            end(run)
            written = newest(run.environment_name)
            held.lost.wait(0.3)
        assert newest(run.environment_name) == written
