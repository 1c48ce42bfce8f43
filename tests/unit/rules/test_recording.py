"""The time-lapse shows the whole run however little time there is to make it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.rules.recording import budget_s, moments, shown_s

from .journals import START


@pytest.mark.parametrize(("loaded_s", "budget"), [(0, 10), (300, 10), (600, 20), (2520, 84), (7200, 90)])
def test_it_takes_a_thirtieth_of_the_load_within_bounds(loaded_s: float, budget: float) -> None:
    assert budget_s(loaded_s) == budget


@given(st.floats(1, 10_000), st.integers(1, 32))
def test_whatever_was_taken_is_spread_over_the_run_and_shows_its_end(seconds: float, taken: int) -> None:
    end = START + timedelta(seconds=seconds)
    found = moments(START, end)
    assert len(found) == len(set(found)) == 32
    shown = sorted(found[:taken])
    assert shown[-1] == end
    gaps = [(later - earlier) / (end - START) for earlier, later in zip([START, *shown], shown, strict=False)]
    # Halving: no gap is more than twice another, and none is wider than what so many frames must leave.
    assert max(gaps) <= 2 * min(gaps) + 1e-6
    assert max(gaps) <= 2 / (taken + 1) + 1e-6


@given(st.lists(st.integers(1, 5000), min_size=0, max_size=40, unique=True).map(sorted))
def test_every_frame_is_seen_and_the_film_is_short(seconds: list[int]) -> None:
    shown = shown_s([START + timedelta(seconds=second) for second in seconds])
    assert len(shown) == len(seconds)
    assert all(length >= 0.25 for length in shown)
    assert sum(shown) <= 10 + 2 + 0.25 * len(seconds)
