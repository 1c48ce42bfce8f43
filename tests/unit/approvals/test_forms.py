"""What the form of a triage takes, and why it does not take the rest."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from flows.approvals import triage_form
from tests.unit.rules.plans import mixed_plan

_FORM = triage_form(mixed_plan(), 1)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "choose one: the script has signin, ws"),
        ({"scenario": ""}, "choose one: the script has signin, ws"),
        ({"scenario": "bet"}, "should be '', 'signin' or 'ws'"),
        ({"scenario": "ws", "share": 0}, "greater than 0"),
        ({"scenario": "ws", "share": 1}, "less than 1"),
        ({"scenario": "ws", "share": float("nan")}, "less than 1"),
        ({"scenario": "ws", "share": "much"}, "valid number"),
        ({"scenario": "ws", "share": 0.01}, "throttled to 0.01"),
    ],
)
def test_a_throttle_that_cannot_be_done_is_not_taken(values: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        _FORM.model_validate({"decision": "throttle", "name": "Ada", **values})


@pytest.mark.parametrize(
    "values", [{"decision": "throttle", "scenario": "ws", "share": 0.5}, {"decision": "resume"}, {"decision": "halt"}]
)
def test_what_can_be_done_is_taken(values: dict[str, Any]) -> None:
    taken = _FORM.with_initial_data(description="The page.").model_validate({"name": "Ada", **values})
    assert taken.model_dump()["decision"] == values["decision"]
