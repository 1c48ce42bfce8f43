"""Judging the smoke test by what k6, Prometheus and Jaeger said of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from blocks.models.record import TraceId
from blocks.models.rules import ExpectedException
from blocks.models.verdict import Judgement, failed, inconclusive, passed

# k6's exit code for crossed thresholds (facts on k6).
_THRESHOLDS = 99
# What stands before the operator in a threshold: avg, min, med, max, p(95), rate, count, value.
_AGGREGATE = re.compile(r"[a-z]+(\([\d.]+\))?")

Metrics = Mapping[str, Mapping[str, Any]]
"""``metrics`` of k6's --summary-export."""


def judge_exit(code: int, error: str, metrics: Metrics) -> Judgement:
    """Judge k6's exit code; crossed thresholds are named with what was observed."""
    if code == 0:
        return passed("k6 ended with exit code 0")
    why = error or "see k6.log"
    if code == _THRESHOLDS:
        why = f"thresholds of the script were crossed: {'; '.join(_crossed(metrics)) or 'see k6.log'}"
    return failed(f"k6 ended with exit code {code}: {why}; wanted is 0.")


def _crossed(metrics: Metrics) -> list[str]:
    """Return the crossed thresholds; --summary-export says true of a threshold that was crossed."""
    return [
        f"{name} {limit} (observed {_observed(metric, limit)})"
        for name, metric in metrics.items()
        for limit, crossed in metric.get("thresholds", {}).items()
        if crossed
    ]


def _observed(metric: Mapping[str, Any], limit: str) -> str:
    """Return the value a threshold judges: ``p(95)<200`` is about ``p(95)``; a rate's and a gauge's is ``value``."""
    aggregate = _AGGREGATE.match(limit.strip())
    value = metric.get(aggregate.group() if aggregate else "", metric.get("value"))
    return "a value the summary does not hold" if value is None else f"{value:.4g}"


def judge_scenarios(metrics: Metrics, wanted: Sequence[str]) -> Judgement:
    """Judge whether every scenario did at least one iteration."""
    counts = {name: int(metrics.get(f"iterations{{scenario:{name}}}", {}).get("count", 0)) for name in wanted}
    idle = [name for name, count in counts.items() if count == 0]
    if idle:
        return failed(f"{', '.join(idle)} did not run; wanted are iterations of {', '.join(wanted)}.")
    return passed(", ".join(f"{name} {count} iterations" for name, count in counts.items()))


def judge_users_seen(seen: float | None, wanted: int) -> Judgement:
    """Judge the most virtual users Prometheus saw."""
    if seen is None:
        return inconclusive(
            "Prometheus has no k6_vus of the smoke; does the load generator reach its remote-write receiver?"
        )
    if round(seen) != wanted:
        return failed(f"Prometheus saw {seen:g} virtual users at most; wanted are {wanted}.")
    return passed(f"Prometheus saw {seen:g} virtual users")


def judge_traffic(rates: Mapping[str, float], wanted: Sequence[str]) -> Judgement:
    """Judge whether every service served requests."""
    if not rates:
        return inconclusive("Prometheus has no span metrics; are the services' spans exported and turned into metrics?")
    idle = [name for name in wanted if not rates.get(name)]
    if idle:
        return failed(
            f"{', '.join(idle)} served no request during the smoke; wanted is traffic on {', '.join(wanted)}."
        )
    return passed(", ".join(f"{name} {rates[name]:.1f}/s" for name in wanted))


def judge_trace(trace: TraceId) -> Judgement:
    """Judge whether a slow request's trace opens with the system's spans."""
    if not trace.verified:
        return failed(f"Trace {trace.id} was found by search but does not open with the system's spans.")
    return passed(f"{trace.id} opens: {trace.why}")


def judge_signin(metrics: Metrics, limit_ms: float) -> Judgement:
    """Judge sign-in p95 against its limit."""
    p95 = _p95(metrics, "signin")
    if p95 is None:
        return inconclusive("k6's summary has no p95 of sign-in; does the script name the scenario signin?")
    said = f"sign-in p95 {p95:.0f} ms, limit < {limit_ms:g} ms"
    return passed(said) if p95 < limit_ms else failed(said)


def judge_exceptions(metrics: Metrics, exceptions: Sequence[ExpectedException]) -> Judgement:
    """Record known exceptions; they never block."""
    if not exceptions:
        return passed("no exceptions are expected")
    said = []
    for exception in exceptions:
        p95 = _p95(metrics, exception.endpoint)
        if p95 is None:
            return inconclusive(f"k6's summary has no p95 of {exception.endpoint}, for which an exception is expected.")
        met = "known exception" if p95 >= exception.p95_ms else "below the exception's limit"
        said.append(f"{exception.endpoint} p95 {p95:.0f} ms, {met} (from {exception.p95_ms:g} ms): {exception.reason}")
    return passed("; ".join(said))


def smoke_numbers(metrics: Metrics) -> dict[str, str]:
    """Return the smoke's numbers as the team's report words them; what k6 did not write is not there."""
    p95 = {
        name: _p95(metrics, scenario)
        for name, scenario in (("sign in", "signin"), ("bet", "bet"), ("history", "history"))
    }
    p95["ws handshake"] = metrics.get("ws_connecting", {}).get("p(95)")
    found = {f"{name} p95": f"{value:.0f} ms" for name, value in p95.items() if value is not None}
    failures, users = metrics.get("http_req_failed", {}).get("value"), metrics.get("vus_max", {}).get("max")
    if failures is not None:
        found["error rate"] = f"{failures:.2%}"
    if users is not None:
        found["peak vus"] = f"{users:g}"
    return found


def _p95(metrics: Metrics, scenario: str) -> float | None:
    value = metrics.get(f"http_req_duration{{scenario:{scenario}}}", {}).get("p(95)")
    return None if value is None else float(value)
