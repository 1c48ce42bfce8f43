"""The standing stack as a cell sees it: its processes, its run, and what is left of it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import psutil

from blocks.models.event import Event
from deployments.rehearsal import layout
from deployments.rehearsal.processes import alive, answers, start
from deployments.rehearsal.stack import Stack, load, start_worker, write
from tasks.clients.journal import Journal
from tests.killmatrix.belongings import left_in
from tests.rehearsal.standing import Prefect

_POLL_S = 0.25
_ANSWER_S = 30.0
# How long a server may take to serve again, on a machine that is shared.
_BACK_S = 120.0


def until(ready: Callable[[], bool], what: str, timeout_s: float, poll_s: float = _POLL_S) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        assert time.monotonic() < deadline, f"after {timeout_s:g} s still not: {what}"
        time.sleep(poll_s)


@dataclass
class World:
    """One run on the standing stack."""

    prefect: Prefect
    run_id: str = ""
    runs: Path = layout.RUNS

    @property
    def stack(self) -> Stack:
        """The stack as it is written now."""
        found = load()
        assert found is not None
        return found

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.runs / self.run_id

    def begin(self, **parameters: Any) -> None:
        """Start a run through its deployment."""
        found = self.prefect.ask("GET", "/deployments/name/performance-run/performance-run")
        form = {
            "ask_before_apply": False,
            "ask_before_ramp": False,
            "profile": "killmatrix",
            "environment": "rehearsal",
            **parameters,
        }
        self.run_id = self.prefect.ask(
            "POST", f"/deployments/{found['id']}/create_flow_run", json={"parameters": form}
        )["id"]

    def events(self) -> tuple[Event, ...]:
        """The run's journal as it is now."""
        return Journal(self.folder / "journal.jsonl").read()[0]

    def has(self, kind: str, **data: Any) -> bool:
        """Whether the journal holds such an event; ``phase`` is looked up beside the data."""
        return any(
            event.kind == kind
            and all(({"phase": event.phase} | event.data).get(key) == value for key, value in data.items())
            for event in self.events()
        )

    def flow(self) -> psutil.Process:
        """The process of the run's flow."""
        found = _living(self._is_flow)
        assert found, "the run has no process"
        return found[0]

    def _is_flow(self, process: psutil.Process) -> bool:
        ours = process.environ().get("PREFECT__FLOW_RUN_ID") == self.run_id
        return ours and "prefect" in " ".join(process.cmdline()[:4])

    def worker(self, pool: str = "rampart") -> psutil.Process:
        """A pool's worker."""
        found = [item for item in self.stack.processes if item["name"] == f"worker-{pool}" and alive(item)]
        return psutil.Process(int(found[-1]["pid"]))

    def new_worker(self) -> None:
        """Start another worker in a dead one's place."""
        start_worker(self.stack, "rampart")

    def server(self, name: str) -> psutil.Process:
        """A server of the stack."""
        found = [item for item in self.stack.processes if item["name"] == name and alive(item)]
        return psutil.Process(int(found[-1]["pid"]))

    def restart(self, name: str, argv: list[str], environment: dict[str, str]) -> None:
        """Start a killed server again as it was started, let the stack know it, and wait until Prefect serves again."""
        stack = self.stack
        stack.processes.append(start(name, argv, environment))
        write(stack)
        if name == "prefect":
            until(answers(f"{self.prefect.url}/api/health"), "Prefect serves again", _BACK_S)

    def terraforms(self, operation: str = "") -> list[psutil.Process]:
        """Every Terraform of the stack's checkout that lives; with an operation, those that work it off."""
        return _living(
            lambda process: (
                process.name() in {"terraform", "tofu"}
                and process.cwd().startswith(str(layout.CHECKOUT))
                and (not operation or operation in process.cmdline())
            )
        )

    def providers(self) -> list[psutil.Process]:
        """Every provider that a Terraform of the stack's checkout started and that lives."""
        return _living(
            lambda process: (
                process.name().startswith("terraform-provi") and process.cwd().startswith(str(layout.CHECKOUT))
            )
        )

    def loads(self) -> list[psutil.Process]:
        """Every k6 on the load generators."""
        return _living(lambda process: process.name() == "k6" and str(layout.LOADGEN) in process.cmdline()[0])

    def answer(self, decision: str, **more: Any) -> None:
        """Answer whatever is asked; while its form is being written, or Prefect's database is busy, again."""
        body = {"run_input": {"decision": decision, "name": "kill matrix", **more}}
        for paused in self.prefect.paused():
            until(partial(self._answered, paused["id"], body), "the answer is taken", _ANSWER_S)

    def _answered(self, run_id: str, body: dict[str, Any]) -> bool:
        said = self.prefect.http.post(f"/flow_runs/{run_id}/resume", json=body)
        if said.is_success and said.json()["status"] == "ACCEPT":
            return True
        return bool(self.prefect.ask("GET", f"/flow_runs/{run_id}")["state"]["type"] != "PAUSED")

    def left(self) -> list[str]:
        """What is left of the run in the account: asked of each service, and of the tagging API."""
        return left_in(self._client, self.run_id)

    def _client(self, service: str) -> Any:
        return boto3.client(
            service, region_name="eu-north-1", endpoint_url=self.stack.url("aws"),
            aws_access_key_id="rehearsal", aws_secret_access_key="rehearsal",
        )  # fmt: skip

    def lease(self) -> dict[str, Any]:
        """The newest link of the environment's chain."""
        asked = {"variables": {"name": {"like_": "rampart_lease_rehearsal_"}}}
        links = self.prefect.ask("POST", "/variables/filter", json=asked)
        newest: dict[str, Any] = max(
            links, key=lambda link: int(link["name"].rsplit("_", 1)[1]), default={"value": {}}
        )["value"]
        return newest

    def heartbeats(self) -> list[datetime]:
        """When the run said that it lives, as Prefect keeps it."""
        asked = {
            "event": {"name": ["prefect.flow-run.heartbeat"]},
            "resource": {"id": [f"prefect.flow-run.{self.run_id}"]},
        }
        found = self.prefect.ask("POST", "/events/filter", json={"filter": asked, "limit": 50})["events"]
        return [datetime.fromisoformat(event["occurred"]) for event in found]

    def ended(self) -> bool:
        """Whether Prefect says that the run has ended: only then another one may start."""
        state = self.prefect.ask("GET", f"/flow_runs/{self.run_id}")["state"]["type"]
        return state in {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}

    def record(self) -> dict[str, Any]:
        """The run's record as it is on the disk."""
        file = self.folder / "record.json"
        return json.loads(file.read_text()) if file.exists() else {}


def _living(ours: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Return the processes that are ours; one that ends while it is looked at is none."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, IndexError):
            if ours(process):
                found.append(process)
    return found


def kill(process: psutil.Process, number: int = signal.SIGKILL) -> None:
    """Send a signal to one process."""
    os.kill(process.pid, number)
