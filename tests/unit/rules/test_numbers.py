"""Live estimates beside exact numbers; what lost samples mean for a stage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from blocks.models.record import Breach, EndpointNumbers, Record, SegmentRun, Stage
from blocks.models.verdict import Verdict
from tasks.rules.numbers import Lost, compared, missing_samples, stage_end, steady_begin

_T0 = datetime(2026, 11, 23, 8, 10, tzinfo=UTC)


def _at(seconds: float) -> datetime:
    return _T0 + timedelta(seconds=seconds)


def _stage(number: int, start: float, end: float | None) -> Stage:
    return Stage(
        number=number, started=_at(start), steady_from=_at(start + 10), steady_to=None if end is None else _at(end)
    )


def _record(*, ended: float | None = None, breach: float | None = None) -> Record:
    breaches = () if breach is None else (Breach(rule="r", observed="", limit="", stage=2, detected=_at(breach)),)
    return Record(
        run_id="r", environment="e", started=_T0, verdict=Verdict.PASS, reason="", checks=(), breaches=breaches,
        stages=(_stage(1, 0, 60), _stage(2, 60, None if breach else 120)),
        segments=(
            SegmentRun(index=1, loadgen="10.0.0.7", share=0.5, started=_at(0), ended=_at(120)),
            SegmentRun(index=2, loadgen="10.0.0.8", share=0.5, started=_at(60), ended=_at(ended) if ended else None),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("live", "noted"),
    [(None, False), (0.0, False), (100.0, False), (109.0, False), (91.8, False), (109.1, True), (91.6, True)],
)
def test_a_live_p95_is_noted_when_its_buckets_do_not_explain_the_difference(live: float | None, *, noted: bool) -> None:
    exact = EndpointNumbers(name="bet", requests=900, p95_ms=100.0)
    note = compared(exact, live).live_note
    assert (note is not None) == noted
    if note:
        assert f"live p95 {live:.1f} ms, exact 100.0 ms of 900 requests" in note


def test_the_p95_of_few_requests_is_not_compared() -> None:
    assert compared(EndpointNumbers(name="bet", requests=199, p95_ms=100.0), 300.0).live_note is None
    assert compared(EndpointNumbers(name="bet", requests=200, p95_ms=100.0), 300.0).live_note is not None


def test_without_an_exact_number_nothing_is_compared() -> None:
    assert compared(EndpointNumbers(name="bet"), 5.0).live_note is None


def test_a_stage_ends_with_its_look_or_with_the_breach_that_stopped_it() -> None:
    record = _record(breach=95)
    assert [stage_end(record, stage) for stage in record.stages] == [_at(60), _at(95)]
    assert stage_end(_record(), _stage(3, 120, None)) is None


def test_a_stage_that_is_held_again_is_not_ended_by_the_hold_before() -> None:
    again = _stage(2, 60, 120).model_copy(update={"started": _at(200), "ended": _at(130)})
    assert stage_end(_record(), again) is None
    assert steady_begin(again) is None
    assert stage_end(_record(breach=250), again) == _at(250)
    assert steady_begin(_stage(2, 60, 120)) == _at(70)


@pytest.mark.parametrize(
    ("lost", "stages"),
    [
        ({}, []),
        ({"segment-01": Lost("gone")}, [1, 2]),
        ({"segment-02": Lost("gone")}, [2]),
        ({"segment-01": Lost("cut off", after=_at(80))}, [2]),
        ({"segment-01": Lost("cut off", after=_at(125))}, []),
    ],
)
def test_lost_samples_are_missing_in_the_stages_they_are_of(lost: dict[str, Lost], stages: list[int]) -> None:
    record = _record(ended=130)
    missing = {stage.number: missing_samples(record, stage, lost) for stage in record.stages}
    assert [number for number, text in missing.items() if text] == stages
    for text in filter(None, missing.values()):
        assert text.startswith("numbers lack the samples of segment-0")
