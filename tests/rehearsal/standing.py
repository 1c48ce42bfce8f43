"""The standing stack's Prefect, as the tests of whole runs use it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from deployments.rehearsal import layout

PROJECT = Path(__file__).parents[2]


class Prefect:
    """The standing stack's Prefect, by its REST API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=f"{url}/api", timeout=30)

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Ask as Prefect's own client does: 503 means that its database is busy, so it is asked again."""
        deadline = time.monotonic() + 30
        while (answer := self.http.request(method, path, **options)).status_code == 503:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.5)
        return answer.raise_for_status().json() if answer.content else None

    def run(self, deployment: str, **parameters: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Run a deployment to its end; return its state and its record, if it wrote one."""
        found = self.ask("GET", f"/deployments/name/{deployment}")
        wanted = {"environment": "rehearsal", "profile": "rehearsal", **parameters}
        started = self.ask("POST", f"/deployments/{found['id']}/create_flow_run", json={"parameters": wanted})
        return self.ended(started["id"], self.answer)

    def ended(
        self, run_id: str, meanwhile: Callable[[], None] = lambda: None
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Wait for the end of a run; return its state and its record, if it wrote one."""
        deadline = time.monotonic() + 400
        while True:
            state: dict[str, Any] = self.ask("GET", f"/flow_runs/{run_id}")["state"]
            if state["type"] in {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}:
                break
            meanwhile()
            assert time.monotonic() < deadline, state
            time.sleep(0.5)
        file = layout.RUNS / run_id / "record.json"
        return state, json.loads(file.read_text()) if file.exists() else None

    def paused(self) -> list[dict[str, Any]]:
        """The runs that wait for an answer."""
        asked = {"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}}}
        found: list[dict[str, Any]] = self.ask("POST", "/flow_runs/filter", json=asked)
        return found

    def answer(self) -> None:
        """Say go to whatever is asked."""
        for paused in self.paused():
            self.http.post(f"/flow_runs/{paused['id']}/resume", json={"run_input": {"decision": "go", "name": "test"}})

    @contextmanager
    def changed(self, **values: Any) -> Iterator[None]:
        """Change fields of the rehearsal's environment block for a while."""
        path = "/block_types/slug/perf-environment/block_documents/name/rehearsal"
        block = self.ask("GET", path, params={"include_secrets": True})
        reference = block["block_document_references"]["aws"]["block_document"]["id"]
        before = {**block["data"], "aws": {"$ref": {"block_document_id": reference}}}
        new = {key: {**before[key], **value} if isinstance(value, dict) else value for key, value in values.items()}
        self._replace(block["id"], {**before, **new})
        try:
            yield
        finally:
            self._replace(block["id"], before)

    def _replace(self, block_id: str, data: dict[str, Any]) -> None:
        body = {"data": data, "merge_existing_data": False}
        self.ask("PATCH", f"/block_documents/{block_id}", json=body)
