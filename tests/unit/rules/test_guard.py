"""When a limit counts as crossed."""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from blocks.models.breach import Breached
from blocks.models.rules import DEFAULT_GUARD_RULES, GuardRule, Metric
from blocks.models.triage import Saturation, TriageRules
from blocks.models.verdict import Verdict
from tasks.rules.guard import Answered, Found, Reading, RuleWatch, SaturationWatch, crossings, what_stops


def _rule(**more: Any) -> GuardRule:
    return GuardRule(**{"name": "sign-in p95", "metric": "p95_ms", "scope": "signin", "limit": 500.0, **more})


def _reading(value: float, **labels: str) -> Reading:
    return Reading(labels=labels, value=value)


def test_a_value_on_the_limit_does_not_cross_it() -> None:
    assert crossings(_rule(), [_reading(500.0, scenario="signin")], {}, 0.0) == ({}, ())


def test_a_crossing_quotes_the_value_and_the_limit() -> None:
    since, found = crossings(_rule(), [_reading(612.4, scenario="signin")], {}, 7.0)
    assert since == {"signin": 7.0}
    assert [(item.rule, item.observed, item.limit, item.since_s) for item in found] == [
        ("sign-in p95", "612 ms", "> 500 ms", 7.0)
    ]


@pytest.mark.parametrize(
    ("metric", "limit", "value", "observed"),
    [
        ("p95_ms", 500.0, 500.3, "500.3 ms"),
        ("p95_ms", 500.0, 500.04, "500.04 ms"),
        ("error_rate", 0.05, 0.0503, "5.03%"),
    ],
)
def test_a_value_just_over_the_limit_is_not_written_as_the_limit(
    metric: Metric, limit: float, value: float, observed: str
) -> None:
    _, found = crossings(_rule(metric=metric, scope="", limit=limit), [_reading(value)], {}, 0.0)
    assert [item.observed for item in found] == [observed]


def test_who_is_asked_reads_each_limit_with_its_unit_and_for_how_long_it_may_be_crossed() -> None:
    cpu = _rule(name="CPU", metric="container_cpu_ratio", scope="", limit=0.98, for_s=60.0)
    assert what_stops((_rule(), cpu)) == "The guard stops all load on: sign-in p95 > 500 ms; CPU > 98.0% for 60 s."


def test_another_endpoint_is_out_of_scope() -> None:
    assert crossings(_rule(), [_reading(900.0, scenario="bet"), _reading(900.0)], {}, 0.0) == ({}, ())


def test_a_rule_without_a_scope_names_the_subject_it_saw() -> None:
    rule = GuardRule(name="container CPU", metric="container_cpu_ratio", limit=0.98)
    _, found = crossings(rule, [_reading(0.99, name="api"), _reading(0.5, name="db")], {}, 0.0)
    assert [(item.rule, item.subject, item.observed) for item in found] == [("container CPU (api)", "api", "99.0%")]


def test_a_rule_with_a_duration_waits_for_it_from_the_first_crossing() -> None:
    rule = _rule(for_s=60.0)
    since: dict[str, float] = {}
    seen = []
    for now in (100.0, 130.0, 159.9, 160.0):
        since, found = crossings(rule, [_reading(700.0, scenario="signin")], since, now)
        seen.append(len(found))
    assert seen == [0, 0, 0, 1]
    assert since == {"signin": 100.0}
    assert found[0].limit == "> 500 ms for 60 s"


def test_a_value_back_below_the_limit_starts_the_wait_anew() -> None:
    rule = _rule(for_s=60.0)
    since, _ = crossings(rule, [_reading(700.0, scenario="signin")], {}, 0.0)
    since, _ = crossings(rule, [_reading(400.0, scenario="signin")], since, 30.0)
    assert since == {}
    assert crossings(rule, [_reading(700.0, scenario="signin")], since, 61.0) == ({"signin": 61.0}, ())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_neither_crosses_nor_clears(value: float) -> None:
    rule = _rule(for_s=60.0)
    assert crossings(rule, [_reading(value, scenario="signin")], {}, 0.0) == ({}, ())
    since, found = crossings(rule, [_reading(value, scenario="signin")], {"signin": 0.0}, 90.0)
    assert (since, found) == ({"signin": 0.0}, ())
    _, found = crossings(rule, [_reading(700.0, scenario="signin")], since, 91.0)
    assert len(found) == 1


def test_a_lower_limit_is_crossed_from_below() -> None:
    rule = GuardRule(name="handshakes", metric="ws_handshake_success", operator="<", limit=0.95)
    assert crossings(rule, [_reading(0.95)], {}, 0.0)[1] == ()
    _, found = crossings(rule, [_reading(0.9)], {}, 0.0)
    assert [(item.rule, item.observed, item.limit) for item in found] == [("handshakes", "90.0%", "< 95.0%")]


def test_each_subject_waits_for_itself() -> None:
    rule = GuardRule(name="queue", metric="queue_depth", limit=100, for_s=10)
    since, _ = crossings(rule, [_reading(150, queue="bets")], {}, 0.0)
    since, found = crossings(rule, [_reading(150, queue="bets"), _reading(150, queue="mail")], since, 10.0)
    assert [(item.subject, item.observed) for item in found] == [("bets", "150 jobs")]
    assert since == {"bets": 0.0, "mail": 10.0}


def test_the_default_rules_are_the_checklists_abort_criteria_and_two_of_ours() -> None:
    assert [(rule.metric, rule.operator, rule.limit, rule.window_s, rule.for_s) for rule in DEFAULT_GUARD_RULES] == [
        ("p95_ms", ">", 500.0, 10.0, 0.0),
        ("error_rate", ">", 0.05, 10.0, 0.0),
        ("container_cpu_ratio", ">", 0.98, 15.0, 60.0),
        ("queue_depth", ">", 1000.0, 10.0, 30.0),
        ("ws_handshake_success", "<", 0.9, 20.0, 5.0),
    ]


def test_a_reading_that_is_missing_does_not_clear_a_crossing() -> None:
    rule = _rule(for_s=60.0)
    since, _ = crossings(rule, [_reading(700.0, scenario="signin")], {}, 0.0)
    since, found = crossings(rule, [], since, 30.0)
    assert (since, found) == ({"signin": 0.0}, ())


class _Watched:
    """A rule that is looked at once a second with a blind limit of 15 s, in a stage that began at 0."""

    def __init__(self, rule: GuardRule) -> None:
        self.watch = RuleWatch(rule, 15.0)
        self.now_s = 0.0

    def look(self, answered: Answered, times: int = 1, loaded: Collection[str] | None = None) -> Found:
        for _ in range(times):
            found = self.watch.judge(answered, self.now_s, 0.0, loaded)
            self.now_s += 1.0
        return found

    def until_breach(self, answered: Answered, loaded: Collection[str] | None = None) -> tuple[float, Breached]:
        while (breach := self.look(answered, loaded=loaded).breach) is None:
            assert self.now_s < 1000, "never a breach"
        return self.now_s - 1, breach


_GOOD = Answered(readings=(_reading(90.0, scenario="signin"),))
_EMPTY, _NAN, _FAILED = (
    Answered(), Answered(readings=(_reading(math.nan, scenario="signin"),)), Answered(failure="Prometheus did not answer")
)  # fmt: skip


@pytest.mark.parametrize(
    ("answered", "rule", "observed"),
    [
        (_EMPTY, "no data: sign-in p95", "no series for 16 s"),
        (_NAN, "no data: sign-in p95", "only NaN for 16 s"),
        (_FAILED, "query failed: sign-in p95", "Prometheus did not answer"),
    ],
)
def test_numbers_that_stay_away_are_a_breach_and_say_how(answered: Answered, rule: str, observed: str) -> None:
    watched = _Watched(_rule())
    assert watched.look(_GOOD, 5).breach is None
    at_s, breach = watched.until_breach(answered)
    assert (at_s, breach.rule, breach.observed) == (20.0, rule, observed)


def test_a_single_number_in_between_begins_the_wait_anew() -> None:
    watched = _Watched(_rule())
    for _ in range(5):
        assert watched.look(_GOOD).breach is None
        assert watched.look(_EMPTY, 15).breach is None


def test_failures_that_become_no_series_count_on() -> None:
    watched = _Watched(_rule())
    watched.look(_GOOD)
    assert watched.look(_FAILED, 10).breach is None
    at_s, breach = watched.until_breach(_EMPTY)
    assert (at_s, breach.rule) == (16.0, "no data: sign-in p95")


def test_what_never_had_a_number_gets_its_window_more() -> None:
    at_s, breach = _Watched(_rule(window_s=20.0)).until_breach(_EMPTY)
    assert (at_s, breach.observed, breach.limit) == (36.0, "no series for 36 s", "a number at least every 35 s")
    at_s, breach = _Watched(_rule(window_s=20.0)).until_breach(_FAILED)
    assert (at_s, breach.rule) == (16.0, "query failed: sign-in p95")


def test_numbers_of_another_endpoint_are_no_numbers() -> None:
    other = Answered(readings=(_reading(90.0, scenario="bet"),))
    watched = _Watched(_rule())
    watched.look(_GOOD)
    assert watched.until_breach(other)[1].rule == "no data: sign-in p95"


@pytest.mark.parametrize(
    ("metric", "label"), [("queue_depth", "queue"), ("container_cpu_ratio", "name"), ("p95_ms", "scenario")]
)
def test_one_subject_that_falls_silent_is_a_breach_although_the_others_report(metric: Metric, label: str) -> None:
    watched = _Watched(GuardRule(name="rule", metric=metric, limit=1000))
    one, other = _reading(0.2, **{label: "one"}), _reading(0.1, **{label: "other"})
    assert watched.look(Answered(readings=(one, other)), 5, ["one", "other"]).breach is None
    at_s, breach = watched.until_breach(Answered(readings=(other,)), ["one", "other"])
    assert (at_s, breach.rule, breach.observed) == (20.0, "no data: rule (one)", "no series for 16 s")


def test_one_endpoint_that_only_has_nan_is_a_breach_although_the_others_report() -> None:
    watched = _Watched(_rule(scope=""))
    signin, bet = _reading(90.0, scenario="signin"), _reading(10.0, scenario="bet")
    watched.look(Answered(readings=(signin, bet)), 5, ["signin", "bet"])
    at_s, breach = watched.until_breach(
        Answered(readings=(signin, _reading(math.nan, scenario="bet"))), ["signin", "bet"]
    )
    assert (at_s, breach.rule, breach.observed) == (20.0, "no data: sign-in p95 (bet)", "only NaN for 16 s")


def test_what_setup_asked_is_no_endpoint_that_falls_silent() -> None:
    watched = _Watched(_rule(scope=""))
    signin = _reading(90.0, scenario="signin")
    watched.look(Answered(readings=(signin, _reading(300.0))), 5, ["signin"])
    assert watched.look(Answered(readings=(signin,)), 60, ["signin"]).breach is None


def test_an_endpoint_without_load_may_be_silent_and_is_waited_for_when_it_has_load_again() -> None:
    watched = _Watched(_rule(scope=""))
    signin, bet = _reading(90.0, scenario="signin"), _reading(10.0, scenario="bet")
    watched.look(Answered(readings=(signin, bet)), 5, ["signin", "bet"])
    assert watched.look(Answered(readings=(bet,)), 60, ["bet"]).breach is None
    at_s, breach = watched.until_breach(Answered(readings=(bet,)), ["signin", "bet"])
    assert (at_s, breach.rule) == (65 + 16, "no data: sign-in p95 (signin)")


def test_an_endpoint_that_was_away_long_waits_anew() -> None:
    watched = _Watched(_rule(scope="", limit=100, for_s=30))
    signin, bet = _reading(150.0, scenario="signin"), _reading(10.0, scenario="bet")
    both = Answered(readings=(signin, bet))
    watched.look(both, 10, ["signin", "bet"])
    watched.look(Answered(readings=(bet,)), 40, ["bet"])
    assert watched.look(both, 30, ["signin", "bet"]).breach is None
    assert watched.look(both, 1, ["signin", "bet"]).breach is not None


def test_the_endpoint_of_a_rule_may_be_silent_without_load() -> None:
    watched = _Watched(_rule())
    assert watched.look(_EMPTY, 60, ["bet"]).breach is None
    assert watched.look(_EMPTY, 60, []).breach is None


_HANDSHAKES = GuardRule(name="handshakes", metric="ws_handshake_success", operator="<", limit=0.9, window_s=20.0)


@pytest.mark.parametrize("rule", [_rule(scope="ws", window_s=20.0), _HANDSHAKES])
def test_what_gets_load_late_is_waited_for_from_then_on(rule: GuardRule) -> None:
    watched = _Watched(rule)
    assert watched.look(_EMPTY, 100, ["signin"]).breach is None
    at_s, breach = watched.until_breach(_EMPTY, ["signin", "ws"])
    assert (at_s, breach.rule, breach.observed) == (99 + 36, f"no data: {rule.name}", "no series for 36 s")


def test_handshakes_may_be_silent_without_load_and_not_with_it() -> None:
    watched, accepted = _Watched(_HANDSHAKES), Answered(readings=(_reading(1.0),))
    watched.look(accepted, 5, ["signin", "ws"])
    assert watched.look(_EMPTY, 60, ["signin"]).breach is None
    assert watched.until_breach(_EMPTY, ["signin", "ws"])[0] == 65 + 16


def test_while_no_answer_comes_the_last_one_grows_old() -> None:
    watch = RuleWatch(_rule(), 15.0)
    watch.judge(_GOOD, 5.0, 0.0)
    assert watch.missing(20.0) is None
    assert watch.missing(21.0) == Breached(
        "query failed: sign-in p95", "no answer for 16 s", "an answer at least every 15 s"
    )


def test_an_answer_from_before_the_stage_does_not_end_a_crossing() -> None:
    watch = RuleWatch(_rule(for_s=10.0), 15.0)
    slow = Answered(readings=(_reading(900.0, scenario="signin"),))
    assert watch.judge(slow, 0.0, 0.0).breach is None
    assert watch.judge(slow, 9.0, 9.5).breach is None
    assert watch.judge(slow, 10.0, 9.5).breach is not None


def test_an_expected_crossing_is_noted_once_and_no_breach() -> None:
    rule = GuardRule(name="p95", metric="p95_ms", limit=100, expected={"bet": "the draw is slow"})
    watched = _Watched(rule)
    slow = Answered(readings=(_reading(140.0, scenario="bet"), _reading(20.0, scenario="signin")))
    found = watched.look(slow)
    assert (found.breach, found.noted) == (None, ("p95 (bet) is 140 ms, limit > 100 ms; expected: the draw is slow",))
    assert watched.look(slow) == Found()
    other = watched.look(Answered(readings=(*slow.readings, _reading(120.0, scenario="signin"))))
    assert other.breach == Breached("p95 (signin)", "120 ms", "> 100 ms")


def test_a_rule_that_settles_is_not_applied_at_a_stages_start() -> None:
    watch = RuleWatch(_rule(settle_s=10.0), 15.0)
    slow = Answered(readings=(_reading(900.0, scenario="signin"),))
    assert watch.judge(slow, 100.0, 95.0).breach is None
    assert watch.judge(slow, 105.0, 95.0).breach == Breached("sign-in p95", "900 ms", "> 500 ms")
    assert watch.judge(slow, 106.0, 105.5).breach is None


def _saturation(second: float, loadgen: str = "10.0.0.1", **more: Any) -> Saturation:
    values = {"cpu_busy": 0.97, "lag_ms": 60.0, "run_queue_share": 0.8, **more}
    return Saturation(loadgen=loadgen, at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second), **values)


def _first_breach(**more: Any) -> tuple[float, Breached] | None:
    watch = SaturationWatch(TriageRules())
    for second in range(0, 60, 2):
        if breach := watch.judge(_saturation(second, **more)):
            return float(second), breach
    return None


def test_a_saturated_load_generator_is_named_and_inconclusive() -> None:
    found = _first_breach()
    assert found is not None
    assert found[0] == 4
    assert found[1] == Breached(
        "load generator 10.0.0.1 is saturated",
        "iterations end 60 ms late, CPU busy 97%, k6 waiting for a CPU 80%",
        "20 ms with CPU 90% or waiting 70% in 3 of 4 readings",
        verdict=Verdict.INCONCLUSIVE,
    )


@pytest.mark.parametrize(
    "healthy",
    [
        {"lag_ms": 15.0},
        {"lag_ms": None},
        {"cpu_busy": 0.58, "run_queue_share": 0.48},
        {"cpu_busy": None, "run_queue_share": None},
    ],
)
def test_a_busy_cpu_or_late_iterations_alone_are_no_saturation(healthy: dict[str, float | None]) -> None:
    assert _first_breach(**healthy) is None


@pytest.mark.parametrize("sign", [{"cpu_busy": 0.58}, {"run_queue_share": 0.0}, {"cpu_busy": None}])
def test_one_sign_of_a_busy_cpu_is_enough(sign: dict[str, float | None]) -> None:
    assert _first_breach(**sign) is not None


def _verdicts(*lags: float) -> list[bool]:
    watch = SaturationWatch(TriageRules())
    return [watch.judge(_saturation(2 * number, lag_ms=lag)) is not None for number, lag in enumerate(lags)]


def test_most_of_the_last_readings_have_to_be_saturated() -> None:
    assert _verdicts(60, 1, 60, 1, 60, 1, 60, 1) == [False] * 8
    assert _verdicts(60, 60, 1, 60) == [False, False, False, True]
    assert _verdicts(60, 60, 60, 1) == [False, False, True, False]


def test_the_readings_of_a_load_generator_that_was_saturated_are_told_from_healthy_ones() -> None:
    """Lags measured with 2,500 virtual users on two cores, then beside six programs that compute."""
    healthy = [0.0, 4.7, 7.1, 0.0, 0.0, 1.4, 5.9]
    saturated = [0.0, 16.2, 256.3, 202.0, 34.7, 12.0, 491.5, 334.7, 33.9, 7.8]
    assert _verdicts(*healthy, *saturated).index(True) == len(healthy) + 4


def test_each_load_generator_is_judged_by_itself() -> None:
    watch = SaturationWatch(TriageRules())
    for second in range(0, 20, 2):
        own = watch.judge(_saturation(second))
        assert watch.judge(_saturation(second, "10.0.0.2", lag_ms=1.0)) is None
    assert own is not None
