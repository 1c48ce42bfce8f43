"""Runs on a standing stack, started through their deployments: the nightly smoke, and every kind of bad input."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deployments.rehearsal import layout
from tests.rehearsal.standing import Prefect

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(600)]


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
    assert (layout.RUNS / record["run_id"] / "report.html").is_file()


def test_a_missing_checkout_ends_before_anything_is_provisioned(prefect: Prefect) -> None:
    with prefect.changed(checkout="/nowhere/ebit"):
        fails_before_apply(prefect, "The checkout /nowhere/ebit is missing", "clone the system's repository")


def test_broken_tfvars_end_before_anything_is_provisioned(prefect: Prefect) -> None:
    with rewritten(layout.CHECKOUT / "terraform" / "perf" / "terraform.tfvars", "admin_cidrs = [\n"):
        fails_before_apply(prefect, "terraform.tfvars does not parse", "terraform.tfvars.example")


def test_the_whole_internet_is_refused(prefect: Prefect) -> None:
    with rewritten(layout.CHECKOUT / "terraform" / "perf" / "terraform.tfvars", 'admin_cidrs = ["0.0.0.0/0"]\n'):
        fails_before_apply(prefect, "the whole internet")


def test_a_script_that_does_not_parse_ends_before_anything_is_provisioned(prefect: Prefect) -> None:
    with rewritten(layout.CHECKOUT / "tests-perf" / "profiles" / "stepped-ramp.js", "export const options = {\n"):
        fails_before_apply(prefect, "k6 cannot read tests-perf/profiles/stepped-ramp.js")


def test_a_script_with_one_level_ends_before_anything_is_provisioned(prefect: Prefect) -> None:
    script = (
        "export const options = { scenarios: { signin: { executor: 'constant-vus', vus: 100, duration: '1m', exec: 'signin' } } };\n"
        "export function signin() {}\n"
    )
    with rewritten(layout.CHECKOUT / "tests-perf" / "profiles" / "stepped-ramp.js", script):
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


def test_an_unreachable_prometheus_ends_before_anything_is_provisioned(prefect: Prefect) -> None:
    with prefect.changed(observability={"monitoring_url": "http://127.0.0.1:9"}):
        fails_before_apply(prefect, "Prometheus at http://127.0.0.1:9 did not answer", "monitoring_url")


def test_a_stage_out_of_range_ends_before_anything_is_provisioned(prefect: Prefect) -> None:
    state, record = prefect.run("performance-run/performance-run", start_stage=99)
    assert state["type"] == "FAILED"
    assert "Start stage 99 does not exist: the script has stages 1 to 10" in state["message"]
    assert record is not None
    assert not resources_made(record)


@pytest.mark.slow
def test_a_continuous_ramp_runs_the_script_as_it_is_and_asks_nobody(prefect: Prefect) -> None:
    _, record = prefect.run(
        "performance-run/performance-run", advance="continuous", ask_before_apply=False, ask_before_ramp=False
    )
    assert record is not None
    assert {decision["by"] for decision in record["decisions"]} == {"the run's form"}
    assert [stage["number"] for stage in record["stages"]] == list(range(1, 11))
    # One k6 runs all of it and ends by itself; its thresholds say how it went.
    assert [segment["exit_code"] for segment in record["segments"]] in ([0], [99])
    assert record["breaches"] == []
    assert record["teardown"]["verdict"] == "PASS"
