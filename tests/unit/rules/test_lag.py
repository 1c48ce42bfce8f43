"""How late iterations end, against what is usual."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest

from tasks.rules.guard import Reading
from tasks.rules.lag import IterationLag

_STEADY_S = 10.0


def _outside(values: Mapping[tuple[str, str], float]) -> list[Reading]:
    return [
        Reading(labels={"instance": process, "scenario": scenario}, value=value)
        for (process, scenario), value in values.items()
    ]


def _after(readings: Sequence[float], *, first_s: float = _STEADY_S, processes: Sequence[str] = ("a",)) -> IterationLag:
    """A lag that has seen these means, one every two seconds, of processes that have had ten users since 0."""
    lag = IterationLag()
    users = dict.fromkeys(processes, 10.0)
    lag.update([], users, 0.0)
    for number, value in enumerate(readings):
        lag.update(_outside({(name, "bet"): value for name in processes}), users, first_s + 2 * number)
    return lag


def test_pauses_of_the_script_cancel_out() -> None:
    assert _after([1000.0] * 10).of(["a"]) == 0
    assert _after([1000.0] * 10 + [1051.0]).of(["a"]) == pytest.approx(51)


def test_an_iteration_that_is_shorter_than_usual_is_no_lag() -> None:
    assert _after([1000.0] * 10 + [900.0]).of(["a"]) == 0


def test_random_pauses_are_no_lag() -> None:
    """A mean of 400 pauses of 0 to 2 s strays by 29 ms; the lowest of many would be 80 ms below."""
    chance = random.Random(4)
    drawn = [1000 + chance.gauss(0, 29) for _ in range(200)]
    above = [_after(drawn[:count]).of(["a"]) or 0.0 for count in range(20, 200)]
    # 20 ms is the limit of the rules.
    assert sum(late > 20 for late in above) <= 0.05 * len(above)


def test_a_lag_beyond_what_random_pauses_explain_is_seen() -> None:
    chance = random.Random(4)
    usual = [1000 + chance.gauss(0, 5) for _ in range(60)]
    assert _after([*usual, 1070.0]).of(["a"]) == pytest.approx(59, abs=10)


def test_a_lag_that_lasts_does_not_become_usual_at_once() -> None:
    assert _after([1000.0] * 10 + [1060.0] * 25).of(["a"]) == pytest.approx(60)


def test_virtual_users_that_are_new_are_not_read() -> None:
    """Their first iteration signs in, and may begin at random."""
    assert _after([1500.0], first_s=_STEADY_S - 0.1).of(["a"]) is None
    lag = _after([1000.0] * 3)
    lag.update(_outside({("a", "bet"): 1500.0}), {"a": 11.0}, 30.0)
    assert lag.of(["a"]) is None
    lag.update(_outside({("a", "bet"): 1000.0}), {"a": 11.0}, 30.0 + _STEADY_S)
    assert lag.of(["a"]) == 0


def test_a_load_generator_is_late_when_half_of_its_processes_are() -> None:
    lag = _after([1000.0] * 10, processes=["a", "b", "c"])
    lag.update(
        _outside({("a", "bet"): 1090.0, ("b", "bet"): 1080.0, ("c", "bet"): 1000.0}), dict.fromkeys("abc", 10.0), 40.0
    )
    assert lag.of(["a", "b"]) == pytest.approx(85)
    assert lag.of(["c"]) == 0
    assert lag.of(["unknown"]) is None
    assert lag.of([]) is None


def test_no_number_is_no_lag_and_no_health() -> None:
    lag = _after([1000.0] * 5)
    lag.update(_outside({("a", "bet"): float("nan")}), {"a": 10.0}, 40.0)
    assert lag.of(["a"]) is None
