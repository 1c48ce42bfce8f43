"""A phase ends in the journal when it was worked off, however it went, and not when a signal broke it off."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from prefect.exceptions import TerminationSignal
from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.models.errors import Refused
from blocks.perf_environment import PerfEnvironment
from flows.phase import phase_of
from tasks.checks import PhaseStopped
from tasks.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    block = PerfEnvironment(checkout=tmp_path, account_id="123456789012", aws=AwsCredentials(), runs_folder=tmp_path)
    run = Run("run", "perf", "stepped", block, LoadProfile())
    run.folder.mkdir()
    return run


def ended(run: Run) -> list[str]:
    return [event.data["state"] for event in run.journal.read()[0] if event.kind == "phase_ended"]


@pytest.mark.parametrize("signalled", [TerminationSignal(signal.SIGTERM), KeyboardInterrupt()], ids=repr)
def test_a_phase_that_a_signal_breaks_off_has_not_ended(run: Run, signalled: BaseException) -> None:
    with pytest.raises(type(signalled)), phase_of(run, "collect"):
        raise signalled
    assert ended(run) == []
    assert run.journal.read()[0][-1].data["text"] == "The collect phase was broken off by a signal."


@pytest.mark.parametrize("stop", [PhaseStopped("a check"), Refused("a sentence")], ids=repr)
def test_a_phase_that_a_check_or_a_sentence_stops_has_failed(run: Run, stop: Exception) -> None:
    with phase_of(run, "collect") as opened:
        raise stop
    assert opened.outcome.is_failed()
    assert ended(run) == ["FAILED"]


def test_a_phase_whose_time_is_over_or_that_has_a_bug_has_failed(run: Run) -> None:
    with pytest.raises(TimeoutError), phase_of(run, "collect"):
        raise TimeoutError
    assert ended(run) == ["FAILED"]


def test_a_phase_that_was_worked_off_has_passed(run: Run) -> None:
    with phase_of(run, "collect"):
        pass
    assert ended(run) == ["COMPLETED"]
