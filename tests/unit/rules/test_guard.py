"""When a limit counts as crossed."""

from __future__ import annotations

import math
from typing import Any

import pytest

from blocks.models.rules import DEFAULT_GUARD_RULES, GuardRule
from tasks.rules.guard import Reading, crossings


def _rule(**more: Any) -> GuardRule:
    return GuardRule(**{"name": "sign-in p95", "metric": "p95_ms", "scope": "signin", "limit": 500.0, **more})


def _reading(value: float, **labels: str) -> Reading:
    return Reading(labels=labels, value=value)


def test_a_value_on_the_limit_does_not_cross_it() -> None:
    assert crossings(_rule(), [_reading(500.0, scenario="signin")], {}, 0.0) == ({}, ())


def test_a_crossing_quotes_the_value_and_the_limit() -> None:
    since, found = crossings(_rule(), [_reading(612.4, scenario="signin")], {}, 7.0)
    assert since == {"signin": 7.0}
    assert [(item.rule, item.observed, item.limit, item.since_s) for item in found] == [
        ("sign-in p95", "612 ms", "> 500 ms", 7.0)
    ]


def test_another_endpoint_is_out_of_scope() -> None:
    assert crossings(_rule(), [_reading(900.0, scenario="bet"), _reading(900.0)], {}, 0.0) == ({}, ())


def test_a_rule_without_a_scope_names_the_subject_it_saw() -> None:
    rule = GuardRule(name="container CPU", metric="container_cpu_ratio", limit=0.98)
    _, found = crossings(rule, [_reading(0.99, name="api"), _reading(0.5, name="db")], {}, 0.0)
    assert [(item.rule, item.subject, item.observed) for item in found] == [("container CPU (api)", "api", "99.0%")]


def test_a_rule_with_a_duration_waits_for_it_from_the_first_crossing() -> None:
    rule = _rule(for_s=60.0)
    since: dict[str, float] = {}
    seen = []
    for now in (100.0, 130.0, 159.9, 160.0):
        since, found = crossings(rule, [_reading(700.0, scenario="signin")], since, now)
        seen.append(len(found))
    assert seen == [0, 0, 0, 1]
    assert since == {"signin": 100.0}
    assert found[0].limit == "> 500 ms for 60 s"


def test_a_value_back_below_the_limit_starts_the_wait_anew() -> None:
    rule = _rule(for_s=60.0)
    since, _ = crossings(rule, [_reading(700.0, scenario="signin")], {}, 0.0)
    since, _ = crossings(rule, [_reading(400.0, scenario="signin")], since, 30.0)
    assert since == {}
    assert crossings(rule, [_reading(700.0, scenario="signin")], since, 61.0) == ({"signin": 61.0}, ())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_neither_crosses_nor_clears(value: float) -> None:
    rule = _rule(for_s=60.0)
    assert crossings(rule, [_reading(value, scenario="signin")], {}, 0.0) == ({}, ())
    since, found = crossings(rule, [_reading(value, scenario="signin")], {"signin": 0.0}, 90.0)
    assert (since, found) == ({"signin": 0.0}, ())
    _, found = crossings(rule, [_reading(700.0, scenario="signin")], since, 91.0)
    assert len(found) == 1


def test_a_lower_limit_is_crossed_from_below() -> None:
    rule = GuardRule(name="handshakes", metric="ws_handshake_success", operator="<", limit=0.95)
    assert crossings(rule, [_reading(0.95)], {}, 0.0)[1] == ()
    _, found = crossings(rule, [_reading(0.9)], {}, 0.0)
    assert [(item.rule, item.observed, item.limit) for item in found] == [("handshakes", "90.0%", "< 95.0%")]


def test_each_subject_waits_for_itself() -> None:
    rule = GuardRule(name="queue", metric="queue_depth", limit=100, for_s=10)
    since, _ = crossings(rule, [_reading(150, queue="bets")], {}, 0.0)
    since, found = crossings(rule, [_reading(150, queue="bets"), _reading(150, queue="mail")], since, 10.0)
    assert [(item.subject, item.observed) for item in found] == [("bets", "150 jobs")]
    assert since == {"bets": 0.0, "mail": 10.0}


def test_the_default_rules_are_the_checklists_abort_criteria() -> None:
    assert [(rule.metric, rule.limit, rule.for_s) for rule in DEFAULT_GUARD_RULES] == [
        ("p95_ms", 500.0, 0.0),
        ("error_rate", 0.05, 0.0),
        ("container_cpu_ratio", 0.98, 60.0),
    ]
