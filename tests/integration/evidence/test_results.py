"""Results come home from load generators, whole or not; the record says at each stage what its numbers lack."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import pytest

from blocks.models.errors import NoData
from blocks.models.verdict import Verdict
from tasks.evidence import Results, fetch_results, judge_results, note_stages
from tasks.run import Run
from tests.integration.hosts.conftest import LOCALHOST

from .conftest import RISE_S, STAGE_S

pytestmark = pytest.mark.integration

_PER_S = 10


def _jobs(run: Run, name: str) -> Path:
    return Path(run.environment.ssh.work_directory) / run.id / "loadgen-0" / "jobs" / name


def _fetch(run: Run) -> Results:
    fetched: Results = fetch_results.fn(run, run.record())
    return fetched


def test_whole_results_give_exact_numbers_of_steady_parts_and_rises(run: Run) -> None:
    results = _fetch(run)
    assert (results.problems, results.lost, results.copied) == ([], {}, 4)
    assert judge_results(run, results).passed
    assert note_stages(run, results).passed
    first, second = run.record().stages
    assert {item.name: item.requests for item in first.endpoints} == dict.fromkeys(
        ("signin", "bet", "history", "ws"), (STAGE_S - RISE_S) * _PER_S
    )
    assert {item.requests for item in first.rise} == {RISE_S * _PER_S}
    # Both segments run in the second stage.
    assert {item.requests for item in second.endpoints} == {2 * (STAGE_S - RISE_S) * _PER_S}
    assert (first.ws_handshake_success, first.not_captured) == (1.0, {})
    summary = json.loads((run.folder / str(first.summary)).read_text())
    assert summary["metrics"]["http_req_duration{scenario:bet}"]["count"] == (STAGE_S - RISE_S) * _PER_S
    beside = (
        run.environment.checkout / "tests-perf" / "results" / run.id / "loadgen-0" / "segment-01" / "samples.csv.gz"
    )
    assert beside.read_bytes() == (_jobs(run, "segment-01") / "samples.csv.gz").read_bytes()


def test_a_note_that_could_not_be_taken_shows_beside_exact_numbers(run: Run) -> None:
    why = "The SUT at 198.51.100.7 does not answer."
    run.journal.append("ramp", "stage_numbers", number=2, not_captured={"sut": why})
    judgement = note_stages(run, _fetch(run))
    assert judgement.verdict is Verdict.FAIL
    assert (
        "stage 2 was noted without what its containers used: The SUT at 198.51.100.7 does not answer"
        in judgement.detail
    )
    assert run.record().stages[1].not_captured == {"sut": why}
    assert run.record().stages[1].endpoints


def test_what_is_there_already_is_not_copied_again(run: Run) -> None:
    _fetch(run)
    file = run.evidence / "results" / "loadgen-0" / "segment-01" / "samples.csv.gz"
    before = file.stat().st_mtime_ns
    assert _fetch(run).copied == 4
    assert file.stat().st_mtime_ns == before


def test_samples_that_were_cut_off_are_missing_from_the_stages_after(run: Run) -> None:
    # Killed a little into the second stage, as a k6 that ran out of memory.
    file = _jobs(run, "segment-01") / "samples.csv.gz"
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * 0.7)])
    results = _fetch(run)
    assert judge_results(run, results).verdict is Verdict.FAIL
    judgement = note_stages(run, results)
    assert judgement.verdict is Verdict.FAIL
    assert "segment-01" in judgement.detail
    assert "cut off" in judgement.detail
    first, second = run.record().stages
    assert first.not_captured == {}
    assert "segment-01 on 127.0.0.1: it was cut off" in second.not_captured["numbers"]
    # What there is, is counted.
    bets = next(item.requests for item in second.endpoints if item.name == "bet")
    assert (STAGE_S - RISE_S) * _PER_S < (bets or 0) < 2 * (STAGE_S - RISE_S) * _PER_S


def test_a_load_generator_that_lost_its_results_leaves_the_others_numbers(run: Run) -> None:
    shutil.rmtree(_jobs(run, "segment-02"))
    results = _fetch(run)
    assert results.problems == ["segment-02 on 127.0.0.1 has no samples.csv.gz"]
    note_stages(run, results)
    first, second = run.record().stages
    assert first.not_captured == {}
    assert second.not_captured == {
        "numbers": "numbers lack the samples of segment-02 on 127.0.0.1: they did not come home"
    }
    assert {item.requests for item in second.endpoints} == {(STAGE_S - RISE_S) * _PER_S}


def test_a_load_generator_that_does_not_answer_keeps_not_the_others(run: Run) -> None:
    (run.folder / "outputs.json").write_text(json.dumps({"loadgen_public_ip": ["127.0.0.9", LOCALHOST]}))
    moved = Path(run.environment.ssh.work_directory) / run.id
    (moved / "loadgen-0").rename(moved / "loadgen-1")
    results = _fetch(run)
    assert results.copied == 4
    (problem,) = results.problems
    assert problem.startswith("load generator 127.0.0.9: ")
    assert note_stages(run, results).passed


def test_without_any_samples_the_numbers_are_not_captured_and_not_made_up(run: Run) -> None:
    shutil.rmtree(_jobs(run, "segment-01"))
    shutil.rmtree(_jobs(run, "segment-02"))
    results = _fetch(run)
    with pytest.raises(NoData, match="no raw k6 samples"):
        note_stages(run, results)
    for stage in run.record().stages:
        assert stage.endpoints == ()
        assert stage.not_captured["numbers"].startswith("There are no raw k6 samples")


def test_a_full_disk_is_a_problem_that_is_named_and_leaves_nothing_behind(run: Run) -> None:
    size = (_jobs(run, "segment-01") / "samples.csv.gz").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, hard))
    try:
        results = _fetch(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert any("segment-01/samples.csv.gz" in problem and "too large" in problem for problem in results.problems)
    assert [file.name for file in run.evidence.rglob("*.part")] == []
    assert judge_results(run, results).verdict is Verdict.FAIL
    # With room again the rest comes home.
    assert _fetch(run).problems == []
