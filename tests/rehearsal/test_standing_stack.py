"""Runs on a standing stack, started through their deployments: the nightly smoke, and every kind of bad input."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

PROJECT = Path(__file__).parents[2]
CHECKOUT = PROJECT / ".rehearsal" / "checkout"

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(600)]


class Prefect:
    """The standing stack's Prefect, by its REST API."""

    def __init__(self, url: str) -> None:
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
        deadline = time.monotonic() + 400
        while True:
            state: dict[str, Any] = self.ask("GET", f"/flow_runs/{started['id']}")["state"]
            if state["type"] in {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}:
                break
            self.answer()
            assert time.monotonic() < deadline, state
            time.sleep(0.5)
        file = PROJECT / "runs" / started["id"] / "record.json"
        return state, json.loads(file.read_text()) if file.exists() else None

    def answer(self) -> None:
        """Say go to whatever is asked."""
        asked = {"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}}}
        for paused in self.ask("POST", "/flow_runs/filter", json=asked):
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


@pytest.fixture(scope="module")
def prefect() -> Iterator[Prefect]:
    rehearsal = [sys.executable, "-m", "deployments.rehearsal"]
    up = subprocess.run([*rehearsal, "up"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert up.returncode == 0, up.stdout + up.stderr
    try:
        ports = json.loads((PROJECT / ".rehearsal" / "stack.json").read_text())["ports"]
        running = Prefect(f"http://127.0.0.1:{ports['prefect']}")
        with running.http:
            yield running
    finally:
        subprocess.run([*rehearsal, "down"], cwd=PROJECT, check=True, capture_output=True)


@contextmanager
def rewritten(file: Path, text: str) -> Iterator[None]:
    before = file.read_text()
    file.write_text(text)
    try:
        yield
    finally:
        file.write_text(before)


def resources_made(record: dict[str, Any]) -> bool:
    return any(check["id"] == "provision.apply" and check["verdict"] != "NOT_RUN" for check in record["checks"])


def test_a_nightly_smoke_passes_without_a_question(prefect: Prefect) -> None:
    state, record = prefect.run("nightly-smoke/nightly-smoke")
    assert state["type"] == "COMPLETED", state["message"]
    assert record is not None
    assert record["verdict"] == "PASS"
    assert [decision["by"] for decision in record["decisions"]] == ["the run's form"]
    assert record["stages"] == []
    assert record["teardown"]["verdict"] == "PASS"


@pytest.mark.parametrize(
    ("parameters", "named"), [({"environment": "nowhere"}, "PerfEnvironment"), ({"profile": "nothing"}, "LoadProfile")]
)
def test_an_unknown_block_is_one_sentence(prefect: Prefect, parameters: dict[str, str], named: str) -> None:
    state, record = prefect.run("performance-run/performance-run", **parameters)
    assert state["type"] == "FAILED"
    assert f"There is no {named} block named '{next(iter(parameters.values()))}'" in state["message"]
    assert "Traceback" not in state["message"]
    assert record is None


def fails_with(prefect: Prefect, sentences: tuple[str, ...]) -> dict[str, Any]:
    state, record = prefect.run("performance-run/performance-run")
    assert state["type"] == "FAILED"
    assert "Traceback" not in state["message"]
    for sentence in sentences:
        assert sentence in state["message"]
    assert record is not None
    return record


def fails_before_apply(prefect: Prefect, *sentences: str) -> None:
    record = fails_with(prefect, sentences)
    assert not resources_made(record)
    assert (PROJECT / "runs" / record["run_id"] / "report.html").is_file()


def test_a_missing_checkout_ends_before_anything_is_provisioned(prefect: Prefect) -> None:
    with prefect.changed(checkout="/nowhere/ebit"):
        fails_before_apply(prefect, "The checkout /nowhere/ebit is missing", "clone the system's repository")


def test_broken_tfvars_end_before_anything_is_provisioned(prefect: Prefect) -> None:
    with rewritten(CHECKOUT / "terraform" / "perf" / "terraform.tfvars", "admin_cidrs = [\n"):
        fails_before_apply(prefect, "terraform.tfvars does not parse", "terraform.tfvars.example")


def test_the_whole_internet_is_refused(prefect: Prefect) -> None:
    with rewritten(CHECKOUT / "terraform" / "perf" / "terraform.tfvars", 'admin_cidrs = ["0.0.0.0/0"]\n'):
        fails_before_apply(prefect, "the whole internet")


def test_a_script_that_does_not_parse_ends_before_anything_is_provisioned(prefect: Prefect) -> None:
    with rewritten(CHECKOUT / "tests-perf" / "profiles" / "stepped-ramp.js", "export const options = {\n"):
        fails_before_apply(prefect, "k6 cannot read tests-perf/profiles/stepped-ramp.js")


def test_a_script_with_one_level_ends_before_anything_is_provisioned(prefect: Prefect) -> None:
    script = (
        "export const options = { scenarios: { signin: { executor: 'constant-vus', vus: 100, duration: '1m', exec: 'signin' } } };\n"
        "export function signin() {}\n"
    )
    with rewritten(CHECKOUT / "tests-perf" / "profiles" / "stepped-ramp.js", script):
        fails_before_apply(prefect, "holds 1 load level(s)", "at least two levels")


def fails_through_teardown(prefect: Prefect, *sentences: str) -> None:
    record = fails_with(prefect, sentences)
    assert resources_made(record)
    assert record["teardown"]["leftover"] == []
    assert next(check for check in record["checks"] if check["id"] == "teardown.destroy")["verdict"] == "PASS"


def test_a_wrong_ssh_key_ends_through_teardown(prefect: Prefect, tmp_path: Path) -> None:
    key = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with prefect.changed(ssh={"private_key": str(key)}):
        fails_through_teardown(prefect, "refused the key", "set ssh.private_key")


def test_an_unreachable_prometheus_ends_through_teardown(prefect: Prefect) -> None:
    with prefect.changed(observability={"monitoring_url": "http://127.0.0.1:9"}):
        fails_through_teardown(prefect, "Prometheus at http://127.0.0.1:9 did not answer", "monitoring_url")
