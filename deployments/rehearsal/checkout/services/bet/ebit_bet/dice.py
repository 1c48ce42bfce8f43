"""The dice game: a roll from 0.00 to 99.99, won when it is under the target."""

import secrets
from dataclasses import dataclass

from ebit_shared.web import RefusedError

EDGE = 0.01
"""The house keeps one per cent of a fair payout."""
LEAST_TARGET, MOST_TARGET = 2.0, 98.0
"""Targets outside would pay next to nothing or be next to impossible."""
MOST_AMOUNT = 10_000.0
"""Largest stake."""


@dataclass(frozen=True, slots=True)
class Roll:
    """Outcome of a bet; `payout` is 0 when it is lost."""

    rolled: float
    won: bool
    payout: float


def check(amount: object, target: object) -> tuple[float, float]:
    """Stake and target as numbers.

    Raises:
        RefusedError: 400, one of them is unusable.
    """
    if not _is_number(amount) or not 0 < amount <= MOST_AMOUNT:
        raise RefusedError(400, f"amount must be a number above 0 and at most {MOST_AMOUNT:g}.")
    if not _is_number(target) or not LEAST_TARGET <= target <= MOST_TARGET:
        raise RefusedError(400, f"target must be a number from {LEAST_TARGET:g} to {MOST_TARGET:g}.")
    return float(amount), float(target)


def roll(amount: float, target: float) -> Roll:
    """Throw once."""
    return judge(amount, target, secrets.randbelow(10_000) / 100)


def judge(amount: float, target: float, rolled: float) -> Roll:
    """Outcome of a given throw."""
    won = rolled < target
    return Roll(rolled, won, round(amount * 100 / target * (1 - EDGE), 2) if won else 0.0)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
