"""Steps and macros of a Prometheus query."""

import pytest

from deployments.rehearsal.grafana.answers import ApiError, Json
from deployments.rehearsal.grafana.prometheus import PromQuery, prepare
from deployments.rehearsal.grafana.timerange import TimeRange

SPAN = TimeRange(1_795_421_400_500, 1_795_421_580_700)


def _prepare(**model: Json) -> PromQuery:
    return prepare("A", {"expr": "up", "intervalMs": 1_000, "maxDataPoints": 300, **model}, SPAN)


def test_the_rate_window_of_a_short_range_is_ten_seconds() -> None:
    assert _prepare(expr="rate(x[$__rate_interval])").expression == "rate(x[10s])"


def test_the_rate_window_grows_with_the_step() -> None:
    assert _prepare(expr="rate(x[$__rate_interval])", intervalMs=15_000).expression == "rate(x[17500ms])"


@pytest.mark.parametrize(
    ("expression", "replaced"),
    [
        ("x[$__interval]", "x[1s]"),
        ("x[${__interval}]", "x[1s]"),
        ("x / $__interval_ms", "x / 1000"),
        ("x[$__range]", "x[180s]"),
        ("x / $__range_s", "x / 180"),
        ("x[${__rate_interval:raw}]", "x[10s]"),
    ],
)
def test_grafanas_own_macros_are_replaced(expression: str, replaced: str) -> None:
    assert _prepare(expr=expression).expression == replaced


def test_a_dashboards_variable_is_left_as_it_is() -> None:
    assert _prepare(expr='x{job="$job"}').expression == 'x{job="$job"}'


def test_the_range_is_aligned_to_the_step() -> None:
    query = _prepare(intervalMs=15_000)
    assert (query.span.from_ms % 15_000, query.span.to_ms % 15_000) == (0, 0)


def test_without_an_interval_the_data_sources_scrape_interval_is_the_smallest_step() -> None:
    assert prepare("A", {"expr": "up", "maxDataPoints": 10_000}, SPAN).step_ms == 2_500


@pytest.mark.parametrize(
    ("flags", "kinds"),
    [
        ({}, (True, False)),
        ({"instant": True}, (False, True)),
        ({"range": True, "instant": True}, (True, True)),
        ({"range": False, "instant": False}, (True, False)),
    ],
)
def test_a_query_is_a_range_query_unless_only_instant_is_asked(
    flags: dict[str, Json], kinds: tuple[bool, bool]
) -> None:
    query = _prepare(**flags)
    assert (query.ranged, query.instant) == kinds


@pytest.mark.parametrize("wrong", [{"intervalMs": "15000"}, {"maxDataPoints": True}, {"interval": "often"}])
def test_fields_of_a_wrong_type_are_refused(wrong: dict[str, Json]) -> None:
    with pytest.raises(ApiError) as caught:
        _prepare(**wrong)
    assert caught.value.status == 400
