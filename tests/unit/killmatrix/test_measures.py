from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from typing import Any

from blocks.models.event import Event, Kind
from flows import teardown
from tests.killmatrix.measures import janitor_helped, seconds_from_heartbeat, seconds_to_teardown

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def at(second: float, kind: Kind, phase: str = "teardown", **data: Any) -> Event:
    return Event(at=T0 + timedelta(seconds=second), mono_s=100 + second, pid=1, phase=phase, kind=kind, data=data)


def test_the_teardown_that_counts_is_the_first_after_the_death() -> None:
    events = [
        at(1, "phase_started"),
        at(9, "phase_started", "report"),
        at(12.34, "phase_started"),
        at(50, "phase_started"),
    ]
    assert seconds_to_teardown(events, 110.0) == 2.3
    assert seconds_to_teardown(events, 151.0) is None


def test_who_takes_a_dead_run_over_begins_its_teardown_also_while_evidence_comes_first() -> None:
    events = [
        at(11, "note", text="The run's process was told to end."),
        at(13, "note", text="taken over", taken_over="hook"),
        at(40, "phase_started"),
    ]
    assert seconds_to_teardown(events, 110.0) == 3.0
    # The mark is the teardown's.
    assert "taken_over=by" in inspect.getsource(teardown.take_over)


def test_the_last_heartbeat_before_the_teardown_counts_and_not_the_death() -> None:
    events = [at(100, "phase_started")]
    beats = [T0, T0 + timedelta(seconds=10), T0 + timedelta(seconds=101)]
    assert seconds_from_heartbeat(events, 130.0, beats) == 90.0
    assert seconds_from_heartbeat(events, 130.0, []) is None
    assert seconds_from_heartbeat([], 130.0, beats) is None


def test_the_janitor_helped_when_it_took_the_run_over() -> None:
    assert janitor_helped([at(1, "note", text="finished in its place", taken_over="janitor")])
    assert not janitor_helped([at(1, "note", text="its teardown was taken over", taken_over="hook")])
