"""One lost command does not end a ramp."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect.logging import disable_run_logger

from blocks.models.errors import Failed, RampartError, Unavailable
from tasks import load
from tasks.load import patiently


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(load, "_AGAIN_S", 0.0)
    with disable_run_logger():
        yield


def _act(*outcomes: str | RampartError) -> tuple[list[RampartError], str]:
    """Do what ends like this, one after the other; return what was raised on the way, and what came of it."""
    left, raised = list(outcomes), []

    def act() -> str:
        outcome = left.pop(0)
        if isinstance(outcome, RampartError):
            raised.append(outcome)
            raise outcome
        return outcome

    return raised, patiently(act)


def test_a_lost_command_is_tried_again() -> None:
    raised, came = _act(Unavailable("lost"), Unavailable("lost again"), "done")
    assert (len(raised), came) == (2, "done")


def test_a_no_is_not_tried_again() -> None:
    with pytest.raises(Failed):
        _act(Failed("no"), "done")


def test_what_stays_lost_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_PATIENCE_S", -1.0)
    with pytest.raises(Unavailable):
        _act(Unavailable("lost"), "done")
