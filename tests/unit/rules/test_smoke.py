"""What the smoke test's answers mean."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.models.record import TraceId
from blocks.models.rules import ExpectedException
from blocks.models.verdict import Verdict
from tasks.rules.smoke import (
    judge_exceptions,
    judge_exit,
    judge_scenarios,
    judge_signin,
    judge_trace,
    judge_traffic,
    judge_users_seen,
)

_DICE = ExpectedException(endpoint="bet", p95_ms=100.0, reason="dice draw")


def _p95(scenario: str, value: float) -> dict[str, dict[str, Any]]:
    return {f"http_req_duration{{scenario:{scenario}}}": {"p(95)": value}}


@pytest.mark.parametrize(
    ("code", "error", "verdict", "said"),
    [
        (0, "", "PASS", "exit code 0"),
        (99, "", "FAIL", "thresholds of the script were crossed"),
        (107, "script exception", "FAIL", "script exception"),
        (105, "", "FAIL", "see k6.log"),
    ],
)
def test_only_exit_code_0_passes(code: int, error: str, verdict: str, said: str) -> None:
    judged = judge_exit(code, error, {})
    assert judged.verdict is Verdict(verdict)
    assert said in judged.detail


def test_crossed_thresholds_are_named_with_what_was_observed() -> None:
    metrics = {
        "http_req_duration{scenario:signin}": {"p(95)": 313.476, "thresholds": {"p(95)<200": True, "p(95)<500": False}},
        "http_req_failed": {"passes": 3, "value": 0.0123, "thresholds": {"rate<0.01": True}},
        "iterations": {"count": 12, "rate": 1.5, "thresholds": {"count>=20": True}},
        "checks": {"value": 1, "thresholds": {"rate>0.99": False}},
    }
    judged = judge_exit(99, "", metrics)
    assert judged.detail == (
        "k6 ended with exit code 99: thresholds of the script were crossed: "
        "http_req_duration{scenario:signin} p(95)<200 (observed 313.5); http_req_failed rate<0.01 (observed 0.0123); "
        "iterations count>=20 (observed 12); wanted is 0."
    )


def test_every_scenario_has_to_iterate() -> None:
    metrics = {"iterations{scenario:signin}": {"count": 12}, "iterations{scenario:bet}": {"count": 0}}
    assert judge_scenarios(metrics, ["signin"]).passed
    judged = judge_scenarios(metrics, ["signin", "bet", "ws"])
    assert judged.verdict is Verdict.FAIL
    assert judged.detail.startswith("bet, ws did not run")


@pytest.mark.parametrize(("seen", "verdict"), [(50.0, "PASS"), (49.0, "FAIL"), (51.0, "FAIL"), (None, "INCONCLUSIVE")])
def test_prometheus_has_to_have_seen_all_users(seen: float | None, verdict: str) -> None:
    assert judge_users_seen(seen, 50).verdict is Verdict(verdict)


@pytest.mark.parametrize(
    ("rates", "verdict"),
    [
        ({"api": 3.0, "bet": 1.0}, "PASS"),
        ({"api": 3.0, "bet": 0.0}, "FAIL"),
        ({"api": 3.0}, "FAIL"),
        ({}, "INCONCLUSIVE"),
    ],
)
def test_every_service_has_to_serve(rates: dict[str, float], verdict: str) -> None:
    assert judge_traffic(rates, ["api", "bet"]).verdict is Verdict(verdict)


@pytest.mark.parametrize(("verified", "verdict"), [(True, "PASS"), (False, "FAIL")])
def test_a_trace_has_to_open(*, verified: bool, verdict: str) -> None:
    judged = judge_trace(TraceId(id="4bf9", why="slowest sign-in", verified=verified))
    assert judged.verdict is Verdict(verdict)
    assert "4bf9" in judged.detail


@pytest.mark.parametrize(("p95", "verdict"), [(199.9, "PASS"), (200.0, "FAIL"), (350.0, "FAIL")])
def test_sign_in_has_to_be_below_its_limit(p95: float, verdict: str) -> None:
    judged = judge_signin(_p95("signin", p95), 200.0)
    assert judged.verdict is Verdict(verdict)
    assert "limit < 200 ms" in judged.detail


def test_no_sign_in_is_no_pass() -> None:
    assert judge_signin(_p95("bet", 5.0), 200.0).verdict is Verdict.INCONCLUSIVE
    assert judge_signin({"http_req_duration{scenario:signin}": {}}, 200.0).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("p95", "said"), [(140.0, "known exception"), (100.0, "known exception"), (60.0, "below")])
def test_a_known_exception_is_recorded_and_never_blocks(p95: float, said: str) -> None:
    judged = judge_exceptions(_p95("bet", p95), [_DICE])
    assert judged.passed
    assert said in judged.detail
    assert "dice draw" in judged.detail


def test_an_exception_that_was_not_measured_is_inconclusive() -> None:
    assert judge_exceptions({}, [_DICE]).verdict is Verdict.INCONCLUSIVE
    assert judge_exceptions({}, []).passed
