"""Which traces of a stage are worth keeping."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.rules.traces import slow_ms, slowest_operation


@dataclass(frozen=True)
class Seen:
    root: str
    duration_ms: float


def test_the_slowest_endpoint_is_that_whose_slow_requests_are_slowest_not_that_of_one_outlier() -> None:
    bets = [Seen("POST /bets", 5.0)] * 39 + [Seen("POST /bets", 900.0)]
    signins = [Seen("POST /signin", 60.0 + number) for number in range(20)]
    assert slowest_operation([*bets, *signins]) == "POST /signin"
    assert slow_ms([*bets, *signins]) == 78.0


def test_without_traces_nothing_is_slow() -> None:
    assert slowest_operation([]) == ""
    assert slow_ms([]) == 0.0


def test_of_equal_operations_the_first_by_name_is_taken() -> None:
    assert slowest_operation([Seen("b", 1.0), Seen("a", 1.0)]) == "a"
