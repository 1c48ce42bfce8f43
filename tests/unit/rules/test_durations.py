"""Go durations there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.models.errors import Refused
from tasks.rules.durations import go_duration, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("4m12s", 252),
        ("500ms", 0.5),
        ("1h0m0.5s", 3600.5),
        ("0s", 0),
        ("", 0),
        ("0", 0),
        ("1.5m", 90),
        ("250µs", 2.5e-4),
    ],
)
def test_what_go_prints_is_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["4", "m", "4 m", "4m12", "four", "-4m", "1d", "4m!"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="is not a duration"):
        seconds_of(text)


@given(st.integers(0, 10**9))
def test_milliseconds_come_back_as_they_were(milliseconds: int) -> None:
    assert seconds_of(go_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


def test_a_negative_time_is_none() -> None:
    assert go_duration(-1) == "0ms"
