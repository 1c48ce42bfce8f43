"""How much later iterations end than they used to: what a load generator at its limit shows first."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Collection, Mapping, Sequence
from statistics import median

from tasks.rules.guard import Reading

WINDOW_S = 5.0
"""The averages look back this far: k6 pushes every second."""
# A virtual user's first iteration signs in and may begin at random; it is over this long after the rise.
_FIRST_ITERATION_S = 5.0
# Three standard deviations: one reading of a thousand that are normally spread is further up.
_CHANCE = 3.0


class IterationLag:
    """What iterations last beside their requests, against what is usual in this ramp.

    Pauses cancel out, as they are the same at any load. Usual is the lower quartile of all readings so far: the lowest
    one would be luck where pauses are random. What random pauses may add by chance is no lag either; their spread is read
    from the lower readings alone, which a saturated load generator does not move. Only processes whose number of users
    has not changed lately are read.
    """

    def __init__(self) -> None:
        self._users: dict[str, tuple[float, float]] = {}
        self._usual: dict[str, list[float]] = {}
        self._late: dict[str, list[float]] = {}

    def update(self, outside: Sequence[Reading], users: Mapping[str, float], now_s: float) -> None:
        """Take in a new answer.

        Args:
            outside: ms beside requests, labelled by ``instance`` (the k6 process) and ``scenario``.
            users: virtual users by process.
            now_s: a clock that only goes forward.
        """
        self._users = {
            name: self._users[name] if name in self._users and self._users[name][0] == count else (count, now_s)
            for name, count in users.items()
        }
        steady = [
            (reading.labels["instance"], reading.labels["scenario"], reading.value)
            for reading in outside
            if math.isfinite(reading.value)
            and now_s - self._users.get(reading.labels.get("instance", ""), (0.0, now_s))[1]
            >= WINDOW_S + _FIRST_ITERATION_S
        ]
        for scenario in {scenario for _, scenario, _ in steady}:
            insort(self._usual.setdefault(scenario, []), median(value for _, name, value in steady if name == scenario))
        self._late = {}
        for process, scenario, value in steady:
            usual = self._usual[scenario]
            self._late.setdefault(process, []).append(value - _highest_by_chance(usual))

    def of(self, processes: Collection[str]) -> float | None:
        """Return the lag of a load generator's processes in ms, at least 0; None when none of them is steady."""
        late = [value for process in processes for value in self._late.get(process, ())]
        return max(0.0, median(late)) if late else None


def _highest_by_chance(usual: Sequence[float]) -> float:
    """Return up to where sorted readings come by chance: from the 5th to the 25th percentile it is one standard deviation."""
    quartile = usual[len(usual) // 4]
    return quartile + _CHANCE * (quartile - usual[len(usual) // 20])
