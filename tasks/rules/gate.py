"""The gate: may the next stage start?"""

from __future__ import annotations

from collections.abc import Sequence

from blocks.models.rules import Series, StabilityRule
from blocks.models.verdict import Judgement, Verdict, failed, inconclusive, passed
from tasks.rules.stability import judge_stability


def judge_gate(series: Sequence[Series], rule: StabilityRule) -> Judgement:
    """Judge all series of a stage together, at one level of significance (Holm's first step).

    The smallest p of m series has to be below significance / m; so with many series one of them does not
    alarm by chance.
    """
    if not series:
        return inconclusive("No series was found for the gate; wanted are p95 per endpoint, error rate and queues.")
    corrected = rule.model_copy(update={"significance": rule.significance / len(series)})
    judged = [judge_stability(item, corrected) for item in series]
    bad = [item.detail for item in judged if item.verdict is Verdict.FAIL]
    if bad:
        return failed(" ".join(bad))
    unknown = [item.detail for item in judged if item.verdict is Verdict.INCONCLUSIVE]
    if unknown:
        return inconclusive(" ".join(unknown))
    return passed(f"{len(judged)} series flat over {rule.window_s:g} s")
