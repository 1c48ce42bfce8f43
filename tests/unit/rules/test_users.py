"""A held segment that has fewer virtual users than before lost them."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tasks.rules.users import UsersLost


@given(st.lists(st.integers(0, 3), min_size=1, max_size=50))
def test_a_rise_is_never_a_loss(steps: list[int]) -> None:
    lost, now = UsersLost(), 0
    for second, step in enumerate(steps):
        now += step
        assert lost.judge({"segment-01": float(now)}, ["segment-01"], float(second)) is None


def test_a_loss_is_named_when_it_lasts() -> None:
    lost = UsersLost()
    assert lost.judge({"segment-01": 10.0}, ["segment-01"], 0.0) is None
    seen = [lost.judge({"segment-01": 7.0}, ["segment-01"], second) for second in (1.0, 3.0, 5.0)]
    assert seen == [None, None, ("segment-01", 7.0, 10.0)]


def test_a_gap_that_heals_is_no_loss() -> None:
    lost = UsersLost()
    for second, users in enumerate((10.0, 9.0, 9.0, 10.0, 9.0, 9.0, 9.0)):
        assert lost.judge({"segment-01": users}, ["segment-01"], float(second)) is None


def test_no_number_is_left_to_the_guards_blindness() -> None:
    lost = UsersLost()
    lost.judge({"segment-01": 10.0}, ["segment-01"], 0.0)
    assert lost.judge({"segment-01": math.nan}, ["segment-01"], 10.0) is None
    assert lost.judge({}, ["segment-01"], 20.0) is None


def test_a_segment_that_was_ended_on_purpose_is_not_judged() -> None:
    lost = UsersLost()
    lost.judge({"segment-02": 10.0}, ["segment-02"], 0.0)
    assert lost.judge({"segment-02": 0.0}, ["segment-01"], 10.0) is None
