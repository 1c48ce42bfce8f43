"""Whether each of several is still seen, whatever the others do."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class LastSeen(Generic[K]):
    """Remembers when each of several was seen last: that the others are seen says nothing of it.

    Args:
        limit_s: how long one may not be seen.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._at_s: dict[K, float] = {}

    def silent(self, seen_s: Mapping[K, float], expected: Collection[K], now_s: float) -> dict[K, float]:
        """Return those that were not seen for too long, with the seconds.

        Args:
            seen_s: when those that were seen were seen.
            expected: those that have to be seen; each is waited for from the first call that expects it.
            now_s: a clock that only goes forward.
        """
        self._at_s = {one: max(self._at_s.get(one, now_s), seen_s.get(one, -math.inf)) for one in expected}
        return {one: now_s - at_s for one, at_s in self._at_s.items() if now_s - at_s > self._limit_s}

    def forget(self) -> None:
        """Begin anew: each is waited for from the next call that expects it."""
        self._at_s = {}
