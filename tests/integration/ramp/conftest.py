"""A held load: real k6 behind a real sshd, a Prometheus, and a flow of a real Prefect that waits for an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field, replace
from fractions import Fraction
from uuid import UUID

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.states import Running

from blocks.load_profile import LoadProfile
from blocks.models.load import LoadPlan, Segment
from blocks.models.record import Decision
from blocks.models.rules import GuardRule
from flows.approvals import StageRelease, ask
from tasks.clients.loadgen import LoadGenerator
from tasks.guard import watch_load
from tasks.limits import Limits
from tasks.run import Run
from tasks.watch import LoadWatch
from tests.integration.guard.conftest import System, access, host, loadgen, prometheus, start_k6, system, until
from tests.integration.guard.conftest import run as run_of_the_guard

__all__ = ["access", "host", "loadgen", "prometheus", "run_of_the_guard", "system"]

# Far from what a busy machine makes of a system that answers at once: only the test that slows it down crosses this.
_SIGN_IN = GuardRule(name="sign-in p95", metric="p95_ms", scope="signin", limit=1500.0, window_s=5.0)


@dataclass
class Held:
    """A stage that is held while a person is asked."""

    url: str
    run: Run
    watch: LoadWatch
    loadgen: LoadGenerator
    own: UUID | None = None
    decision: Decision | None = None
    may_start: bool = True
    error: BaseException | None = None
    context: Context | None = None
    """The flow's own context: what has to be called as the ramp calls it."""
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the flow may end once it was answered; until then it is guarded on."""
    thread: threading.Thread = field(default_factory=threading.Thread)

    def answer(self, decision: str) -> httpx.Response:
        """Answer as a person does."""
        body = {"run_input": {"decision": decision, "name": "Ada"}}
        return httpx.post(f"{self.url}/flow_runs/{self.own}/resume", json=body, timeout=30)

    def end(self) -> Decision:
        """Wait for the flow's end and return what was decided."""
        self.over.set()
        self.thread.join(60)
        assert not self.thread.is_alive()
        assert self.error is None, self.error
        assert self.decision is not None
        return self.decision

    def alive(self) -> list[str]:
        """Names of the k6 jobs that run."""
        return [job.name for job in self.loadgen.jobs() if job.alive]


def parent_run() -> str:
    """Make a flow run that stands for the parent, which only has a state here; return its id."""

    @flow(name="parent")
    def parent() -> None:
        """Do nothing."""

    with get_client(sync_client=True) as client:
        return str(client.create_flow_run(parent, state=Running()).id)


@pytest.fixture
def run(prefect: str, run_of_the_guard: Run) -> Run:  # noqa: ARG001 - the server has to run
    """The run, with a flow run of Prefect as its parent."""

    profile = LoadProfile(blind_after_s=10.0, guard=(_SIGN_IN,))
    moved = replace(run_of_the_guard, id=parent_run(), profile=profile)
    moved.folder.mkdir(parents=True)
    return moved


@pytest.fixture
def held(run: Run, prefect: str, loadgen: LoadGenerator, system: System) -> Iterator[Held]:
    """One segment of ten virtual users that is held, watched by the guard, with the question open."""
    plan = LoadPlan(unit="vus", levels=(), scenarios=(), thresholds={}, tags={}, other={})
    segment = Segment(
        index=1, stage=1, loadgen=0, start=Fraction(0), end=Fraction(1), rise_s=0.0, amounts={"signin": 6, "bet": 4}
    )
    watch = LoadWatch(loadgens=(loadgen,), plan=plan, segments=(segment,))
    held = Held(prefect, run, watch, loadgen)
    asked = threading.Event()

    @flow(name="holds")
    def holds() -> None:
        held.own, held.context = UUID(str(flow_run.id)), copy_context()
        guard = watch_load.submit(run, watch, Limits(run, run.profile.guard, watch.loadgens), str(held.own))
        start_k6(loadgen, run, system)
        watch.enter_stage(1)
        watch.expect(segment)
        asked.set()
        held.decision = ask(run, "ramp", "Release stage 1?", "The page.", 60.0, StageRelease)
        held.may_start = watch.may_start()
        watch.leave_stage()
        held.over.wait(300)
        watch.finish()
        guard.wait()

    def work() -> None:
        try:
            holds()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            held.error = error

    held.thread = threading.Thread(target=copy_context().run, args=(work,))
    held.thread.start()
    assert asked.wait(60)
    state = f"{prefect}/flow_runs/{held.own}"
    until(lambda: httpx.get(state).json()["state"]["type"] == "PAUSED", "the flow waits")
    until(lambda: watch.polls > 3, "the guard looks")
    yield held
    held.over.set()
    held.answer("halt")
    held.thread.join(60)
