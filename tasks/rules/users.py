"""Whether a running segment loses virtual users."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

# k6 pushes every second: a segment is judged when it was short in as many pushes as a lost one may be late.
_SHORT_S = 4.0


class UsersLost:
    """Remembers the most virtual users each segment had: held load never falls by itself."""

    def __init__(self) -> None:
        self._most: dict[str, float] = {}
        self._short_since: dict[str, float] = {}

    def judge(
        self, users: Mapping[str, float], expected: Collection[str], now_s: float
    ) -> tuple[str, float, float] | None:
        """Return a segment that is short of virtual users, with how many it has and had; None when there is none.

        Args:
            users: virtual users by instance, as Prometheus has them now; a missing one is not judged here.
            expected: names of the segments that have to run.
            now_s: a clock that only goes forward.
        """
        for name in expected:
            now = users.get(name, math.nan)
            if not math.isfinite(now):
                continue
            most = self._most[name] = max(now, self._most.get(name, 0.0))
            if now >= most:
                self._short_since.pop(name, None)
            elif now_s - self._short_since.setdefault(name, now_s) >= _SHORT_S:
                return name, now, most
        return None
