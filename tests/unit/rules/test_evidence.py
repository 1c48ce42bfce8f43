"""Whether the stages' evidence is complete."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from blocks.models.record import Gate, Stage, TraceId
from blocks.models.verdict import Verdict
from tasks.rules.evidence import judge_snapshots, judge_stage_evidence

_T0 = datetime(2026, 11, 23, 8, 10, tzinfo=UTC)
_WHOLE = Stage(
    number=1, started=_T0, ended=_T0 + timedelta(seconds=60), gate=Gate(verdict=Verdict.PASS, reason="flat"),
    screenshot="a.png", summary="a.json", trace_ids=(TraceId(id="1", why="slowest", verified=True),), snapshot="http://g/1",
    captured={"screenshot": _T0 + timedelta(seconds=50)},
)  # fmt: skip


def test_whole_evidence_passes_and_says_how_many_pictures_were_taken_during_the_ramp() -> None:
    def stage(number: int, taken_s: float) -> Stage:
        start = _T0 + timedelta(seconds=60 * (number - 1))
        times = {"started": start, "steady_from": start + timedelta(seconds=10), "ended": start + timedelta(seconds=60)}
        taken = {"captured": {"screenshot": start + timedelta(seconds=taken_s)}}
        return _WHOLE.model_copy(update={"number": number, **times, **taken})

    # While the next one rises, within the next one's window, before the last one's end.
    judgement = judge_stage_evidence([stage(1, 69), stage(2, 71), stage(3, 59)])
    assert judgement.passed
    assert "3 stages" in judgement.detail
    assert "2 pictures were taken during the ramp" in judgement.detail
    assert judge_snapshots([_WHOLE]).passed


@pytest.mark.parametrize(
    ("lost", "piece", "said"),
    [("screenshot", "screenshot", "picture"), ("summary", "numbers", "summary"), ("trace_ids", "traces", "traces")],
)
def test_what_is_missing_is_named_with_its_reason(lost: str, piece: str, said: str) -> None:
    poor = _WHOLE.model_copy(update={lost: None, "not_captured": {piece: "the server is away"}})
    judgement = judge_stage_evidence([_WHOLE, poor])
    assert judgement.verdict is Verdict.FAIL
    assert f"lacks its {said}: the server is away" in judgement.detail


def test_a_snapshot_that_is_missing_is_named_with_its_reason() -> None:
    poor = _WHOLE.model_copy(update={"snapshot": None, "not_captured": {"snapshot": "HTTP 403"}})
    assert "stage 1: HTTP 403" in judge_snapshots([poor]).detail


def test_without_a_judged_stage_nothing_passes() -> None:
    assert judge_stage_evidence([]).verdict is Verdict.FAIL
    assert judge_snapshots([]).verdict is Verdict.FAIL
