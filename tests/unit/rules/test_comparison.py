"""Whether a run is slower than another one."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.rules.comparison import (
    BIN_WIDTH,
    Measured,
    PastRun,
    Window,
    compare,
    differences,
    last_comparable,
)
from tasks.rules.significance import holm

T0 = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
SETTINGS = {"environment": "perf", "load scale": "1", "instance types": "c7g.large"}


def measured(  # noqa: PLR0913 - a number of a run has this many sides
    seed: int, *, median_ms: float = 100.0, seconds: int = 120, rate: int = 20, stage: int = 1, endpoint: str = "bet",
    load: float | None = 1000, stable: bool = True,
) -> Measured:  # fmt: skip
    """An endpoint whose durations are log-normal and the same at all times."""
    draws = np.random.default_rng(seed)
    values = median_ms * np.exp(draws.normal(0, 0.4, (seconds, rate)))
    counts: dict[tuple[int, int], int] = {}
    for second, row in enumerate(values):
        for value in row:
            key = (second, math.floor(math.log(value) / math.log(BIN_WIDTH)))
            counts[key] = counts.get(key, 0) + 1
    p50, p95, p99 = np.quantile(values, [0.5, 0.95, 0.99])
    window = Window(
        where=f"stage {stage}", position=stage, load=load, stable=stable, start=T0, end=T0 + timedelta(seconds=seconds)
    )
    return Measured(
        window=window, endpoint=endpoint, requests=values.size, error_rate=0.0, p50_ms=float(p50), p95_ms=float(p95), p99_ms=float(p99),
        counts=tuple((second, column, count) for (second, column), count in sorted(counts.items())),
    )  # fmt: skip


def past(run_id: str, hours: float, **settings: str) -> PastRun:
    return PastRun(
        run_id=run_id, started=T0 + timedelta(hours=hours), verdict="PASS", ceiling=1, settings={**SETTINGS, **settings}
    )


@pytest.mark.parametrize(
    ("change", "verdict"), [(1.0, "same"), (1.05, "same"), (1.3, "slower"), (3.0, "slower"), (0.7, "faster")]
)
def test_what_is_clearly_slower_or_faster_is_said_so(change: float, verdict: str) -> None:
    (row,) = compare([measured(1, median_ms=100 * change)], [measured(2)], ("a", "b"))
    assert row.verdict == verdict
    assert row.ratio == pytest.approx(change, rel=0.08)
    assert row.low is not None
    assert row.high is not None
    assert row.ratio is not None
    assert row.low < row.ratio < row.high
    assert row.low < change < row.high


def test_a_significant_difference_of_a_few_milliseconds_is_none() -> None:
    (row,) = compare([measured(1, median_ms=7.0)], [measured(2, median_ms=3.5)], ("a", "b"))
    assert row.p_value is not None
    assert row.p_value < 0.001
    assert row.verdict == "same"


def test_the_same_runs_are_compared_to_the_same_digits_and_others_draw_anew() -> None:
    now, then = [measured(1)], [measured(2)]
    assert compare(now, then, ("a", "b")) == compare(now, then, ("a", "b"))
    assert compare(now, then, ("a", "b")) != compare(now, then, ("a", "c"))


@pytest.mark.parametrize(
    ("now", "then", "why"),
    [
        (measured(1), measured(2, stage=2), "the other run does not have it"),
        (measured(1), measured(2, endpoint="ws"), "the other run does not have it"),
        (measured(1), measured(2, load=500), "another load: 500 in the other run"),
        (measured(1, stable=False), measured(2), "it was not stable in this run"),
        (measured(1), measured(2, stable=False), "it was not stable in the other run"),
        (measured(1, rate=1, seconds=99), measured(2), "99 requests, at least 100 are needed"),
        (measured(1, seconds=7), measured(2), "7 blocks of time, at least 8 are needed"),
    ],
)
def test_what_cannot_be_compared_says_why(now: Measured, then: Measured, why: str) -> None:
    (row,) = compare([now], [then], ("a", "b"))
    assert (row.verdict, row.why, row.ratio) == ("not compared", why, None)


def test_rows_come_in_the_order_of_the_run() -> None:
    items = [
        measured(stage * 10 + index, stage=stage, endpoint=name)
        for stage in (10, 2)
        for index, name in enumerate(("ws", "bet"))
    ]
    rows = compare(items, items, ("a", "b"))
    assert [(row.where, row.endpoint) for row in rows] == [
        ("stage 2", "bet"), ("stage 2", "ws"), ("stage 10", "bet"), ("stage 10", "ws"),
    ]  # fmt: skip


def test_the_more_is_compared_the_stronger_a_difference_has_to_be() -> None:
    now, then = measured(1, median_ms=130.0), measured(2)
    others = [measured(100 + number, stage=number) for number in range(2, 12)]
    (alone,) = compare([now], [then], ("a", "b"))
    among = compare([now, *others], [then, *others], ("a", "b"))[0]
    assert alone.p_value is not None
    assert among.p_value is not None
    assert among.p_value > 5 * alone.p_value


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(before <= after <= 1 for before, after in zip(p_values, adjusted, strict=True))
    pairs = sorted(zip(p_values, adjusted, strict=True))
    assert [after for _, after in pairs] == sorted(after for _, after in pairs)


def test_holms_own_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_the_last_run_of_the_same_environment_and_load_is_taken() -> None:
    now = past("now", 0)
    runs = [
        past("older", -48),
        past("wanted", -24, **{"instance types": "c7g.xlarge"}),
        past("other load", -2, **{"load scale": "0.5"}),
        past("other place", -1, environment="staging"),
        past("later", 1),
        now,
    ]
    found = last_comparable(now, runs)
    assert found is not None
    assert found.run_id == "wanted"
    assert differences(now, found) == ("instance types: c7g.large instead of c7g.xlarge",)
    assert last_comparable(now, runs[2:]) is None


def test_of_sixty_looks_at_an_unchanged_system_none_is_called_slower_or_faster() -> None:
    pairs = [
        (measured(2 * number, stage=number), measured(2 * number + 1, stage=number))  # another draw of the same system
        for number in range(1, 61)
    ]
    rows = compare([now for now, _ in pairs], [then for _, then in pairs], ("a", "b"))
    assert {row.verdict for row in rows} == {"same"}


def test_one_long_disturbance_is_one_event_and_not_many_blocks() -> None:
    def disturbed(seed: int, seconds: int) -> Measured:
        quiet, busy = measured(seed), measured(seed, median_ms=160)
        rows = [row for row in quiet.counts if row[0] >= seconds] + [row for row in busy.counts if row[0] < seconds]
        return quiet.model_copy(update={"counts": tuple(sorted(rows))})

    (row,) = compare([disturbed(1, 90)], [disturbed(2, 30)], ("a", "b"))
    assert row.p_value is not None
    # Without the correction for neighbours it is 0.007.
    assert row.p_value > 0.05
