"""Plots: the same bytes for the same numbers, no name of their own, the page's colours."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.clients.charts import Curve, Mark, Moments, draw_over_stages, draw_over_time, is_near

_VALUE = st.none() | st.floats(0, 1e9)
_MOMENTS = Moments(
    [("1", 0, 20), ("2", 20, 45)], [Mark("pass", 18), Mark("fail", 40), Mark("approval", 19), Mark("breach", 43)]
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(_VALUE, min_size=3, max_size=3), max_size=10), st.none() | st.floats(0.001, 1e6))
def test_any_numbers_are_drawn_the_same_each_time(values: list[list[float | None]], limit: float | None) -> None:
    curves = [Curve(f"line {index}", line) for index, line in enumerate(values)]
    drawn = [draw_over_time([0.0, 1.0, 2.0], curves, limit, _MOMENTS) for _ in range(2)]
    drawn += [draw_over_stages(["1", "2", "3"], curves, limit) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert drawn[2] == drawn[3]
    for text in drawn:
        assert ET.fromstring(text).tag == "svg"  # noqa: S314 - made here
        assert "#0a0" not in text, "a placeholder is left"
        assert "<g id=" not in text


def test_a_line_takes_its_colour_from_the_page() -> None:
    text = draw_over_time([0.0, 1.0], [Curve("a", [1, 2]), Curve("b", [2, 1])])
    assert "stroke: var(--c1)" in text
    assert "stroke: var(--c2)" in text
    assert "var(--c3)" not in text


@pytest.mark.parametrize(
    ("value", "limit", "near"), [(499.0, 500.0, True), (100.0, 500.0, True), (99.0, 500.0, False), (None, 1.0, False)]
)
def test_a_limit_far_above_does_not_press_the_lines_flat(value: float | None, limit: float, near: bool) -> None:
    curves = [Curve("a", [value])]
    assert is_near(curves, limit) == near
    assert ("var(--fail)" in draw_over_stages(["1"], curves, limit)) == near


def test_gates_answers_and_breaches_are_marked() -> None:
    plain = draw_over_time([0.0, 45.0], [Curve("a", [1, 1])])
    marked = draw_over_time([0.0, 45.0], [Curve("a", [1, 1])], None, _MOMENTS)
    assert plain.count("<use") + 4 <= marked.count("<use") + marked.count("var(--fail)")
    assert "var(--fail)" in marked
    assert re.findall(r">(\d)</text>", marked)[-2:] != []


def test_nothing_at_all_is_a_plot_too() -> None:
    assert draw_over_time([], []).startswith("<svg")
