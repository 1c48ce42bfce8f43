"""How long triage waits for its rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect_aws import AwsCredentials

import tasks.triage
from blocks.load_profile import LoadProfile
from blocks.models.settings import Observability
from blocks.models.triage import TriageRules
from blocks.perf_environment import PerfEnvironment
from tasks.run import Run


def test_a_row_whose_spans_come_late_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.triage, "_ROW_S", 1.0)
    environment = PerfEnvironment(
        checkout=tmp_path, account_id="123456789012", aws=AwsCredentials(), runs_folder=tmp_path,
        # Nobody listens there, which is an answer too.
        observability=Observability(monitoring_url="http://127.0.0.1:9"),
    )  # fmt: skip
    run = Run("run-1", "test", "test", environment, LoadProfile(triage=TriageRules(span_lag_s=2.5)))
    detected = datetime.now(UTC) - timedelta(seconds=1)
    signals = tasks.triage.read_signals.fn(
        run, stage_started=detected - timedelta(seconds=9), detected=detected, stable=None, loadgens=(), saturation=()
    )
    database = next(signal for signal in signals if signal.row == "prisma-pool")
    assert "within" not in database.problem
    assert "127.0.0.1:9" in database.problem
