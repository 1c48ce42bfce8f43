"""Lines over the runs."""

from __future__ import annotations

from tasks.rules.trend import HEIGHT, WIDTH, trends

from .test_comparison import measured, past


def test_runs_that_cannot_be_compared_are_not_on_one_line() -> None:
    runs = [past("a", 0), past("half", 1, **{"load scale": "0.5"}), past("b", 2, **{"instance types": "c7g.xlarge"})]
    numbers = {run.run_id: [measured(1)] for run in runs}
    assert [[row.run_id for row in trend.rows] for trend in trends(runs, numbers)] == [["b", "a"], ["half"]]


def test_a_chart_has_the_first_the_middle_and_the_last_stage() -> None:
    numbers = {"a": [measured(stage, stage=stage) for stage in range(1, 11)]}
    (trend,) = trends([past("a", 0)], numbers)
    (chart,) = trend.charts
    assert [line.name for line in chart.lines] == ["stage 1", "stage 6", "stage 10"]
    assert trend.columns == ("bet, stage 10",)


def test_a_run_without_an_endpoint_is_a_gap_and_no_zero() -> None:
    runs = [past("a", 0), past("b", 1), past("c", 2)]
    numbers = {"a": [measured(1)], "b": [measured(1, endpoint="ws")], "c": [measured(1)]}
    (trend,) = trends(runs, numbers)
    bet = next(chart for chart in trend.charts if chart.endpoint == "bet")
    assert len(bet.lines[0].points) == 2
    missing = [[value == "–" for value in row.values] for row in trend.rows]
    assert missing == [[False, True], [True, False], [False, True]]


def test_a_slower_run_is_drawn_higher_and_all_points_are_inside() -> None:
    numbers = {"a": [measured(1, median_ms=50)], "b": [measured(1, median_ms=100)]}
    (trend,) = trends([past("a", 0), past("b", 1)], numbers)
    fast, slow = trend.charts[0].lines[0].points
    assert slow.y < fast.y
    assert fast.x < slow.x
    assert all(0 <= point.x <= WIDTH and 0 <= point.y <= HEIGHT for point in (fast, slow))


def test_no_run_is_no_trend() -> None:
    assert trends([], {}) == ()
