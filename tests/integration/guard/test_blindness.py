"""The guard goes on seeing what answers, whoever else does not."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.load_profile import LoadProfile
from blocks.models.load import LoadPlan, Segment
from blocks.models.rules import GuardRule
from blocks.models.settings import SshAccess
from tasks.clients.hosts import Host
from tasks.clients.loadgen import LoadGenerator
from tasks.guard import watch_load
from tasks.limits import Limits, Look
from tasks.run import Run
from tasks.watch import LoadWatch
from tests.integration.hosts.conftest import LOCALHOST

from .conftest import System, start_k6, until

pytestmark = pytest.mark.integration

# A busy machine answers a healthy sign-in in hundreds of milliseconds.
_SIGNIN = GuardRule(name="sign-in p95", metric="p95_ms", scope="signin", limit=1000.0, window_s=5.0)
_SEGMENT = Segment(
    index=1, stage=1, loadgen=0, start=Fraction(0), end=Fraction(1), rise_s=0.0, amounts={"signin": 6, "bet": 4}
)


@pytest.fixture
def silent_prefect() -> Iterator[None]:
    """A Prefect that takes every connection and answers none."""
    with socket.create_server((LOCALHOST, 0)) as server:
        url = f"http://{LOCALHOST}:{server.getsockname()[1]}/api"
        with temporary_settings({PREFECT_API_URL: url}):
            yield


@dataclass
class Frozen:
    """A load generator whose connection stands and carries nothing."""

    loadgen: LoadGenerator
    thaw: Callable[[], None]


@pytest.fixture
def frozen(access: SshAccess, tmp_path: Path) -> Iterator[Frozen]:
    host = Host(LOCALHOST, access)
    host.open()
    session = int(host.must(["sh", "-c", "echo $PPID"]))
    os.kill(session, signal.SIGSTOP)

    def thaw() -> None:
        os.kill(session, signal.SIGCONT)

    yield Frozen(LoadGenerator(host, str(tmp_path / "host"), 1), thaw)
    thaw()
    host.close()


class _BrokenLimits(Limits):
    """Limits with a defect."""

    def look(self, now_s: float, stage_started_s: float, loaded: Collection[str] | None = None) -> Look:  # noqa: ARG002
        raise KeyError("signin")


@contextmanager
def _guarded(run: Run, *loadgens: LoadGenerator, kind: type[Limits] = Limits) -> Iterator[LoadWatch]:
    """Guard the load as the ramp does."""
    plan = LoadPlan(unit="vus", levels=(), scenarios=(), thresholds={}, tags={}, other={})
    watch = LoadWatch(loadgens=loadgens, plan=plan, segments=(_SEGMENT,))
    limits = kind(run, run.profile.guard, loadgens)

    def guard() -> None:
        with disable_run_logger():
            watch_load.fn(run, watch, limits, str(uuid4()))

    thread = threading.Thread(target=copy_context().run, args=(guard,))
    thread.start()
    try:
        yield watch
    finally:
        watch.finish()
        thread.join(60)
    assert not thread.is_alive()


def _watched(run: Run, blind_after_s: float) -> Run:
    profile = LoadProfile(blind_after_s=blind_after_s, guard=(_SIGNIN,))
    return replace(run, id=str(uuid4()), profile=profile)


@pytest.mark.usefixtures("silent_prefect")
def test_neither_prefect_nor_a_load_generator_that_hangs_keeps_a_limit_from_being_judged(
    run: Run, loadgen: LoadGenerator, frozen: Frozen, system: System
) -> None:
    run = _watched(run, 120.0)
    run.folder.mkdir(parents=True)
    with _guarded(run, loadgen, frozen.loadgen) as watch:
        start_k6(loadgen, run, system)
        watch.enter_stage(1)
        watch.expect(_SEGMENT)
        system.delay_s["/signin"] = 1.5
        # Less than the half minute after which the load generator's connection is given up.
        until(lambda: watch.breach is not None, "the slow sign-in is seen", 25)
        assert watch.breach is not None
        assert watch.breach.rule == "sign-in p95"
        frozen.thaw()
        until(watch.stopped.is_set, "the load is off, and Prefect still says nothing")


@pytest.mark.usefixtures("silent_prefect")
def test_a_load_generator_that_hangs_is_named_although_the_other_answers(
    run: Run, loadgen: LoadGenerator, frozen: Frozen, system: System
) -> None:
    run = _watched(run, 5.0)
    run.folder.mkdir(parents=True)
    with _guarded(run, loadgen, frozen.loadgen) as watch:
        start_k6(loadgen, run, system)
        watch.expect(_SEGMENT)
        until(lambda: watch.breach is not None, "one load generator is not seen", 25)
        assert watch.breach is not None
        assert watch.breach.rule == "no data"
        assert watch.breach.observed.startswith("no answer of the load generator 127.0.0.1 for ")
        frozen.thaw()


@pytest.mark.usefixtures("silent_prefect")
def test_a_segment_that_sends_nothing_is_named_although_another_does(
    run: Run, loadgen: LoadGenerator, system: System
) -> None:
    run = _watched(run, 5.0)
    run.folder.mkdir(parents=True)
    with _guarded(run, loadgen) as watch:
        start_k6(loadgen, run, system)
        watch.expect(_SEGMENT)
        until(lambda: watch.polls > 4, "the guard looks")
        watch.expect(_SEGMENT.model_copy(update={"index": 2}))
        until(lambda: watch.breach is not None, "the second segment is not seen", 25)
        assert watch.breach is not None
        assert watch.breach.rule == "no data"
        assert watch.breach.observed.startswith("no new sample of k6_vus of segment-02 for ")


@pytest.mark.usefixtures("silent_prefect")
def test_a_guard_with_a_defect_stops_the_load_it_cannot_watch(run: Run, loadgen: LoadGenerator, system: System) -> None:
    run = _watched(run, 120.0)
    run.folder.mkdir(parents=True)
    with _guarded(run, loadgen, kind=_BrokenLimits) as watch:
        start_k6(loadgen, run, system)
        watch.expect(_SEGMENT)
        until(watch.stopped.is_set, "the load is off")
        assert watch.breach is not None
        assert (watch.breach.rule, watch.breach.observed) == ("the guard failed", "KeyError: 'signin'")
        assert [job.name for job in loadgen.jobs() if job.alive] == []
