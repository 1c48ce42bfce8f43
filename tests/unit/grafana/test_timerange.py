"""Moments, durations and steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.rehearsal.grafana.timerange import (
    MAX_POINTS,
    TimeRange,
    choose_step,
    format_duration,
    parse_duration,
    parse_moment,
)

NOW_MS = 1_795_421_700_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1795421400000", 1_795_421_400_000),
        ("now", NOW_MS),
        ("now-15m", NOW_MS - 900_000),
        ("now+1h", NOW_MS + 3_600_000),
    ],
)
def test_a_moment_is_absolute_or_relative(text: str, expected: int) -> None:
    assert parse_moment(text, NOW_MS) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "now-", "now-5", "-5", "1.5"])
def test_what_is_no_moment_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is not a moment"):
        parse_moment(text, NOW_MS)


@pytest.mark.parametrize(
    ("text", "length_ms"), [("2500ms", 2_500), ("10s", 10_000), (">1s", 1_000), ("1m", 60_000), ("1.5s", 1_500)]
)
def test_a_duration_is_read_as_milliseconds(text: str, length_ms: int) -> None:
    assert parse_duration(text) == length_ms


def test_what_is_no_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration("soon")


@given(st.integers(min_value=1, max_value=10**10))
def test_a_written_duration_reads_back(length_ms: int) -> None:
    assert parse_duration(format_duration(length_ms)) == length_ms


def test_three_minutes_are_drawn_second_by_second() -> None:
    assert choose_step(TimeRange(0, 180_000), 1_000, 300) == 1_000


def test_a_long_range_gets_round_steps() -> None:
    assert choose_step(TimeRange(0, 42 * 60_000), 1_000, 300) == 10_000


@given(st.integers(min_value=1, max_value=10**11), st.integers(1, 60_000), st.integers(1, 100_000))
def test_a_step_never_goes_below_the_minimum_nor_over_the_point_limit(length: int, least: int, points: int) -> None:
    step = choose_step(TimeRange(0, length), least, points)
    assert step >= least
    assert length / step <= MAX_POINTS
