"""Asking a person through a real Prefect server: answers, nonsense, two answers at once, time-out, cancel."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.input import RunInput
from prefect.runtime import flow_run
from prefect.states import Cancelling, Running
from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.models.record import Decision
from blocks.perf_environment import PerfEnvironment
from flows.approvals import GoOrHalt, StageRelease, ask, triage_form
from tasks.rules.stages import read_load_plan
from tasks.run import Run
from tests.unit.rules.plans import inspected, steps

RUN_ID = "5d0cbb5a-6e3c-4a4c-8a57-9e2f5c9d8f10"

_PLAN = read_load_plan(inspected({name: steps([5, 10]) for name in ("signin", "bet")}), "ramp.js")
_TRIES = 10

pytestmark = pytest.mark.integration


class Asked:
    """A question that waits in a flow of its own thread."""

    def __init__(self, run: Run, url: str, form: type[RunInput], timeout_s: float) -> None:
        self.url = url
        self.id: UUID | None = None
        self.decision: Decision | None = None
        self.error: BaseException | None = None
        self._known = threading.Event()

        @flow(name="asks")
        def asks() -> None:
            self.id = UUID(str(flow_run.id))
            self._known.set()
            self.decision = ask(run, "ramp", "Release stage 2?", "The page.", timeout_s, form)

        def work() -> None:
            try:
                asks()
            except BaseException as error:  # noqa: BLE001 - handed to the test
                self.error = error

        # Prefect keeps its settings in the context, which a thread does not inherit.
        self.thread = threading.Thread(target=copy_context().run, args=(work,))

    def state(self) -> str:
        return str(httpx.get(f"{self.url}/flow_runs/{self.id}").json()["state"]["type"])

    def until_paused(self) -> None:
        assert self._known.wait(30)
        deadline = time.monotonic() + 30
        while self.state() != "PAUSED":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # The form is saved right after the state is set.
        while httpx.post(f"{self.url}/flow_runs/{self.id}/input/filter", json={"prefix": "paused"}).json() == []:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def answer(self, **values: Any) -> httpx.Response:
        return httpx.post(f"{self.url}/flow_runs/{self.id}/resume", json={"run_input": values}, timeout=30)

    def result(self) -> Decision:
        self.thread.join(60)
        assert not self.thread.is_alive()
        assert self.error is None, self.error
        assert self.decision is not None
        return self.decision


@pytest.fixture
def run(tmp_path: Path) -> Run:
    environment = PerfEnvironment(
        checkout=tmp_path, account_id="123456789012", aws=AwsCredentials(), runs_folder=tmp_path / "runs"
    )
    (tmp_path / "runs" / RUN_ID).mkdir(parents=True)
    return Run(RUN_ID, "test", "test", environment, LoadProfile())


@contextmanager
def asking(run: Run, url: str, form: type[RunInput] = GoOrHalt, timeout_s: float = 60.0) -> Iterator[Asked]:
    asked = Asked(run, url, form, timeout_s)
    asked.thread.start()
    try:
        asked.until_paused()
        yield asked
    finally:
        if asked.state() == "PAUSED":
            asked.answer(decision="halt", name="clean-up")
        asked.thread.join(60)


def test_an_answer_is_returned_and_journaled(run: Run, prefect: str) -> None:
    with asking(run, prefect) as asked:
        asked.answer(decision="go", name="Ada").raise_for_status()
        decision = asked.result()
    assert (decision.answer, decision.by) == ("go", "Ada")
    events, _ = run.journal.read()
    assert [(event.kind, event.data["answer"], event.data["by"]) for event in events] == [("decision", "go", "Ada")]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"decision": "go"},
        {"decision": "perhaps", "name": "Ada"},
        {"decision": "resume", "name": "Ada", "stage": 99},
        {"decision": "throttle", "name": "Ada", "scenario": "nothing"},
        {"decision": "throttle", "name": "Ada"},
        {"decision": "throttle", "name": "Ada", "scenario": "bet", "share": "much"},
    ],
)
def test_nonsense_leaves_it_paused_and_says_why(run: Run, prefect: str, values: dict[str, Any]) -> None:
    with asking(run, prefect, triage_form(_PLAN, 1)) as asked:
        answer = asked.answer(**values).json()
        if answer["status"] == "REJECT":
            assert answer["details"]["reason"]
            assert asked.state() == "PAUSED"
        else:
            # What the server lets through the form refuses: it is asked again, and the page says why.
            asked.until_paused()
        asked.answer(decision="halt", name="Ada").raise_for_status()
        assert asked.result().answer == "halt"


def test_the_first_of_two_answers_wins_and_the_second_is_told(run: Run, prefect: str) -> None:
    answers: dict[str, httpx.Response] = {}
    with asking(run, prefect, StageRelease) as asked:
        barrier = threading.Barrier(2)

        def answer(name: str, decision: str) -> None:
            barrier.wait()
            # In the very same moment Prefect's database can refuse both with an error: a person answers again then.
            for _ in range(_TRIES):
                answers[name] = asked.answer(decision=decision, name=name)
                if not answers[name].is_error:
                    break

        people = [threading.Thread(target=answer, args=pair) for pair in (("Ada", "go"), ("Bob", "step-down"))]
        for person in people:
            person.start()
        for person in people:
            person.join()
        decision = asked.result()
    assert answers[decision.by].json()["status"] == "ACCEPT"
    told = next(response for name, response in answers.items() if name != decision.by)
    # Prefect refuses the second one, or, in the very same moment, answers with an error.
    assert told.is_error or told.json()["details"]["reason"]


def test_no_answer_in_time_is_a_halt(run: Run, prefect: str) -> None:
    with asking(run, prefect, timeout_s=1.0) as asked:
        decision = asked.result()
    assert (decision.answer, decision.by) == ("halt", "nobody within 1 s")


def test_a_cancelled_pause_that_is_ended_without_an_answer_is_a_halt(run: Run, prefect: str) -> None:
    with asking(run, prefect) as asked, get_client(sync_client=True) as client:
        assert asked.id is not None
        client.set_flow_run_state(asked.id, Cancelling(), force=True)
        client.set_flow_run_state(asked.id, Running(), force=True)
        decision = asked.result()
    assert decision.answer == "halt"
    assert decision.by == "nobody: the pause was ended"
