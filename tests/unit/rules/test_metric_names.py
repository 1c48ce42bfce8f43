"""Whether configured names of metrics are judged by what Prometheus knows."""

from __future__ import annotations

from blocks.models.rules import DEFAULT_GUARD_RULES
from blocks.models.settings import MetricNames
from blocks.models.verdict import Verdict
from tasks.rules.metric_names import judge_metric_names, wanted_names

_NAMES = MetricNames()
_ALL = frozenset(wanted_names(DEFAULT_GUARD_RULES, _NAMES).values())


def test_all_known_names_pass() -> None:
    judgement = judge_metric_names(_ALL, wanted_names(DEFAULT_GUARD_RULES, _NAMES), loaded=True)
    assert (judgement.verdict, judgement.detail) == (Verdict.PASS, "9 of 9 metric names are known to Prometheus")


def test_a_rule_wants_the_metrics_it_looks_at_and_no_others() -> None:
    assert set(wanted_names((), _NAMES)) == {"http_duration", "http_requests", "iteration_duration", "vus"}
    queue = [rule for rule in DEFAULT_GUARD_RULES if rule.metric == "queue_depth"]
    assert "queue_jobs" in wanted_names(queue, _NAMES)
    assert "ws_sessions" not in wanted_names(queue, _NAMES)


def test_an_unknown_name_fails_with_near_names() -> None:
    names = _NAMES.model_copy(update={"queue_jobs": "bullmq_jobs"})
    judgement = judge_metric_names(_ALL, wanted_names(DEFAULT_GUARD_RULES, names), loaded=True)
    assert judgement.verdict is Verdict.FAIL
    assert "queue_jobs is 'bullmq_jobs' (near: bullmq_queue_jobs)" in judgement.detail


def test_after_the_smoke_a_name_without_a_near_one_fails_too() -> None:
    judgement = judge_metric_names(_ALL - {_NAMES.queue_jobs}, {"queue_jobs": _NAMES.queue_jobs}, loaded=True)
    assert judgement.verdict is Verdict.FAIL
    assert "queue_jobs is 'bullmq_queue_jobs'. Set" in judgement.detail


def test_before_the_first_load_names_may_be_missing_but_not_misspelt() -> None:
    wanted = wanted_names(DEFAULT_GUARD_RULES, _NAMES)
    system = frozenset(name for name in _ALL if not name.startswith("k6_"))
    judgement = judge_metric_names(system, wanted, loaded=False)
    assert judgement.verdict is Verdict.PASS
    assert "3 of 9 metric names" in judgement.detail
    assert judge_metric_names(frozenset(), wanted, loaded=False).verdict is Verdict.PASS
    misspelt = judge_metric_names(system, {"queue_jobs": "bullmq_queue_job"}, loaded=False)
    assert misspelt.verdict is Verdict.FAIL


def test_no_metric_at_all_fails_after_the_smoke() -> None:
    assert judge_metric_names(frozenset(), {"vus": "k6_vus"}, loaded=True).verdict is Verdict.FAIL
