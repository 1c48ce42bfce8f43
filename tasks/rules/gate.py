"""The gate: may the next stage start?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blocks.models.rules import Series, StabilityRule
from blocks.models.verdict import Judgement, Verdict, failed, inconclusive, passed
from tasks.rules.significance import holm
from tasks.rules.stability import Drift, judge_drift, measure_drift

# As a level of virtual users counts as reached with 99 % of them.
_MOST_DROPPED = 0.01


def judge_gate(series: Sequence[Series], rule: StabilityRule) -> Judgement:
    """Judge all series of a stage together, at one level of significance: with many series none alarms by chance.

    The p-values are adjusted after Holm for the number of series that have enough points.
    """
    if not series:
        return inconclusive("No series was found for the gate; wanted are p95 per endpoint, error rate and queues.")
    measured = [measure_drift(item, rule) for item in series]
    adjusted = iter(holm([item.p_value for item in measured if isinstance(item, Drift)]))
    judged = [judge_drift(item, next(adjusted), rule) if isinstance(item, Drift) else item for item in measured]
    bad = [item.detail for item in judged if item.verdict is Verdict.FAIL]
    if bad:
        return failed(" ".join(bad))
    unknown = [item.detail for item in judged if item.verdict is Verdict.INCONCLUSIVE]
    if unknown:
        return inconclusive(" ".join(unknown))
    return passed(f"{len(judged)} series flat over {rule.window_s:g} s")


def judge_rate(dropped: Mapping[str, float]) -> Judgement:
    """Judge whether the load generators delivered an arrival rate: flat at a lower one says nothing of the stage.

    Args:
        dropped: the part of its iterations that k6 dropped, by scenario, 0 to 1.
    """
    if not dropped:
        return inconclusive(
            "Prometheus has no iterations of the stage; wanted are those k6 ended and those it dropped."
        )
    scenario, most = max(dropped.items(), key=lambda item: item[1])
    if most > _MOST_DROPPED:
        return inconclusive(
            f"k6 dropped {most:.1%} of the iterations of '{scenario}', limit {_MOST_DROPPED:.0%}: the load generators did not "
            "deliver the rate; give the scenario more maxVUs, or take the stage as one the system is too slow for."
        )
    return passed(f"k6 dropped at most {most:.1%} of a scenario's iterations")
