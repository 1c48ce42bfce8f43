"""One look of the guard at a real k6, through a real Prometheus and a real sshd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blocks.models.rules import GuardRule
from tasks.clients.loadgen import LoadGenerator
from tasks.limits import Limits
from tasks.run import Run

from .conftest import System, look_until, start_k6

pytestmark = pytest.mark.integration

# A busy machine answers a healthy sign-in in hundreds of milliseconds.
_SIGNIN = GuardRule(name="sign-in p95", metric="p95_ms", scope="signin", limit=1000.0, window_s=5.0)
_ERRORS = GuardRule(name="error rate", metric="error_rate", limit=0.05, window_s=5.0)
_BETS = GuardRule(name="bet errors", metric="error_rate", scope="bet", limit=0.05, window_s=5.0)


@pytest.fixture
def limits(run: Run, loadgen: LoadGenerator, system: System) -> Iterator[Limits]:
    """Limits of a load that is on and healthy."""
    start_k6(loadgen, run, system)
    made = Limits(run, (_SIGNIN, _ERRORS, _BETS), (loadgen,))
    with made.asking():
        look_until(made, lambda look: "segment-01" in look.seen_s, "k6 is seen")
        healthy = look_until(made, lambda look: (look.users or {}).get("segment-01") == 10, "its users are seen")
        assert (healthy.breach, healthy.inconclusive, healthy.failures) == (None, None, ())
        yield made


def test_a_healthy_load_is_no_breach_and_the_load_generator_is_read(limits: Limits, loadgen: LoadGenerator) -> None:
    read = look_until(
        limits, lambda look: any(reading.lag_ms is not None for reading in look.saturation), "lag and CPU are read"
    )
    assert read.breach is None
    reading = read.saturation[0]
    assert reading.loadgen == loadgen.host.address
    assert reading.cpu_busy is not None
    assert 0 < reading.cpu_busy <= 1
    assert reading.run_queue_share is not None
    assert 0 <= reading.run_queue_share <= 1


def test_a_slow_endpoint_crosses_its_own_limit(limits: Limits, system: System) -> None:
    system.delay_s["/signin"] = 1.5
    found = look_until(limits, lambda look: look.breach is not None, "sign-in is slow").breach
    assert found is not None
    assert (found.rule, found.limit) == ("sign-in p95", "> 1000 ms")


def test_refused_requests_cross_the_error_rate(limits: Limits, system: System) -> None:
    system.status = 500
    found = look_until(limits, lambda look: look.breach is not None, "requests are refused").breach
    assert found is not None
    # Both rules see it; which of them is asked first after the window filled is a matter of milliseconds.
    assert found.rule in {"error rate", "bet errors"}
    assert found.limit == "> 5.0%"


def test_a_system_that_answers_nothing_at_all_is_not_healthy(limits: Limits, system: System) -> None:
    system.answering.clear()
    found = look_until(limits, lambda look: look.breach is not None, "there are no numbers").breach
    assert found is not None
    assert found.rule.startswith("no data: ")
    # Which of the two depends on whether k6 still sends its unchanged counters.
    assert found.observed.startswith(("no series for ", "only NaN for "))


def test_k6_that_is_gone_is_not_seen_any_more(limits: Limits, loadgen: LoadGenerator) -> None:
    loadgen.interrupt()
    found = look_until(limits, lambda look: look.breach is not None, "there are no numbers").breach
    assert found is not None
    assert found.observed.startswith("no series for ")
    limits.reset()
    assert look_until(limits, lambda look: look.users is not None, "a new answer").seen_s == {}


def test_a_prometheus_that_does_not_answer_is_a_failed_query(run: Run, loadgen: LoadGenerator) -> None:
    away = run.environment.model_copy(
        update={
            "observability": run.environment.observability.model_copy(update={"monitoring_url": "http://127.0.0.1:9"})
        }
    )
    limits = Limits(Run(run.id, "test", "test", away, run.profile), (_SIGNIN,), (loadgen,))
    with limits.asking():
        first = look_until(limits, lambda look: bool(look.failures), "the queries fail")
        assert (first.breach, first.seen_s, first.users) == (None, {}, None)
        assert all("did not answer" in failure for failure in first.failures)
        found = look_until(limits, lambda look: look.breach is not None, "it has failed for long").breach
    assert found is not None
    assert found.rule == "query failed: sign-in p95"
    assert found.limit == "an answer at least every 5 s"


def test_a_query_that_prometheus_refuses_is_a_failed_query(run: Run, loadgen: LoadGenerator) -> None:
    broken = run.environment.model_copy(
        update={"metrics": run.environment.metrics.model_copy(update={"queue_jobs": "no metric"})}
    )
    rule = GuardRule(name="queue", metric="queue_depth", limit=10)
    limits = Limits(Run(run.id, "test", "test", broken, run.profile), (rule,), (loadgen,))
    with limits.asking():
        failed = look_until(limits, lambda look: bool(look.failures), "a query fails")
    assert any("parse error" in failure for failure in failed.failures)


def test_after_a_reset_the_wait_for_answers_begins_anew(run: Run, loadgen: LoadGenerator) -> None:
    """Nobody asks here: it is as if every query hung."""
    limits = Limits(run, (_SIGNIN,), (loadgen,))
    assert limits.look(0.0, 0.0).breach is None
    found = limits.look(11.0, 0.0).breach
    assert found is not None
    assert (found.rule, found.observed) == ("query failed: sign-in p95", "no answer for 11 s")
    limits.reset()
    assert limits.look(11.0, 0.0).breach is None
