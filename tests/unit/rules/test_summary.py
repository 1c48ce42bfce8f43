"""The first screen: what a reader is told, and what to do."""

from __future__ import annotations

from datetime import timedelta

import pytest

from blocks.models.record import Record, Stage
from blocks.models.verdict import Verdict
from tasks.rules.record import fold
from tasks.rules.summary import headline, is_over, limit_of, next_steps, seconds_text, span, tiles, why_missing

from .journals import START, all_passed, breach, check, event, opened

_LIMITS = event(
    "limits", 1,
    rules=[
        {"name": "sign-in p95", "metric": "p95_ms", "scope": "signin", "limit": 500.0},
        {"name": "error rate", "metric": "error_rate", "limit": 0.05},
        {"name": "handshakes", "metric": "ws_handshake_success", "operator": "<", "limit": 0.9},
    ],
)  # fmt: skip

_GONE = event("teardown", 98, verdict="PASS", destroyed=58)


def _stage(number: int, verdict: str = "PASS") -> list:  # type: ignore[type-arg]
    return [
        event("stage_started", number * 10, number=number, vus=number * 1000),
        event("stage_judged", number * 10 + 5, number=number, verdict=verdict, reason="drift"),
        event("stage_numbers", number * 10 + 6, number=number, endpoints=[
            {"name": "signin", "requests": 900, "error_rate": 0.0, "p95_ms": 499.0 + number},
            {"name": "bet", "requests": 100, "error_rate": 0.1, "p95_ms": 900.0},
        ]),
    ]  # fmt: skip


def _tile(record: Record, label: str) -> tuple[str, str, str]:
    return next((tile.value, tile.note, tile.tone) for tile in tiles(record) if tile.label == label)


def test_a_run_at_the_scripts_top_says_that_the_systems_ceiling_is_not_known() -> None:
    top = event("ceiling", 90, stage=2, vus=2000, reason="the top")
    record = fold([opened(), *all_passed(), _LIMITS, *_stage(1), *_stage(2), top, _GONE, event("run_closed", 99)])
    assert next_steps(record) == (
        "Nothing has to be done. 2,000 VUs is the script's top, not the system's: add levels to find its ceiling.",
    )
    assert _tile(record, "Ceiling") == ("stage 2, 2,000 VUs", "the top", "")
    assert _tile(record, "Sign-in p95") == ("501 ms", "at stage 2; limit 500 ms", "bad")
    assert _tile(record, "Error rate") == ("1.00 %", "of 1,000 requests at stage 2; limit 5 %", "")
    assert _tile(record, "Stages") == ("2 stable", "of 2 begun, 2 judged", "")


def test_left_over_infrastructure_is_the_first_thing_to_do() -> None:
    left = event("teardown", 90, verdict="FAIL", leftover=["i-0abc"], destroyed=57)
    record = fold([opened(), *all_passed(), breach(), left, event("run_closed", 99)])
    said = "Remove what is left over, it costs money: i-0abc. The detail of teardown.sweep says how."
    assert next_steps(record)[0] == said
    assert _tile(record, "Teardown") == ("1 left over", "57 destroyed: i-0abc", "bad")


def test_after_a_breach_the_likeliest_cause_and_the_stage_to_start_at_are_named() -> None:
    rows = [
        {"row": "http-429", "matched": True, "score": 2.0, "evidence": "12 % are 429", "cause": "the rate limiter"},
        {"row": "oom-kill", "matched": False, "score": 0.0, "evidence": "none"},
    ]
    stopped = check("ramp.abort", Verdict.FAIL, "stopped")
    record = fold([opened(), *all_passed(), breach(), event("triage", 95, rows=rows), stopped, _GONE])
    assert next_steps(record)[:2] == (
        "Look into http-429: the rate limiter.",
        "After a fix, start a run at stage 2 (start_stage): the stages below are risen through.",
    )
    unknown = fold([opened(), *all_passed(), breach(), event("triage", 95, rows=rows[1:]), stopped, _GONE])
    assert next_steps(unknown)[0].startswith("Find the cause: no row of the matrix matched.")
    assert _tile(record, "Breaches") == ("1", "when the load was off: not captured", "bad")


def test_a_check_that_did_not_pass_is_something_to_do() -> None:
    failed = check("preflight.quotas", Verdict.FAIL, "VPCs: 1 needed, 0 free; ask for more.")
    record = fold([opened(), failed, event("run_closed", 99)])
    assert next_steps(record) == ("preflight.quotas FAIL: VPCs: 1 needed, 0 free; ask for more.",)
    assert headline(record) == "preflight.quotas: VPCs: 1 needed, 0 free; ask for more."
    assert _tile(record, "Breaches") == ("none", "the ramp was not reached", "")
    assert _tile(record, "Cost") == ("none", "nothing was provisioned", "")


def test_many_things_left_over_are_counted() -> None:
    left = event("teardown", 90, verdict="FAIL", leftover=[f"vol-{number}" for number in range(9)], destroyed=57)
    record = fold([opened(), *all_passed(), left, event("run_closed", 99)])
    assert "vol-3 and 5 more." in next_steps(record)[0]


@pytest.mark.parametrize(
    ("metric", "scope", "value", "over"),
    [
        ("p95_ms", "signin", 500.0, False), ("p95_ms", "signin", 500.1, True), ("p95_ms", "bet", 9000.0, False),
        ("error_rate", "bet", 0.06, True), ("ws_handshake_success", "", 0.89, True), ("ws_handshake_success", "", 0.9, False),
        ("error_rate", "", None, False), ("queue_depth", "", 1e9, False),
    ],
)  # fmt: skip
def test_a_value_is_over_only_on_the_wrong_side_of_its_own_limit(
    metric: str, scope: str, value: float | None, over: bool
) -> None:
    assert is_over(fold([opened(), _LIMITS]), metric, scope, value) == over


def test_without_journaled_limits_none_is_invented() -> None:
    assert limit_of(fold([opened()]), "p95_ms", "signin") is None


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([event("stage_numbers", 11, number=1, not_captured={"numbers": "the host was lost"})], "the host was lost"),
        ([breach(stage=1)], "the load was stopped (sign-in p95) before the stage was judged"),
        ([event("phase_started", 2)], "the run ended in ramp before it"),
        ([], "the stage was not judged"),
        (_stage(1)[1:2], "the evidence was not collected"),
        ([*_stage(1)[1:2], check("collect.results")], "nothing was found in what was collected"),
    ],
)
def test_what_is_missing_has_a_reason(lines: list, why: str) -> None:  # type: ignore[type-arg]
    record = fold([opened(), event("stage_started", 10, number=1, vus=10), *lines])
    stage: Stage = record.stages[0]
    assert why_missing(record, stage, "numbers") == why


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (42.4, "42 s"), (185, "3 min 05 s"), (4321, "1 h 12 min")]
)
def test_seconds_read_as_people_say_them(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text
    assert span(START, START + timedelta(seconds=seconds)) == text


def test_the_actual_cost_says_what_it_is_of() -> None:
    cost = event("cost", 9, estimated_usd=1.5, basis="list prices", actual_usd=1.42, actual_basis="by the run's tag")
    assert _tile(fold([opened(), cost]), "Cost") == ("1.42 USD", "by the run's tag", "")
