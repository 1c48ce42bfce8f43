"""Flat or not: shapes of series, and the command that judges them."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.models.rules import Series, StabilityRule, Unit
from blocks.models.verdict import Verdict
from tasks.rules.gate import judge_gate, judge_rate
from tasks.rules.stability import judge_stability, rising_p_value

_ROOT = Path(__file__).parents[3]
_RULE = StabilityRule()


def _series(values: Sequence[float | None], unit: Unit = "ms", name: str = "signin p95") -> Series:
    return Series(name=name, unit=unit, points=tuple((index * 10.0, value) for index, value in enumerate(values)))


def _noise(level: float, part: float, seed: int = 7) -> list[float]:
    chance = random.Random(seed)
    return [level * (1 + chance.uniform(-part, part)) for _ in range(13)]


def _spike(at: int) -> list[float]:
    return [2000.0 if index == at else value for index, value in enumerate(_noise(120, 0.03))]


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([100.0] * 13, "ms"),
        ([0.0] * 13, "ratio"),
        (_noise(120, 0.05), "ms"),
        (_spike(0), "ms"),
        (_spike(6), "ms"),
        (_spike(12), "ms"),
        ([200.0 - 10 * index for index in range(13)], "ms"),
        ([20.0 + 0.5 * index for index in range(13)], "ms"),
        ([0.0001 * index for index in range(13)], "ratio"),
    ],
    ids=[
        "flat",
        "no errors",
        "noise",
        "spike first",
        "spike within",
        "spike last",
        "falling",
        "below floor",
        "few errors",
    ],
)
def test_what_does_not_rise_by_much_is_flat(values: list[float], unit: Unit) -> None:
    judged = judge_stability(_series(values, unit), _RULE)
    assert judged.verdict is Verdict.PASS, judged.detail


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([100.0 + 4 * index for index in range(13)], "ms"),
        ([value + 5 * index for index, value in enumerate(_noise(150, 0.02))], "ms"),
        ([3.0 * index for index in range(13)], "jobs"),
        ([0.002 * index for index in range(13)], "ratio"),
    ],
    ids=["drift", "noisy drift", "growing queue", "growing errors"],
)
def test_what_rises_steadily_is_not_flat(values: list[float], unit: Unit) -> None:
    judged = judge_stability(_series(values, unit), _RULE)
    assert judged.verdict is Verdict.FAIL
    assert "drift" in judged.detail
    assert "limit" in judged.detail


def test_the_sentence_quotes_the_drift_and_its_limit() -> None:
    judged = judge_stability(_series([100.0 + 4 * index for index in range(13)]), _RULE)
    assert judged.detail.startswith("signin p95: drift 48 ms over 120 s, limit 12 ms, rising steadily")


@pytest.mark.parametrize(
    "values", [[], [100.0] * 7, [None] * 13, [100.0] * 7 + [None] * 6, [math.nan] * 13, [100.0] * 9 + [None] * 4]
)
def test_too_few_or_too_many_missing_points_are_inconclusive(values: list[float | None]) -> None:
    assert judge_stability(_series(values), _RULE).verdict is Verdict.INCONCLUSIVE


def test_a_fifth_of_the_points_may_be_missing() -> None:
    assert judge_stability(_series([100.0] * 8 + [None] * 2), _RULE).passed


def test_a_missing_point_keeps_the_place_of_the_others() -> None:
    whole = judge_stability(_series([100.0 + 4 * index for index in range(13)]), _RULE)
    holed = judge_stability(_series([None if index == 5 else 100.0 + 4 * index for index in range(13)]), _RULE)
    assert whole.detail.partition(", limit")[0] == holed.detail.partition(", limit")[0]


@given(st.floats(-1e12, 1e12), st.integers(8, 40), st.sampled_from(["ms", "ratio", "jobs"]))
def test_a_constant_series_is_always_flat(value: float, count: int, unit: Unit) -> None:
    assert judge_stability(_series([value] * count, unit), _RULE).verdict is Verdict.PASS


@given(st.lists(st.floats(0, 1e6), min_size=8, max_size=30))
def test_a_p_value_is_a_probability(values: list[float]) -> None:
    assert 0 <= rising_p_value(values) <= 1


@given(st.floats(0, 100), st.floats(1, 50), st.integers(8, 30))
def test_a_series_that_does_not_rise_is_never_failed(start: float, step: float, count: int) -> None:
    falling = [start - step * index for index in range(count)]
    assert judge_stability(_series(falling), _RULE).passed


def test_the_gate_fails_when_one_series_rises_and_says_which() -> None:
    judged = judge_gate([_series([100.0] * 13), _series([3.0 * i for i in range(13)], "jobs", "queue bets")], _RULE)
    assert judged.verdict is Verdict.FAIL
    assert "queue bets" in judged.detail
    assert "signin" not in judged.detail


def test_the_gate_fails_rather_than_being_inconclusive() -> None:
    judged = judge_gate([_series([None] * 13), _series([3.0 * i for i in range(13)], "jobs")], _RULE)
    assert judged.verdict is Verdict.FAIL


@pytest.mark.parametrize("series", [[], [_series([100.0] * 13), _series([])]])
def test_the_gate_never_passes_without_data(series: list[Series]) -> None:
    assert judge_gate(series, _RULE).verdict is Verdict.INCONCLUSIVE


def test_the_gate_passes_when_all_are_flat() -> None:
    assert judge_gate([_series([100.0] * 13), _series([0.0] * 13, "ratio")], _RULE).passed


def test_more_series_ask_for_more_proof() -> None:
    wobbly = _series([100, 106, 101, 104, 112, 103, 110, 107, 115, 108])
    alone = judge_gate([wobbly], StabilityRule(relative_drift=0.05, floor_ms=1))
    among = judge_gate([wobbly, *[_series([1.0] * 10)] * 9], StabilityRule(relative_drift=0.05, floor_ms=1))
    assert (alone.verdict, among.verdict) == (Verdict.FAIL, Verdict.PASS)


def test_a_rise_beside_a_surer_one_needs_less_proof_than_the_surest() -> None:
    """Holm's second step: 0.05 / 6 where the first was 0.05 / 7."""
    signin = _series([112, 120, 117, 126, 111, 108, 115, 140, 157, 132, 132, 165, 158])
    surer = _series([100.0 + 0.1 * step for step in range(13)], name="below its floor")
    flat = [_series([100.0] * 13, name=f"flat {number}") for number in range(5)]
    assert judge_gate([signin, surer, *flat], _RULE).verdict is Verdict.FAIL
    assert judge_gate([signin, *flat, _series([100.0] * 13)], _RULE).passed


def _command(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tasks.rules.stability"],
        input=text, cwd=_ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def _request(value: Callable[[int], float | None], **more: object) -> dict[str, Any]:
    points = [[index * 10, value(index)] for index in range(13)]
    return {"window_s": 120, "series": [{"name": "bet p95", "unit": "ms", "points": points}], **more}


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(lambda _: 80.0, "PASS"), (lambda index: 80.0 + 9 * index, "FAIL"), (lambda _: None, "INCONCLUSIVE")],
)
def test_the_command_answers_with_a_verdict(value: Callable[[int], float | None], verdict: str) -> None:
    completed = _command(json.dumps(_request(value)))
    assert (completed.returncode, completed.stderr) == (0, "")
    answer = json.loads(completed.stdout)
    assert answer["verdict"] == verdict
    assert [(item["name"], item["verdict"]) for item in answer["series"]] == [("bet p95", verdict)]
    assert answer["series"][0]["reason"]


def test_the_command_does_not_pass_nothing() -> None:
    assert json.loads(_command('{"window_s": 120, "series": []}').stdout)["verdict"] == "INCONCLUSIVE"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"window_s": 0, "series": []}',
        '{"window_s": 120, "series": [{"name": "x", "unit": "furlongs", "points": []}]}',
        '{"window_s": 120, "series": [{"name": "x", "unit": "ms", "points": [[0, 1], [10, 1], [15, 1]]}]}',
        '{"window_s": 120, "series": [{"name": "x", "unit": "ms", "points": [[0, 1], [60, 1]]}]}',
        '{"window_s": 120, "series": [], "extra": 1}',
    ],
)
def test_the_command_refuses_bad_input_with_one_sentence(text: str) -> None:
    completed = _command(text)
    assert (completed.returncode, completed.stdout) == (2, "")
    assert completed.stderr.startswith("The series cannot be read (")
    assert completed.stderr.count("\n") == 1
    assert "Traceback" not in completed.stderr


@pytest.mark.parametrize(
    ("dropped", "verdict", "said"),
    [
        ({"bet": 0.0, "signin": 0.01}, Verdict.PASS, "k6 dropped at most 1.0% of a scenario's iterations"),
        ({"bet": 0.5, "signin": 0.0}, Verdict.INCONCLUSIVE, "k6 dropped 50.0% of the iterations of 'bet', limit 1%: "),
        ({}, Verdict.INCONCLUSIVE, "Prometheus has no iterations of the stage"),
    ],
)
def test_a_rate_that_was_not_delivered_is_not_judged(dropped: dict[str, float], verdict: Verdict, said: str) -> None:
    judged = judge_rate(dropped)
    assert judged.verdict is verdict
    assert judged.detail.startswith(said)
