"""The rehearsal's operator: starts the run through its deployment, follows it, answers, and reports."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import PrefectException
from prefect.input.run_input import keyset_from_paused_state
from prefect.states import Cancelling

from blocks.models.errors import Failed
from blocks.models.event import Event
from deployments.rehearsal import layout
from deployments.rehearsal.settings import BLOCK
from tasks.clients.journal import Journal

_POLL_S = 0.3
# A run that has written nothing for this long is given up; the longest quiet part is a smoke test.
_SILENCE_S = 600.0
# After a cancel: 30 s until SIGKILL, then the hook destroys.
_CANCEL_S = 240.0
# The worker looks for new runs every 3 s, and a run takes a few seconds to start.
_COST_S = 60.0

Say = Callable[[str], None]
OnTriage = Callable[[Sequence[Event]], dict[str, Any]]
"""Answers the form of a triage, given the run's journal."""

_NAME = "rehearsal operator"


def halt(_: Sequence[Event]) -> dict[str, Any]:
    """Answer a triage as one does who can repair nothing."""
    return {"decision": "halt", "name": _NAME}


class Operator:
    """Follows one run line by line.

    Args:
        prefect_url: Prefect's address, for links.
        say: prints a line.
        by_hand: whether approvals are left to the person.
        on_triage: answers when triage asks; everything else is answered with go.
    """

    def __init__(self, prefect_url: str, say: Say, *, by_hand: bool, on_triage: OnTriage = halt) -> None:
        self._url = prefect_url
        self._say = say
        self._by_hand = by_hand
        self._on_triage = on_triage
        self._announced: set[UUID] = set()

    def start(self, deployment: str = "performance-run/performance-run", **parameters: Any) -> UUID:  # noqa: ANN401 - a form's values
        """Start a run through its deployment and a worker."""
        with get_client(sync_client=True) as client:
            found = client.read_deployment_by_name(deployment)
            run = client.create_flow_run_from_deployment(
                found.id, parameters={"environment": BLOCK, "profile": BLOCK, **parameters}
            )
        self._say(f"run       {run.id}: {self._url}/v2/runs/flow-run/{run.id}")
        return run.id

    def follow(self, run_id: UUID) -> bool:
        """Print what happens and answer approvals until the run has ended; return whether it completed."""
        shown, quiet_since = 0, time.monotonic()
        journal = Journal(layout.RUNS / str(run_id) / "journal.jsonl")
        with get_client(sync_client=True) as client:
            while True:
                events, _ = journal.read()
                for event in events[shown:]:
                    self._show(event)
                if len(events) > shown:
                    if shown == 0:
                        point_latest_at(run_id)
                    shown, quiet_since = len(events), time.monotonic()
                state = client.read_flow_run(run_id).state
                if state is not None and state.is_final():
                    self._say(f"ended     {state.name}: {state.message}")
                    return state.is_completed()
                self._answer(client, events)
                if not self._by_hand and time.monotonic() - quiet_since > _SILENCE_S:
                    raise Failed(
                        f"The run has written nothing for {_SILENCE_S:g} s; look at its page and at {layout.LOGS / 'worker-rampart.log'}."
                    )
                time.sleep(_POLL_S)

    def wait_for_cost(self, run_id: UUID) -> None:
        """Wait until the cost check, which starts seconds after the report here, has amended record and report."""
        journal = Journal(layout.RUNS / str(run_id) / "journal.jsonl")
        deadline = time.monotonic() + _COST_S
        while time.monotonic() < deadline:
            checks = [
                event for event in journal.read()[0] if event.kind == "check" and event.data["id"] == "report.cost"
            ]
            if not checks:
                return
            page = journal.path.parent / "report.html"
            written = page.stat().st_mtime if page.is_file() else 0.0
            if checks[-1].data["verdict"] != "PENDING" and written > checks[-1].at.timestamp():
                self._show(checks[-1])
                return
            time.sleep(_POLL_S)
        self._say(
            f"cost      the cost check did not end within {_COST_S:g} s; look at its page and at {layout.LOGS / 'worker-rampart.log'}"
        )

    def cancel(self, run_id: UUID) -> None:
        """Cancel the run as the UI would, and wait until its teardown has reported."""
        self._say("cancel    load is stopped first, then everything is taken down; this takes a minute")
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run_id, Cancelling(), force=True)
            journal = Journal(layout.RUNS / str(run_id) / "journal.jsonl")
            shown, deadline = len(journal.read()[0]), time.monotonic() + _CANCEL_S
            while time.monotonic() < deadline:
                events, _ = journal.read()
                for event in events[shown:]:
                    self._show(event)
                shown = len(events)
                # The report is rendered after the journal is closed; the stack has to stay until then.
                if (journal.path.parent / "report.html").is_file():
                    return
                state = client.read_flow_run(run_id).state
                if not events and state is not None and state.is_final():
                    return
                time.sleep(_POLL_S)
        raise Failed(
            f"The cancelled run did not finish its teardown within {_CANCEL_S:g} s; look at {layout.LOGS / 'worker-rampart.log'}."
        )

    def _answer(self, client: SyncPrefectClient, events: Sequence[Event]) -> None:
        paused = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))
            )
        )
        for run in paused:
            if self._by_hand:
                state_id = run.state_id or run.id
                if state_id not in self._announced:
                    self._announced.add(state_id)
                    self._say(f"waiting   for your answer: {self._url}/v2/runs/flow-run/{run.id} (Resume)")
                continue
            try:
                triage = "resume" in _choices(client, run)
                answer = self._on_triage(events) if triage else {"decision": "go", "name": _NAME}
                client.resume_flow_run(run.id, run_input=answer)
            except httpx.HTTPStatusError as error:
                busy = error.response.status_code == httpx.codes.SERVICE_UNAVAILABLE
                self._say(f"answer    {_BUSY if busy else _ENDED}")
            except PrefectException:
                self._say(f"answer    {_ENDED}")

    def _show(self, event: Event) -> None:
        template = _LINES.get(event.kind)
        if template is not None:
            shown = {key: str(value)[:_WIDEST] for key, value in event.data.items()}
            if event.kind == "links":
                shown["all"] = "; ".join(f"{name} {url}" for name, url in event.data.items())
            self._say(f"{event.phase:<9} {template.format(**shown)}")


# A line of the operator's screen ends here; the record has everything.
_WIDEST = 200
_BUSY = "Prefect's database was busy; it is given again"
# By a breach, for one, or by this very answer, when Prefect was asked a second time.
_ENDED = "the pause had ended already"
_LINES = {
    "phase_started": "started",
    "check": "{verdict:<12} {id}: {detail} ({seconds} s)",
    "links": "{all}",
    "stage_started": "stage {number} rises to {vus}",
    "stage_judged": "stage {number} gate {verdict}: {reason}",
    "decision": "{asked} {answer}, by {by}",
    "breach": "BREACH {rule}: observed {observed}, limit {limit}",
    "load_stopped": "load is off",
    "ceiling": "ceiling: stage {stage}, {vus} VUs: {reason}",
    "note": "{text}",
}


def _choices(client: SyncPrefectClient, run: FlowRun) -> list[str]:
    """Return what the form of a paused run lets one decide."""
    assert run.state is not None
    schema = json.loads(client.read_flow_run_input(run.id, keyset_from_paused_state(run.state)["schema"]))
    choices: list[str] = schema["properties"]["decision"]["enum"]
    return choices


def point_latest_at(run_id: UUID) -> None:
    """Make latest of the runs folder name a run; replaced at once."""
    part = layout.RUNS / ".latest.part"
    part.unlink(missing_ok=True)
    part.symlink_to(Path(str(run_id)))
    part.replace(layout.RUNS / "latest")
