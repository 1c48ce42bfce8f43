"""When the virtual users of a stage are there, as a real Prometheus has them."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from http.server import BaseHTTPRequestHandler
from threading import Thread

import httpx
import pytest

from blocks.models.load import Level, LoadPlan, Segment
from tasks.load import wait_for_level
from tasks.metrics import read_most_users
from tasks.run import Run
from tasks.watch import LoadWatch
from tests.integration.grafana.remote_write import Series, push
from tests.integration.serving import serving

pytestmark = pytest.mark.integration

_SEGMENT = Segment(index=2, stage=1, loadgen=0, start=Fraction(0), end=Fraction(1), rise_s=0.0, amounts={"bet": 10})


@pytest.fixture
def watch() -> LoadWatch:
    """A stage of ten virtual users that is risen to."""
    level = Level(number=1, amounts={"bet": 10}, rise_s=0.0, hold_s=0.0)
    plan = LoadPlan(unit="vus", levels=(level,), scenarios=(), thresholds={}, tags={}, other={})
    watch = LoadWatch(loadgens=(), plan=plan, segments=(_SEGMENT,))
    watch.enter_stage(1)
    watch.expect(_SEGMENT)
    return watch


def _users(prometheus: str, run: Run, instance: str, users: float) -> None:
    labels = {"__name__": run.environment.metrics.vus, "run_id": run.id, "instance": instance}
    push(prometheus, [Series(labels, [(int(time.time() * 1000), users)])])


def _against(run: Run, url: str) -> Run:
    observability = run.environment.observability.model_copy(update={"monitoring_url": url})
    return replace(run, environment=run.environment.model_copy(update={"observability": observability}))


def test_a_query_that_fails_is_asked_again(run: Run, prometheus: str, watch: LoadWatch) -> None:
    _users(prometheus, run, _SEGMENT.name, 10)
    asked: list[str] = []

    class Restarting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if len(asked) == 1:
                self.send_error(503)
                return
            body = httpx.get(f"{prometheus}{self.path}").content
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Restarting) as url:
        assert wait_for_level(_against(run, url), watch, 1) is not None
    assert len(asked) == 2


def test_the_users_of_a_k6_that_was_killed_do_not_count(run: Run, prometheus: str, watch: LoadWatch) -> None:
    _users(prometheus, run, "segment-01", 10)
    _users(prometheus, run, _SEGMENT.name, 4)
    reached: list[datetime | None] = []
    ramp = Thread(target=lambda: reached.append(wait_for_level(run, watch, 1)))
    ramp.start()
    ramp.join(3)
    assert ramp.is_alive()
    _users(prometheus, run, _SEGMENT.name, 10)
    ramp.join(10)
    assert len(reached) == 1
    assert reached[0] is not None


def test_a_smoke_test_counts_its_own_users_only(run: Run, prometheus: str) -> None:
    _users(prometheus, run, "segment-01", 100)
    _users(prometheus, run, "smoke-2", 50)
    now = datetime.now(UTC)
    assert read_most_users.fn(run, "smoke-2", now, now + timedelta(seconds=2)) == 50
    assert read_most_users.fn(run, "smoke-3", now, now + timedelta(seconds=2)) is None
