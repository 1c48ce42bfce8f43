"""Whether the metrics that a run relies on exist under the names that are configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from difflib import get_close_matches

from blocks.models.rules import GuardRule, Metric
from blocks.models.settings import MetricNames
from blocks.models.verdict import Judgement, failed, passed

# difflib's own default: this alike is worth showing.
_NEAR = 0.6
# Before the first load a name is only wrong for sure when it is almost another one.
_ALMOST = 0.85
_ALWAYS = ("http_duration", "http_requests", "iteration_duration", "vus")
_OF_RULES: dict[Metric, tuple[str, ...]] = {
    "queue_depth": ("queue_jobs",),
    "container_cpu_ratio": ("container_cpu", "machine_cores"),
    "ws_handshake_success": ("ws_sessions", "ws_connecting"),
}


def wanted_names(rules: Sequence[GuardRule], names: MetricNames) -> dict[str, str]:
    """Return the metrics a ramp with these rules relies on, by the field of ``MetricNames``.

    Quota and period are not among them: they exist only where a container has a limit.
    """
    fields = [*_ALWAYS, *(field for rule in rules for field in _OF_RULES.get(rule.metric, ()))]
    return {field: getattr(names, field) for field in dict.fromkeys(fields)}


def judge_metric_names(known: AbstractSet[str], wanted: Mapping[str, str], *, loaded: bool) -> Judgement:
    """Judge the configured names by what Prometheus knows.

    Args:
        known: all names of Prometheus.
        wanted: name by field of ``MetricNames``.
        loaded: whether the system runs and k6 has put load on it: then every name has to be known. Before, only
            a name that is almost a known one fails.
    """
    missing = {field: name for field, name in wanted.items() if name not in known}
    near = {
        name: get_close_matches(name, sorted(known), n=3, cutoff=_NEAR if loaded else _ALMOST)
        for name in missing.values()
    }
    wrong = [
        f"{field} is '{name}'" + (f" (near: {', '.join(near[name])})" if near[name] else "")
        for field, name in missing.items()
        if loaded or near[name]
    ]
    if wrong:
        return failed(
            f"Prometheus knows {len(known)} metrics and not these of the environment's metrics: {'; '.join(wrong)}. "
            "Set the names as Prometheus has them."
        )
    later = f"; not there yet: {', '.join(missing.values())}" if missing else ""
    return passed(f"{len(wanted) - len(missing)} of {len(wanted)} metric names are known to Prometheus{later}")
