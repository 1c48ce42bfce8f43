"""Is a run slower than an earlier one? p95 by endpoint and part of the run, with an interval and a test.

Requests of one moment resemble each other, so not requests but blocks of time are compared. The ratio's interval is a
bootstrap over blocks (2,000 draws). Its significance is Mann and Whitney's rank test of the blocks' p95, corrected for
the autocorrelation of neighbouring blocks and adjusted after Holm (1979) for the number of comparisons. A difference
counts when it is significant, the interval excludes 1, and it is larger than a practical floor.

Tried on simulated systems that had not changed: 5 of 800 comparisons said that they had, 4 of them where a disturbance
lasts 10 s. 30 % more was found in all of 400 looks of two minutes, in 88 of 200 where a disturbance lasts 10 s, and in 30 of
200 looks of 8 s, as a rehearsal has them.

Durations come as counts in bins of 1 % width, second by second: so they are kept in the history, and old samples are not
needed. The p95 of such counts is off by less than 1 %.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import scipy
from pydantic import BaseModel, ConfigDict

from blocks.models.record import ComparedNumber
from tasks.rules.significance import holm

BIN_WIDTH = 1.01
"""Each bin of a duration ends at this times its beginning; bin 0 begins at 1 ms."""

_DRAWS = 2000
# Twelve blocks of a two-minute look are 10 s each: longer than what one burst of a queue or a collector of garbage lasts.
_BLOCKS = 12
# With fewer the interval is too narrow, and a rank test of 40 comparisons is blind: six and six give 0.002 at best, of 0.00125.
_FEWEST_BLOCKS = 8
# The p95 of fewer is the value of less than five requests.
_FEWEST_REQUESTS = 100
# Above this autocorrelation the correction knows no bounds.
_MOST_COMMON = 0.9
_SIGNIFICANCE = 0.05
# What nobody would act on: the gate's own floors.
_RELATIVE_FLOOR = 1.10
_FLOOR_MS = 10.0

Floats = np.ndarray[Any, np.dtype[np.float64]]
Bins = np.ndarray[Any, np.dtype[np.int64]]


class Frozen(BaseModel):
    """A value: compared by content, never changed."""

    model_config = ConfigDict(frozen=True)


class Window(Frozen):
    """A part of a run in which its load was held."""

    where: str
    """``smoke`` or ``stage 3``."""
    position: int
    """0 for the smoke test, else the stage."""
    load: float | None
    """Virtual users, or iterations a second."""
    stable: bool
    """Whether it passed: the gate, or the smoke test."""
    start: datetime
    end: datetime


class Measured(Frozen):
    """An endpoint in a part of a run."""

    window: Window
    endpoint: str
    requests: int
    error_rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    counts: tuple[tuple[int, int, int], ...] = ()
    """(second of the window, bin of the duration, requests), sorted."""


class PastRun(Frozen):
    """A run of the history."""

    run_id: str
    started: datetime
    verdict: str
    ceiling: int | None
    settings: dict[str, str]
    """What has to be the same for a comparison, and what is told when it is not."""


_TOLD_ONLY = frozenset({"instance types", "image tag"})


def last_comparable(now: PastRun, past: Sequence[PastRun]) -> PastRun | None:
    """Return the last finished run before this one with the same environment and load; None when there is none."""
    known = [run for run in past if run.run_id != now.run_id and run.started < now.started and not _unlike(now, run)]
    return max(known, key=lambda run: (run.started, run.run_id), default=None)


def differences(now: PastRun, then: PastRun) -> tuple[str, ...]:
    """Return what is not the same in two runs, as sentences."""
    names = sorted(now.settings.keys() | then.settings.keys())
    pairs = [(name, now.settings.get(name, "unknown"), then.settings.get(name, "unknown")) for name in names]
    return tuple(f"{name}: {new} instead of {old}" for name, new, old in pairs if new != old)


def compare(now: Sequence[Measured], then: Sequence[Measured], run_ids: tuple[str, str]) -> tuple[ComparedNumber, ...]:
    """Compare two runs.

    Args:
        now: this run's numbers.
        then: the other run's.
        run_ids: of both; the draws of the bootstrap follow from them.
    """
    before = {(item.window.where, item.endpoint): item for item in then}
    ordered = sorted(now, key=lambda item: (item.window.position, item.endpoint))
    rows = [_compare_one(item, before.get((item.window.where, item.endpoint)), run_ids) for item in ordered]
    adjusted = iter(holm([row.p_value for row in rows if row.p_value is not None]))
    return tuple(row if row.p_value is None else _judge(row, next(adjusted)) for row in rows)


def _unlike(now: PastRun, then: PastRun) -> bool:
    names = (now.settings.keys() | then.settings.keys()) - _TOLD_ONLY
    return any(now.settings.get(name) != then.settings.get(name) for name in names)


def _compare_one(now: Measured, then: Measured | None, run_ids: tuple[str, str]) -> ComparedNumber:
    known = ComparedNumber(
        where=now.window.where, endpoint=now.endpoint, verdict="not compared", p95_ms=now.p95_ms,
        baseline_p95_ms=then.p95_ms if then else None,
    )  # fmt: skip
    if then is None:
        return known.model_copy(update={"why": "the other run does not have it"})
    if now.window.load != then.window.load:
        return known.model_copy(update={"why": f"another load: {then.window.load or 0:g} in the other run"})
    if not (now.window.stable and then.window.stable):
        return known.model_copy(
            update={"why": f"it was not stable in {'the other' if now.window.stable else 'this'} run"}
        )
    fewest = min(now.requests, then.requests)
    if fewest < _FEWEST_REQUESTS:
        return known.model_copy(update={"why": f"{fewest} requests, at least {_FEWEST_REQUESTS} are needed"})
    block_s = max(1, min(_span_s(now), _span_s(then)) // _BLOCKS)
    bins = np.unique([row[1] for row in (*now.counts, *then.counts)])
    mine, theirs = (_by_block(item, block_s, bins) for item in (now, then))
    fewest = min(len(mine), len(theirs))
    if fewest < _FEWEST_BLOCKS:
        return known.model_copy(update={"why": f"{fewest} blocks of time, at least {_FEWEST_BLOCKS} are needed"})
    draws = np.random.default_rng(_seed(*run_ids, now.window.where, now.endpoint))
    ratios = _draw_p95(mine, bins, draws) / _draw_p95(theirs, bins, draws)
    low, high = np.quantile(ratios, [0.025, 0.975])
    blocks = [_p95(item, bins) for item in (mine, theirs)]
    return known.model_copy(
        update={
            "ratio": round(now.p95_ms / then.p95_ms, 4), "low": round(float(low), 4), "high": round(float(high), 4),
            "p_value": _rank_test(*blocks),
        }
    )  # fmt: skip


def _judge(row: ComparedNumber, p_value: float) -> ComparedNumber:
    assert row.p95_ms is not None
    assert row.baseline_p95_ms is not None
    assert row.ratio is not None
    assert row.low is not None
    assert row.high is not None
    verdict = "same"
    if p_value < _SIGNIFICANCE and abs(row.p95_ms - row.baseline_p95_ms) >= _FLOOR_MS:
        if row.ratio >= _RELATIVE_FLOOR and row.low > 1:
            verdict = "slower"
        elif row.ratio <= 1 / _RELATIVE_FLOOR and row.high < 1:
            verdict = "faster"
    return row.model_copy(update={"verdict": verdict, "p_value": round(p_value, 6)})


def _span_s(item: Measured) -> int:
    return item.counts[-1][0] + 1


def _rank_test(mine: Floats, theirs: Floats) -> float:
    """Return the two-sided p of Mann and Whitney's test, weakened by what neighbouring blocks have in common.

    The variance of a mean of values with the autocorrelation r at lag 1 is (1 + r) / (1 - r) times that of independent ones.
    """
    p_value = float(scipy.stats.mannwhitneyu(mine, theirs, alternative="two-sided").pvalue)
    common = min(_MOST_COMMON, max(0.0, (_neighbours_correlation(mine) + _neighbours_correlation(theirs)) / 2))
    return float(2 * scipy.stats.norm.sf(scipy.stats.norm.isf(p_value / 2) / np.sqrt((1 + common) / (1 - common))))


def _neighbours_correlation(values: Floats) -> float:
    ranks = scipy.stats.rankdata(values)
    centred = ranks - ranks.mean()
    power = float(np.dot(centred, centred))
    # A short series hides some of its correlation: 1 / n of it, on average, for independent values already.
    return float(np.dot(centred[:-1], centred[1:])) / power + 1 / len(values) if power else 0.0


def _by_block(item: Measured, block_s: int, bins: Bins) -> Floats:
    """Return requests by block of time and bin; blocks without requests, and a last one that is not whole, are left out."""
    seconds, columns, requests = np.array(item.counts).T
    counts = np.zeros((_span_s(item) // block_s, len(bins)))
    whole = seconds // block_s < len(counts)
    np.add.at(counts, (seconds[whole] // block_s, np.searchsorted(bins, columns[whole])), requests[whole])
    busy: Floats = counts[counts.sum(axis=1) > 0]
    return busy


def _draw_p95(blocks: Floats, bins: Bins, draws: np.random.Generator) -> Floats:
    count = len(blocks)
    return _p95(draws.multinomial(count, [1 / count] * count, size=_DRAWS) @ blocks, bins)


def _p95(counts: Floats, bins: Bins) -> Floats:
    """Return the p95 of each row of counts, interpolated inside its bin."""
    summed = counts.cumsum(axis=1)
    wanted = 0.95 * summed[:, -1]
    column = (summed < wanted[:, None]).sum(axis=1)
    rows = np.arange(len(counts))
    inside = counts[rows, column]
    part = (wanted - (summed[rows, column] - inside)) / inside
    found: Floats = BIN_WIDTH ** (bins[column] + part)
    return found


def _seed(*parts: str) -> int:
    return int.from_bytes(hashlib.sha256("\n".join(parts).encode()).digest()[:8], "big")
