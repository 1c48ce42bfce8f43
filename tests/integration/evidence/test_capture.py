"""Evidence of a stage, piece by piece: what cannot be taken is named in the record, and keeps nothing else."""

from __future__ import annotations

import json
import resource
from datetime import timedelta

import pytest
from pydantic import SecretStr

from blocks.models.record import Stage
from blocks.models.verdict import Verdict
from tasks.capture import capture_rest, capture_stages
from tasks.captures import Captures
from tasks.rules.evidence import judge_snapshots, judge_stage_evidence
from tasks.run import Run
from tests.integration.grafana import servers

from .conftest import append, at, began, observed

pytestmark = [pytest.mark.integration, pytest.mark.browser]

# No engine and no readable kernel log are behind the sshd of these tests.
_ON_THE_SUT = {"logs", "kernel"}


def _captured(run: Run) -> tuple[Stage, ...]:
    capture_rest.fn(run)
    return run.record().stages


def test_pieces_are_taken_once_with_their_files(run: Run) -> None:
    first, second = _captured(run)
    assert set(first.not_captured) - _ON_THE_SUT == {"exemplars"}
    assert "no exemplar" in first.not_captured["exemplars"]
    assert {"screenshot", "snapshot", "traces", "stats"} <= set(first.captured)
    for name in (first.screenshot, first.stats, second.screenshot):
        assert (run.folder / str(name)).stat().st_size > 100
    assert all(trace.verified and (run.folder / str(trace.file)).is_file() for trace in first.trace_ids)
    assert set(json.loads((run.folder / str(first.stats)).read_text())) == {
        "queries", "at_the_end", "cpu_percent", "memory_bytes",
    }  # fmt: skip
    assert _captured(run)[0].captured == first.captured


def test_a_stage_that_is_ordered_is_taken_and_a_quiet_one_is_left_to_collect(run: Run) -> None:
    captures = Captures()
    captures.take(1)
    captures.hush()
    captures.take(2)
    captures.close()
    capture_stages.fn(run, captures)
    first, second = run.record().stages
    assert first.captured == {}
    assert set(first.not_captured.values()) == {"the next stage needed the quiet before it was taken"}
    assert "screenshot" in second.captured
    assert "screenshot" in _captured(run)[0].captured
    assert "screenshot" not in run.record().stages[0].not_captured


def test_a_dashboard_without_data_is_no_picture(run: Run) -> None:
    # Another run, a day before anything was measured.
    text = run.journal.path.read_text()
    for moment in {began() + timedelta(seconds=second) for second in range(150)}:
        earlier = (moment - timedelta(days=1)).isoformat().replace("+00:00", "")
        text = text.replace(moment.isoformat().replace("+00:00", ""), earlier)
    run.journal.path.write_text(text)
    first, _ = _captured(run)
    assert first.screenshot is None
    assert first.snapshot is None
    for what in ("screenshot", "snapshot"):
        assert "show no data between" in first.not_captured[what]
    assert judge_snapshots(run.record().stages).verdict is Verdict.FAIL


def test_a_snapshot_that_is_refused_is_named_with_the_servers_words(run: Run) -> None:
    first, _ = _captured(observed(run, grafana_token=SecretStr(servers.VIEWER)))
    assert "HTTP 403" in first.not_captured["snapshot"]
    assert first.screenshot is not None


def test_servers_that_are_down_are_named_and_the_judgement_says_why(run: Run) -> None:
    nobody = f"http://127.0.0.1:{servers.free_port()}"
    stages = _captured(observed(run, jaeger_url=nobody, grafana_url=nobody))
    first = stages[0]
    assert "Jaeger at" in first.not_captured["traces"]
    assert "did not answer" in first.not_captured["screenshot"]
    judgement = judge_stage_evidence(stages)
    assert judgement.verdict is Verdict.FAIL
    assert "stage 1 lacks its picture: Grafana at" in judgement.detail


def test_an_empty_jaeger_is_no_data(run: Run) -> None:
    first, _ = _captured(observed(run, jaeger_url=f"{run.environment.observability.grafana_url}/none"))
    assert first.trace_ids == ()
    assert "traces" in first.not_captured


def test_a_full_disk_is_the_reason_at_each_piece(run: Run) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The journal's lines still fit.
    resource.setrlimit(resource.RLIMIT_FSIZE, (run.journal.path.stat().st_size + 8192, hard))
    try:
        first, _ = _captured(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large" in first.not_captured["snapshot"]
    # Chromium writes files too, and does not start.
    assert "screenshot" in first.not_captured
    assert list(run.evidence.rglob("*.part")) == []


def test_a_stage_that_a_breach_stopped_is_captured_until_the_breach(run: Run) -> None:
    append(run, "stage_started", 125, number=3, vus=30)
    append(run, "breach", 140, rule="r", observed="o", limit="l", stage=3, detected=at(140).isoformat())
    third = _captured(run)[2]
    assert third.screenshot is not None
