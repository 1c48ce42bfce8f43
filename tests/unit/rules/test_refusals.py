"""What pydantic refuses reads as a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from blocks.models.rules import GuardRule
from tasks.rules.refusals import sentence_of


def _sentence(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        GuardRule(**{"name": "mine", "metric": "p95_ms", "limit": 500.0, **values})
    return sentence_of(caught.value)


def test_an_unknown_metric_is_refused_with_a_near_name() -> None:
    sentence = _sentence(metric="p95")
    assert sentence.startswith("metric is 'p95': input should be 'p95_ms', 'error_rate', ")
    assert sentence.endswith("; did you mean 'p95_ms'?")


def test_a_limit_of_zero_is_refused() -> None:
    assert _sentence(limit=0) == "limit is 0: input should be greater than 0."


def test_every_refused_value_has_its_sentence() -> None:
    assert _sentence(limit=-1, window_s=1) == (
        "limit is -1: input should be greater than 0. window_s is 1: input should be greater than or equal to 2."
    )


def test_an_expected_crossing_needs_a_reason() -> None:
    assert _sentence(expected={"bet": ""}) == "expected.bet is '': string should have at least 1 character."
