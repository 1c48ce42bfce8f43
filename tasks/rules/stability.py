"""The two-minute rule: is a series flat over the look?

NOT flat when Theil-Sen slope x window > max(10 % of the median, floor) and a one-sided Mann-Kendall test says the
rise is no chance. The variance of the test is corrected for autocorrelation after Hamed and Rao (1998), because
neighbouring points of a latency series resemble each other and the plain test then alarms too often.

scipy.stats takes a second or two to import, and scipy imports it when it is first named: whoever refuses or tears down
does without.

As a command: ``python -m tasks.rules.stability < series.json``.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
import scipy
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from blocks.models.rules import Series, StabilityRule
from blocks.models.verdict import Judgement, Verdict, failed, inconclusive, passed

_SHOWN = {"ms": "{:.0f} ms", "ratio": "{:.4f}", "jobs": "{:.1f} jobs"}


def load_statistics() -> None:
    """Import now what a look computes with: it takes a second or two, which the first look does not wait for."""
    import_module("scipy.stats")


@dataclass(frozen=True)
class Drift:
    """What one look at a series measures."""

    seen: str
    """The drift and its limit, as the sentence of the verdict begins."""
    over: bool
    """Whether it drifts further than its limit."""
    p_value: float
    """One-sided: how likely such a rise is by chance."""


def judge_stability(series: Series, rule: StabilityRule) -> Judgement:
    """Judge one series over one look; the sentence quotes the observed drift and its limit."""
    measured = measure_drift(series, rule)
    return measured if isinstance(measured, Judgement) else judge_drift(measured, measured.p_value, rule)


def judge_drift(drift: Drift, p_value: float, rule: StabilityRule) -> Judgement:
    """Judge a drift.

    Args:
        drift: as it was measured.
        p_value: its own, or adjusted for the number of series that are judged together.
        rule: the rule.
    """
    if not drift.over:
        return passed(f"{drift.seen}: flat.")
    if p_value >= rule.significance:
        return passed(f"{drift.seen}, but no steady rise (p = {p_value:.3f}, limit {rule.significance:g}): flat.")
    return failed(f"{drift.seen}, rising steadily (p = {p_value:.3f}): not flat.")


def measure_drift(series: Series, rule: StabilityRule) -> Drift | Judgement:
    """Measure the drift of a series; an INCONCLUSIVE judgement when it has too few points."""
    times, values = _present(series)
    expected = max(len(series.points), 1)
    missing = 1 - len(values) / expected
    if len(values) < rule.min_points:
        return inconclusive(f"{series.name}: {len(values)} points, at least {rule.min_points} are needed to judge it.")
    if missing > rule.max_missing:
        return inconclusive(
            f"{series.name}: {missing:.0%} of the points are missing, at most {rule.max_missing:.0%} may be."
        )
    drift = float(scipy.stats.theilslopes(values, times).slope) * rule.window_s
    limit = max(rule.relative_drift * abs(float(np.median(values))), rule.floor(series.unit))
    shown = _SHOWN[series.unit]
    seen = f"{series.name}: drift {shown.format(drift)} over {rule.window_s:g} s, limit {shown.format(limit)}"
    return Drift(seen, drift > limit, rising_p_value(values))


def rising_p_value(values: Sequence[float]) -> float:
    """Return the one-sided p of a rise: Mann-Kendall with Hamed and Rao's correction for autocorrelation."""
    data = np.asarray(values, dtype=float)
    count = len(data)
    signs = np.sign(data[None, :] - data[:, None])
    score = float(np.triu(signs, 1).sum())
    _, ties = np.unique(data, return_counts=True)
    variance = (count * (count - 1) * (2 * count + 5) - float(np.sum(ties * (ties - 1) * (2 * ties + 5)))) / 18
    if score <= 0 or variance <= 0:
        return 1.0
    variance *= _autocorrelation_factor(data)
    return float(scipy.stats.norm.sf((score - 1) / math.sqrt(variance)))


def _autocorrelation_factor(data: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Return n/n* of Hamed and Rao, from the significant autocorrelations of the detrended ranks; never below 1."""
    count = len(data)
    index = np.arange(count, dtype=float)
    slope = float(scipy.stats.theilslopes(data, index).slope)
    ranks = scipy.stats.rankdata(data - slope * index)
    centred = ranks - ranks.mean()
    power = float(np.dot(centred, centred))
    if power == 0:
        return 1.0
    # 1.96: the two-sided 5 % point at which Hamed and Rao keep a lag.
    bound = 1.96 / math.sqrt(count)
    total = 0.0
    for lag in range(1, count - 2):
        correlation = float(np.dot(centred[:-lag], centred[lag:])) / power
        if abs(correlation) > bound:
            total += (count - lag) * (count - lag - 1) * (count - lag - 2) * correlation
    return max(1.0, 1 + 2 * total / (count * (count - 1) * (count - 2)))


def _present(series: Series) -> tuple[list[float], list[float]]:
    pairs = [(time, value) for time, value in series.points if value is not None and math.isfinite(value)]
    return [time for time, _ in pairs], [value for _, value in pairs]


class _Request(BaseModel):
    """What the command reads."""

    model_config = ConfigDict(extra="forbid")

    window_s: Annotated[float, Field(gt=0)]
    series: list[Series]

    @model_validator(mode="after")
    def _fixed_steps(self) -> _Request:
        for series in self.series:
            times = [time for time, _ in series.points]
            steps = {round(later - earlier, 3) for earlier, later in pairwise(times)}
            if len(steps) > 1 or any(not 1 <= step <= 10 for step in steps):  # noqa: PLR2004 - the documented range
                raise ValueError(f"the points of '{series.name}' are not at one fixed step of 1 to 10 s")
        return self


def main() -> int:
    """Judge the series on standard input; exit code 0 whenever judged, 2 for bad input."""
    try:
        request = _Request.model_validate(json.load(sys.stdin))
    except (ValueError, ValidationError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        seen = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}" if first else str(error)
        sys.stderr.write(
            f"The series cannot be read ({seen}); wanted is "
            '{"window_s":120,"series":[{"name":"…","unit":"ms|ratio|jobs","points":[[t_s,value],…]}]}.\n'
        )
        return 2
    rule = StabilityRule(window_s=request.window_s)
    judged = [(series.name, judge_stability(series, rule)) for series in request.series]
    verdicts = {judgement.verdict for _, judgement in judged}
    overall: Literal["PASS", "FAIL", "INCONCLUSIVE"] = (
        "FAIL"
        if Verdict.FAIL in verdicts
        else "INCONCLUSIVE"
        if not judged or Verdict.INCONCLUSIVE in verdicts
        else "PASS"
    )
    answer = {
        "verdict": overall,
        "series": [{"name": name, "verdict": item.verdict.value, "reason": item.detail} for name, item in judged],
    }
    sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
