"""A load generator's CPU, from what its /proc says."""

from __future__ import annotations

import pytest

from tasks.saturation import Counters, parse_counters, reading_between

_TEXT = """cpu  1000 20 300 8000 500 7 13 160 50 0
job segment-01
5000000000 700000000 1234
1000000000 300000000 99
job segment-02
2000000000 500000000 17
"""


def _counters(ran_s: float, waited_s: float, *jobs: str, busy: int = 0, total: int = 1000) -> Counters:
    return Counters(busy=busy, total=total, jobs=jobs, ran_s=ran_s, waited_s=waited_s)


def test_ticks_that_are_not_idle_are_busy_and_guest_time_is_not_counted_twice() -> None:
    assert parse_counters(_TEXT) == Counters(1500, 10_000, ("segment-01", "segment-02"), 8.0, 1.5)


def test_a_host_without_k6_is_read_too() -> None:
    assert parse_counters("cpu  1 2 3 4 5 6 7 8 9 10\n") == Counters(27, 36, (), 0, 0)


@pytest.mark.parametrize("text", ["", "job a\n", "cpu\n", "cpu intr\n"])
def test_what_no_linux_prints_is_no_reading(text: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        parse_counters(text)


def test_a_reading_is_what_happened_in_between() -> None:
    before = _counters(7.0, 1.0, "a", busy=1000, total=2000)
    reading = reading_between("10.0.0.1", before, _counters(8.0, 4.0, "a", busy=1300, total=2400), 12.0)
    assert (reading.loadgen, reading.lag_ms) == ("10.0.0.1", 12.0)
    assert (reading.cpu_busy, reading.run_queue_share) == (0.75, 0.75)


@pytest.mark.parametrize(
    "after", [_counters(2.0, 2.0, "b"), _counters(2.0, 2.0, "a", "b"), _counters(0.0, 0.0), _counters(1.0, 1.0, "a")]
)
def test_the_wait_of_other_processes_or_of_none_is_not_compared(after: Counters) -> None:
    assert reading_between("h", _counters(1.0, 1.0, "a"), after, None).run_queue_share is None


def test_no_tick_between_two_readings_is_no_reading_of_the_cpu() -> None:
    assert reading_between("h", _counters(1.0, 1.0, "a"), _counters(1.0, 2.0, "a"), None).cpu_busy is None
