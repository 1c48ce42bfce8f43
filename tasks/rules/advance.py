"""Who releases a stage that is held: a person, or the gate alone."""

from __future__ import annotations

from typing import Literal

from blocks.models.errors import Refused

Advance = Literal["by-hand", "auto", "continuous"]


def asks_a_person(advance: Advance, number: int, auto_until: int, *, stepped_down: bool) -> bool:
    """Whether a person releases a stage.

    Args:
        advance: how the run's form says that stages are released.
        number: the stage that is held.
        auto_until: with by-hand, stages up to this one are released by the gate alone.
        stepped_down: whether somebody stepped down in this ramp: released by the gate, the load would be back up at once.
    """
    return advance == "by-hand" and (stepped_down or number > auto_until)


def how_released(advance: Advance, start: int, auto_until: int) -> str:
    """Say who releases the stages of a ramp.

    Args:
        advance: how the run's form says that stages are released.
        start: the stage that is held first.
        auto_until: with by-hand, stages up to this one are released by the gate alone.
    """
    if advance == "continuous":
        return "The script goes on at its own times, and nobody is asked."
    if advance == "auto":
        return "The gate alone releases each stage when it says PASS, else the ramp ends; nobody is asked."
    if auto_until >= start:
        return (
            f"Up to stage {auto_until} the gate alone releases each stage when it says PASS, else the ramp ends; from then on each "
            "is held until somebody releases it."
        )
    return "Each stage is held until somebody releases it."


def refuse_start_stage(advance: Advance, start: int) -> None:
    """Refuse a start stage that the way of advancing cannot have.

    Raises:
        Refused: the script is run as it is, and begins with its first stage.
    """
    if advance == "continuous" and start > 1:
        raise Refused(
            f"Start stage {start} and advance 'continuous' exclude each other: the script is run as it is, from its first stage; "
            "start at stage 1, or advance by-hand or auto."
        )
