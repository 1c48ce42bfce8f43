"""Whether the clocks of a run's hosts agree."""

from __future__ import annotations

from collections.abc import Mapping

from blocks.models.verdict import Judgement, failed, passed

LIMIT_S = 5.0
"""Half of the guard's shortest default window: samples that are shifted by more are mostly outside of it."""


def judge_clocks(offsets: Mapping[str, float], limit_s: float = LIMIT_S) -> Judgement:
    """Judge how far apart clocks are.

    Args:
        offsets: seconds each clock is ahead of the worker's, by whose it is.
        limit_s: how far any two may be apart, the worker's included.
    """
    clocks = {"the worker": 0.0, **offsets}
    slow, fast = min(clocks, key=clocks.__getitem__), max(clocks, key=clocks.__getitem__)
    apart_s = clocks[fast] - clocks[slow]
    if apart_s > limit_s:
        return failed(
            f"The clock of {fast} is {apart_s:.1f} s ahead of {slow}'s; wanted are at most {limit_s:g} s, "
            "or samples fall outside the guard's windows: let chrony or NTP set both."
        )
    return passed(f"the clocks of {len(clocks)} hosts are within {apart_s:.1f} s")
