"""Many things in one sentence."""

from __future__ import annotations

from collections.abc import Sequence


def name_some(things: Sequence[str], most: int, between: str = ", ") -> str:
    """Name the first of many things, and say how many more there are: ``a, b and 3 more``."""
    more = f" and {len(things) - most} more" if len(things) > most else ""
    return between.join(things[:most]) + more
