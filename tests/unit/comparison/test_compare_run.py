"""A run at the end of its checklist: kept, compared, told in record and report, and rendered again from the journal alone."""

from __future__ import annotations

import gzip
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.models.record import Comparison
from blocks.models.settings import Ramp
from blocks.models.verdict import Verdict
from blocks.perf_environment import PerfEnvironment
from tasks.comparison import compare_run
from tasks.report import render_run
from tasks.run import Run

_HEADER = "metric_name,timestamp,metric_value,expected_response,scenario,status"
_SECONDS = 24


class Runs:
    """Runs of one environment, one after another."""

    def __init__(self, folder: Path) -> None:
        self.environment = PerfEnvironment(
            checkout=folder, account_id="123456789012", aws=AwsCredentials(), runs_folder=folder / "runs"
        )

    def finish(self, median_ms: float, *, profile: LoadProfile | None = None, compare_with: str = "") -> Run:
        """Make a run with one stage, compare it, and close it."""
        run = Run(str(uuid4()), "perf", "profile", self.environment, profile or LoadProfile())
        run.evidence.mkdir(parents=True)
        journal, options = run.journal, {"compare_with": compare_with, "advance": "by-hand"}
        journal.append(
            "preflight",
            "run_opened",
            run_id=run.id,
            environment="perf",
            profile="profile",
            left_out=[],
            options=options,
        )
        journal.append("ramp", "stage_started", number=1, vus=100)
        steady = journal.append("ramp", "stage_steady", number=1).at
        until = (steady + timedelta(seconds=_SECONDS)).isoformat()
        journal.append("ramp", "stage_judged", number=1, verdict="PASS", reason="flat", steady_to=until)
        self._samples(run, steady, median_ms)
        compare_run(run)
        journal.append("report", "run_closed")
        return run

    def _samples(self, run: Run, steady: datetime, median_ms: float) -> None:
        draws = np.random.default_rng(int(median_ms))
        begin = int(steady.timestamp()) + 1
        lines = [
            f"http_req_duration,{begin + second},{value:.3f},true,bet,200"
            for second in range(_SECONDS)
            for value in median_ms * np.exp(draws.normal(0, 0.3, 30))
        ]
        file = run.evidence / "results" / "loadgen-0" / "segment-01" / "samples.csv.gz"
        file.parent.mkdir(parents=True)
        with gzip.open(file, "wt") as out:
            out.write("\n".join([_HEADER, *lines]) + "\n")


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def _comparison(run: Run) -> Comparison:
    found = run.record().comparison
    assert found is not None
    return found


def test_the_first_run_is_kept_and_says_that_there_is_no_other(runs: Runs) -> None:
    run = runs.finish(100)
    assert _comparison(run) == Comparison(why="there is no earlier run with the same environment and load")
    assert (run.environment.runs_folder / "history" / "numbers" / f"{run.id}.parquet").is_file()


def test_a_slower_run_is_marked_in_record_report_and_page_of_trends(runs: Runs) -> None:
    first, second = runs.finish(100), runs.finish(160)
    comparison = _comparison(second)
    (number,) = comparison.numbers
    assert (comparison.baseline, comparison.chosen) == (first.id, False)
    assert (number.where, number.endpoint, number.verdict) == ("stage 1", "bet", "slower")
    page = render_run(second.folder)
    assert "1 of 1 slower" in page.read_text()
    assert "| stage 1 | bet |" in (second.folder / "report.md").read_text()
    assert json.loads((second.folder / "record.json").read_text())["comparison"]["baseline"] == first.id
    trend = (second.environment.runs_folder / "history" / "trend.html").read_text()
    assert trend.count("<polyline") == 1
    assert all(f"../{run.id}/report.html" in trend for run in (first, second))
    assert "http" not in trend.replace("http-equiv", "")


def test_the_report_is_the_same_when_the_history_has_changed_or_is_gone(runs: Runs) -> None:
    runs.finish(100)
    run = runs.finish(130)
    page = render_run(run.folder)
    before = [(run.folder / name).read_bytes() for name in ("report.html", "report.md", "record.json")]
    runs.finish(50)
    shutil.rmtree(run.environment.runs_folder / "history")
    assert render_run(run.folder) == page
    assert [(run.folder / name).read_bytes() for name in ("report.html", "report.md", "record.json")] == before


def test_a_run_is_compared_once_however_often_its_report_is_written(runs: Runs) -> None:
    run = runs.finish(100)
    runs.finish(160)
    compare_run(run)
    assert sum(event.kind == "comparison" for event in run.journal.read()[0]) == 1


def test_the_chosen_run_goes_before_the_last_one_and_what_differs_is_told(runs: Runs) -> None:
    chosen = runs.finish(100, profile=LoadProfile(ramp=Ramp(load_scale=0.5)))
    runs.finish(100)
    comparison = _comparison(runs.finish(100, compare_with=chosen.id))
    assert (comparison.baseline, comparison.chosen) == (chosen.id, True)
    assert comparison.differences == ("load scale: 1 instead of 0.5",)


def test_a_run_with_another_load_is_not_the_last_comparable_one(runs: Runs) -> None:
    wanted = runs.finish(100)
    runs.finish(100, profile=LoadProfile(ramp=Ramp(load_scale=0.5)))
    assert _comparison(runs.finish(100)).baseline == wanted.id


def test_a_chosen_run_that_is_not_there_is_named(runs: Runs) -> None:
    runs.finish(100)
    comparison = _comparison(runs.finish(100, compare_with="nobody"))
    assert comparison.why == "run nobody, which the form names, is not in the history of 1 earlier runs"
    assert comparison.numbers == ()


def test_a_run_without_samples_is_noted_and_ends_all_the_same(runs: Runs) -> None:
    run = runs.finish(100)
    shutil.rmtree(run.evidence / "results")
    other = Run(str(uuid4()), "perf", "profile", run.environment, run.profile)
    other.evidence.mkdir(parents=True)
    now = datetime.now(UTC).isoformat()
    other.journal.append(
        "preflight", "run_opened", run_id=other.id, environment="perf", profile="profile", left_out=["ramp"]
    )
    other.journal.append("smoke", "smoke", started=now, ended=now)
    compare_run(other)
    record = other.record()
    assert record.comparison is None
    assert record.notes == ("There are no raw k6 samples of this run: it is not compared and not kept in the history.",)


def test_a_run_that_ended_before_its_smoke_test_is_neither_kept_nor_noted(runs: Runs) -> None:
    run = Run(str(uuid4()), "perf", "profile", runs.environment, LoadProfile())
    run.evidence.mkdir(parents=True)
    run.journal.append("preflight", "run_opened", run_id=run.id, environment="perf", profile="profile", left_out=[])
    compare_run(run)
    assert (run.record().comparison, run.record().notes) == (None, ())
    assert not (run.environment.runs_folder / "history").exists()
    assert run.record().verdict is Verdict.INCONCLUSIVE
