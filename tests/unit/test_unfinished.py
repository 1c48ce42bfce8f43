"""Runs to finish are found by their journals, also beside a journal that nobody can read."""

from __future__ import annotations

import json
from pathlib import Path

from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.perf_environment import PerfEnvironment
from tasks.run import Run
from tasks.unfinished import missing, unfinished_runs


def run_of(folder: Path, name: str, environment: str = "perf") -> Run:
    block = PerfEnvironment(checkout=folder, account_id="123456789012", aws=AwsCredentials(), runs_folder=folder)
    run = Run(name, environment, "stepped", block, LoadProfile())
    run.folder.mkdir()
    return run


def begun(folder: Path, name: str, environment: str = "perf") -> Run:
    run = run_of(folder, name, environment)
    run.journal.append("preflight", "run_opened", run_id=name, environment=environment, profile="stepped")
    return run


def test_only_runs_of_the_environment_that_something_is_missing_of_are_found(tmp_path: Path) -> None:
    finished = begun(tmp_path, "finished")
    finished.journal.append("teardown", "teardown", verdict="PASS", clean=True, leftover=[])
    finished.journal.append("report", "run_closed")
    begun(tmp_path, "elsewhere", "other")
    first = begun(tmp_path, "b-first")
    begun(tmp_path, "a-second")
    found = unfinished_runs(first.environment, "perf")
    assert [item.run_id for item in found] == ["b-first", "a-second"]
    assert {item.why for item in found} == {"it was not seen to be taken down completely"}


def test_a_journal_that_nobody_can_read_is_named_and_hides_no_other(tmp_path: Path) -> None:
    (run_of(tmp_path, "a-folder").folder / "journal.jsonl").mkdir()
    run_of(tmp_path, "another-time").journal.append("preflight", "run_opened", run_id="another-time")
    good = begun(tmp_path, "good")
    found = unfinished_runs(good.environment, "perf")
    assert [item.run_id for item in found] == ["good", "a-folder", "another-time"]
    assert "a-folder/journal.jsonl cannot be judged (IsADirectoryError: " in found[1].why
    assert "another-time/journal.jsonl cannot be judged (KeyError: 'environment')" in found[2].why


def test_a_run_whose_journal_lost_its_first_line_is_found_by_its_folder(tmp_path: Path) -> None:
    run = begun(tmp_path, "torn")
    journal = run.folder / "journal.jsonl"
    journal.write_text(journal.read_text()[:40] + "\n")
    run.journal.append("provision", "phase_started")
    (run.folder / "blocks.json").write_text(json.dumps({"environment_name": "perf", "profile_name": "stepped"}))
    (found,) = unfinished_runs(run.environment, "perf")
    assert (found.run_id, found.profile) == ("torn", "stepped")
    assert unfinished_runs(run.environment, "other") == ()


def test_what_a_teardown_left_is_said_with_what_is_missing(tmp_path: Path) -> None:
    run = begun(tmp_path, "left")
    run.journal.append("teardown", "teardown", verdict="FAIL", clean=False, leftover=["vpc vpc-1", "eip eip-2"])
    assert missing(run) == "it was not seen to be taken down completely; left: vpc vpc-1, eip eip-2"
    run.journal.append("teardown", "teardown", verdict="PASS", clean=True, leftover=[])
    assert missing(run) == "it has no report"
    run.journal.append("report", "run_closed")
    assert missing(run) == ""


def test_a_report_that_is_older_than_the_last_teardown_is_made_again(tmp_path: Path) -> None:
    run = begun(tmp_path, "reported-too-early")
    run.journal.append("teardown", "teardown", verdict="FAIL", clean=False, leftover=["vpc vpc-1"])
    run.journal.append("report", "run_closed")
    run.journal.append("teardown", "teardown", verdict="PASS", clean=True, leftover=[])
    assert [item.why for item in unfinished_runs(run.environment, "perf")] == ["it has no report"]
