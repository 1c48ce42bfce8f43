"""When clocks count as apart."""

from __future__ import annotations

import pytest

from blocks.models.verdict import Verdict
from tasks.rules.clocks import judge_clocks


def test_clocks_that_agree_pass() -> None:
    judgement = judge_clocks({"load generator 10.0.0.1": 0.2, "Prometheus": -0.3})
    assert (judgement.verdict, judgement.detail) == (Verdict.PASS, "the clocks of 3 hosts are within 0.5 s")


def test_a_load_generator_half_a_minute_ahead_fails_and_is_named() -> None:
    judgement = judge_clocks({"load generator 10.0.0.1": 30.0, "Prometheus": -0.1})
    assert judgement.verdict is Verdict.FAIL
    assert judgement.detail.startswith("The clock of load generator 10.0.0.1 is 30.1 s ahead of Prometheus's;")


@pytest.mark.parametrize("offset", [-6.0, 6.0])
def test_the_workers_own_clock_counts(offset: float) -> None:
    judgement = judge_clocks({"load generator 10.0.0.1": offset, "Prometheus": offset})
    assert judgement.verdict is Verdict.FAIL
    assert "the worker" in judgement.detail


def test_the_limit_itself_is_not_crossed() -> None:
    assert judge_clocks({"a": 2.5, "b": -2.5}).passed
    assert not judge_clocks({"a": 2.6, "b": -2.5}).passed
