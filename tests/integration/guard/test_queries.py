"""The guard's queries, asked of a Prometheus with known numbers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from blocks.models.rules import GuardRule
from blocks.models.settings import MetricNames
from tasks.clients.metrics import Prometheus
from tasks.rules import queries
from tests.integration.grafana.remote_write import Series, push

pytestmark = pytest.mark.integration

_NAMES = MetricNames()


@pytest.fixture
def end() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _counter(end: datetime, metric: str, rate: float, **labels: str) -> Series:
    end_ms = int(end.timestamp() * 1000)
    return Series({"__name__": metric, **labels}, [(end_ms - (30 - at) * 1000, rate * at) for at in range(31)])


def _gauge(end: datetime, metric: str, value: float, **labels: str) -> Series:
    end_ms = int(end.timestamp() * 1000)
    return Series({"__name__": metric, **labels}, [(end_ms - (30 - at) * 1000, value) for at in range(31)])


def _answer(prometheus: str, query: str, label: str, end: datetime) -> dict[str, float]:
    samples = Prometheus(prometheus).query(query, end)
    return {sample.labels.get(label, ""): round(sample.value, 6) for sample in samples}


def test_a_container_without_a_quota_is_measured_by_the_machines_cores(prometheus: str, end: datetime) -> None:
    cpu, quota, period = _NAMES.container_cpu, _NAMES.container_quota, _NAMES.container_period
    push(
        prometheus,
        [
            *(_counter(end, cpu, 1.0, name=name, cpu="total") for name in ("half", "free", "unlimited")),
            _counter(end, cpu, 9.0, id="/"),
            _gauge(end, quota, 200_000, name="half"),
            _gauge(end, quota, -1, name="unlimited"),
            *(_gauge(end, period, 100_000, name=name) for name in ("half", "unlimited")),
            _gauge(end, _NAMES.machine_cores, 4),
        ],
    )
    asked = queries.container_cpu_ratio(_NAMES, 15)
    assert _answer(prometheus, asked, "name", end) == {"half": 0.5, "free": 0.25, "unlimited": 0.25}


def test_errors_of_one_scenario_are_told_from_those_of_all(prometheus: str, end: datetime) -> None:
    name, run = _NAMES.http_requests, {"run_id": "r"}
    push(
        prometheus,
        [
            _counter(end, name, 8.0, scenario="bet", expected_response="true", **run),
            _counter(end, name, 2.0, scenario="bet", expected_response="false", **run),
            _counter(end, name, 10.0, scenario="signin", expected_response="true", **run),
            _counter(end, name, 90.0, scenario="bet", expected_response="false", run_id="another"),
        ],
    )
    assert _answer(prometheus, queries.scenario_error_rate(_NAMES, "r", 10), "scenario", end) == {
        "bet": 0.2,
        "signin": 0,
    }
    assert _answer(prometheus, queries.error_rate(_NAMES, "r", 10), "", end) == {"": 0.1}


def test_the_time_outside_requests_is_exact(prometheus: str, end: datetime) -> None:
    end_ms = int(end.timestamp() * 1000)
    times = [end_ms - (10 - at) * 1000 for at in range(11)]
    labels = {"run_id": "r", "scenario": "bet", "instance": "segment-01"}
    push(
        prometheus,
        [
            Series({"__name__": _NAMES.iteration_duration, **labels}, observations=[(at, [1.2, 1.4]) for at in times]),
            Series(
                {"__name__": _NAMES.http_duration, **labels}, observations=[(at, [0.1, 0.1, 0.3, 0.1]) for at in times]
            ),
        ],
    )
    found = Prometheus(prometheus).query(queries.time_outside_requests_ms(_NAMES, "r", 5), end)
    assert [(sample.labels["instance"], sample.labels["scenario"]) for sample in found] == [("segment-01", "bet")]
    assert found[0].value == pytest.approx(1000)


def test_a_process_that_sends_nothing_has_no_users(prometheus: str, end: datetime) -> None:
    late = datetime.fromtimestamp(end.timestamp() - 20, UTC)
    push(
        prometheus,
        [_gauge(end, "k6_vus", 7, run_id="r", instance="a"), _gauge(late, "k6_vus", 9, run_id="r", instance="b")],
    )
    assert _answer(prometheus, queries.users_by_process(_NAMES, "r", 10), "instance", end) == {"a": 7}


def test_dropped_iterations_are_a_part_of_those_that_were_to_begin(prometheus: str, end: datetime) -> None:
    end_ms = int(end.timestamp() * 1000)
    times = [end_ms - (30 - at) * 1000 for at in range(31)]

    def ended(scenario: str) -> Series:
        labels = {"__name__": _NAMES.iteration_duration, "run_id": "r", "scenario": scenario}
        return Series(labels, observations=[(at, [0.1, 0.1, 0.1]) for at in times])

    push(
        prometheus,
        [
            *(ended(scenario) for scenario in ("bet", "signin")),
            _counter(end, _NAMES.dropped_iterations, 1.0, run_id="r", scenario="bet"),
            _counter(end, _NAMES.dropped_iterations, 5.0, run_id="r", scenario="hung"),
            _counter(end, _NAMES.dropped_iterations, 9.0, run_id="another", scenario="signin"),
        ],
    )
    found = _answer(prometheus, queries.dropped_share(_NAMES, "r", 10), "scenario", end)
    assert found == {"bet": 0.25, "signin": 0.0, "hung": 1.0}


@pytest.mark.parametrize("scope", ["", "ws", "bet"])
@pytest.mark.parametrize(
    "metric", ["p95_ms", "error_rate", "container_cpu_ratio", "queue_depth", "ws_handshake_success"]
)
def test_every_metric_of_a_rule_is_a_query_prometheus_takes(prometheus: str, metric: str, scope: str) -> None:
    rule = GuardRule.model_validate({"name": "r", "metric": metric, "scope": scope, "limit": 1.0})
    assert Prometheus(prometheus).query(queries.guard_query(rule, _NAMES, "r")) == ()
