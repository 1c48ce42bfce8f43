"""Which limits of profile and script the guard applies."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.models.errors import Refused
from blocks.models.load import LoadPlan
from blocks.models.rules import DEFAULT_GUARD_RULES, GuardRule
from tasks.rules.stages import read_load_plan
from tasks.rules.thresholds import rules_from_thresholds, rules_of_ramp

from .plans import inspected, steps


def _plan(*scenarios: str, **thresholds: Any) -> LoadPlan:
    return read_load_plan(
        inspected({name: steps([5, 10]) for name in scenarios or ("signin", "bet", "ws")}, thresholds=thresholds),
        "ramp.js",
    )


def _abort(text: str) -> list[Any]:
    return [{"threshold": text, "abortOnFail": True, "delayAbortEval": "30s"}]


@pytest.mark.parametrize(
    ("key", "text", "metric", "scope", "limit"),
    [
        ("http_req_duration{scenario:bet}", "p(95)<500", "p95_ms", "bet", 500),
        ("http_req_duration{scenario:bet}", " p(95) <= 250.5 ", "p95_ms", "bet", 250.5),
        ("ws_connecting", "p(95)<1000", "p95_ms", "ws", 1000),
        ("http_req_failed", "rate<0.05", "error_rate", "", 0.05),
        ("http_req_failed{scenario:bet}", "rate<0.01", "error_rate", "bet", 0.01),
    ],
)
def test_an_aborting_threshold_becomes_a_rule(key: str, text: str, metric: str, scope: str, limit: float) -> None:
    rules, not_enforced = rules_from_thresholds({key: _abort(text)})
    assert not_enforced == ()
    assert [(rule.metric, rule.scope, rule.operator, rule.limit) for rule in rules] == [(metric, scope, ">", limit)]
    assert rules[0].name == f"{key} {text}"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("http_req_duration", "p(95)<500"),
        ("http_req_duration{scenario:ws}", "p(95)<500"),
        ("http_req_duration{endpoint:bet}", "p(95)<500"),
        ("http_req_duration{scenario:bet,status:200}", "p(95)<500"),
        ("http_req_duration{scenario:bet}", "p(99)<500"),
        ("http_req_duration{scenario:bet}", "avg<500"),
        ("http_req_failed", "rate<=0"),
        ("http_req_failed", "rate>0.5"),
        ("checks", "rate>0.95"),
        ("my_own_metric", "count<5"),
    ],
)
def test_what_the_guard_cannot_measure_is_said_to_be_not_enforced(key: str, text: str) -> None:
    rules, not_enforced = rules_from_thresholds({key: _abort(text)})
    assert rules == ()
    assert len(not_enforced) == 1
    assert not_enforced[0].startswith(f"Not enforced: threshold {key} {text};")


def test_thresholds_that_do_not_abort_are_only_reported() -> None:
    limits = ["p(95)<500", {"threshold": "p(95)<400", "abortOnFail": False}]
    assert rules_from_thresholds({"http_req_duration{scenario:bet}": limits}) == ((), ())


def test_the_stepped_ramps_own_limits_are_covered_by_the_profile() -> None:
    plan = _plan(**{"http_req_duration{scenario:signin}": _abort("p(95)<500"), "http_req_failed": _abort("rate<0.05")})
    assert rules_of_ramp(DEFAULT_GUARD_RULES, plan) == (DEFAULT_GUARD_RULES, ())


def test_a_stricter_threshold_without_a_rule_of_its_own_in_the_profile_is_added() -> None:
    own = (GuardRule(name="all", metric="p95_ms", limit=500.0),)
    plan = _plan(**{"http_req_duration{scenario:signin}": [*_abort("p(95)<300"), *_abort("p(95)<200")]})
    rules, not_enforced = rules_of_ramp(own, plan)
    assert [(rule.scope, rule.limit) for rule in rules] == [("", 500), ("signin", 300), ("signin", 200)]
    assert not_enforced == ()


@pytest.mark.parametrize("own", [{"limit": 600.0}, {"window_s": 30.0}, {"for_s": 5.0}, {"settle_s": 60.0}])
def test_the_profiles_rule_for_the_same_thing_stands_as_it_is(own: dict[str, float]) -> None:
    mine = (GuardRule(**{"name": "sign-in p95", "metric": "p95_ms", "scope": "signin", "limit": 500.0, **own}),)
    rules, not_enforced = rules_of_ramp(mine, _plan(**{"http_req_duration{scenario:signin}": _abort("p(95)<500")}))
    assert rules == mine
    (said,) = not_enforced
    assert said.startswith(
        "Not enforced: threshold http_req_duration{scenario:signin} p(95)<500, as the profile's own rule"
    )
    assert f"'sign-in p95', > {own.get('limit', 500.0):g} ms over {own.get('window_s', 10.0):g} s." in said


@pytest.mark.parametrize("patient", [{"for_s": 5.0}, {"settle_s": 60.0}, {"window_s": 60.0}])
def test_a_rule_that_waits_longer_is_not_as_strict(patient: dict[str, float]) -> None:
    own = (GuardRule(name="all", metric="p95_ms", limit=500.0, **patient),)
    plan = _plan(**{"http_req_duration{scenario:bet}": _abort("p(95)<500")})
    assert len(rules_of_ramp(own, plan)[0]) == 2


def test_a_rule_on_every_endpoint_covers_each_but_not_the_handshake() -> None:
    own = (GuardRule(name="all", metric="p95_ms", limit=500.0),)
    plan = _plan(**{"http_req_duration{scenario:bet}": _abort("p(95)<500"), "ws_connecting": _abort("p(95)<500")})
    rules, _ = rules_of_ramp(own, plan)
    assert [rule.scope for rule in rules] == ["", "ws"]


def test_what_the_profile_expects_is_no_rule_of_the_script() -> None:
    own = (GuardRule(name="all", metric="p95_ms", limit=900.0, expected={"bet": "the draw is slow"}),)
    rules, not_enforced = rules_of_ramp(own, _plan(**{"http_req_duration{scenario:bet}": _abort("p(95)<500")}))
    assert rules == own
    assert not_enforced == (
        "Not enforced: threshold http_req_duration{scenario:bet} p(95)<500, as it is expected: the draw is slow",
    )


def test_a_script_without_websockets_has_no_rule_on_them() -> None:
    rules, not_enforced = rules_of_ramp(DEFAULT_GUARD_RULES, _plan("signin", ws_connecting=_abort("p(95)<500")))
    assert "ws_handshake_success" not in [rule.metric for rule in rules]
    assert [text.partition(", as ")[0] for text in not_enforced] == [
        "Not enforced: 'WebSocket handshakes'",
        "Not enforced: threshold ws_connecting p(95)<500",
    ]


@pytest.mark.parametrize(
    ("scope", "hint"), [("sign-in", "did you mean 'signin'"), ("payout", "change the guard's rules")]
)
def test_a_rule_on_an_endpoint_that_does_not_exist_is_refused(scope: str, hint: str) -> None:
    own = (GuardRule(name="mine", metric="error_rate", scope=scope, limit=0.1),)
    with pytest.raises(Refused, match=f"'mine' watches the endpoint '{scope}'; the script has .*signin.*{hint}"):
        rules_of_ramp(own, _plan())
