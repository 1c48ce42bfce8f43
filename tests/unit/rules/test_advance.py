"""Who releases which stage."""

from __future__ import annotations

import pytest

from blocks.models.errors import Refused
from tasks.rules.advance import Advance, asks_a_person, how_released, refuse_start_stage


@pytest.mark.parametrize(
    ("advance", "number", "auto_until", "stepped_down", "asked"),
    [
        ("by-hand", 1, 0, False, True),
        ("by-hand", 3, 3, False, False),
        ("by-hand", 4, 3, False, True),
        # Back at stage 3 after a step down from 4, and at every stage from then on.
        ("by-hand", 3, 3, True, True),
        ("by-hand", 1, 3, True, True),
        ("auto", 4, 3, False, False),
        ("auto", 1, 0, True, False),
        ("continuous", 4, 0, False, False),
    ],
)
def test_a_person_is_asked_by_hand_above_the_automatic_stages_and_after_a_step_down(
    advance: Advance,
    number: int,
    auto_until: int,
    *,
    stepped_down: bool,
    asked: bool,
) -> None:
    assert asks_a_person(advance, number, auto_until, stepped_down=stepped_down) is asked


@pytest.mark.parametrize(
    ("advance", "start", "auto_until", "said"),
    [
        ("by-hand", 1, 0, "Each stage is held until somebody releases it."),
        ("by-hand", 4, 3, "Each stage is held until somebody releases it."),
        ("by-hand", 3, 3, "Up to stage 3 the gate alone releases"),
        ("auto", 1, 3, "The gate alone releases each stage"),
        ("continuous", 1, 3, "The script goes on at its own times"),
    ],
)
def test_who_goes_away_is_told_whether_the_load_waits(advance: Advance, start: int, auto_until: int, said: str) -> None:
    assert how_released(advance, start, auto_until).startswith(said)


def test_the_script_as_it_is_starts_at_its_first_stage() -> None:
    with pytest.raises(Refused, match="Start stage 3 and advance 'continuous' exclude each other"):
        refuse_start_stage("continuous", 3)
    refuse_start_stage("continuous", 1)
    refuse_start_stage("by-hand", 3)
    refuse_start_stage("auto", 3)
