"""The report's deployment: it closes a run once, and renders it again without a trace in its journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prefect import Flow
from prefect.client.schemas.objects import State
from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.perf_environment import PerfEnvironment
from flows.cost import cost_check
from flows.report import report
from tests.unit.report.runs import RUN_ID, journal, write

pytestmark = pytest.mark.integration

SKELETON = "# Report\n\n## Summary\n\n| Item | Value |\n|---|---|\n| Run | {{TBD}} |\n\nStage 2: {{stage.2.vus}} VUs\n"
PAGES = ("record.json", "report.md", "report.html", "manifest.json", "evidence/performance-test-report.md")


@pytest.fixture
def checkout(prefect: str, tmp_path: Path) -> Path:
    """The checkout of two environments: one asks for the filled report in it, one does not."""
    assert prefect
    skeleton = tmp_path / "checkout" / "docs" / "performance-test-report.md"
    skeleton.parent.mkdir(parents=True)
    skeleton.write_text(SKELETON)
    aws = AwsCredentials()
    aws.save("report", overwrite=True)
    for name, wanted in (("filled", True), ("perf", False)):
        PerfEnvironment(
            checkout=tmp_path / "checkout", account_id="123456789012", aws=aws, runs_folder=tmp_path / "runs",
            fill_team_report=wanted,
        ).save(name, overwrite=True)  # fmt: skip
    LoadProfile().save("stepped-ramp", overwrite=True)
    return tmp_path / "checkout"


def _report(environment: str) -> None:
    state = report(RUN_ID, environment, return_state=True)
    assert state.is_completed(), state.message


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("flow", [report, cost_check], ids=["report", "cost-check"])
def test_an_id_that_is_not_a_runs_is_refused_in_one_sentence_and_nothing_is_made(
    flow: Flow[..., State[Any]], tmp_path: Path
) -> None:
    state = flow(RUN_ID, "perf", return_state=True)
    assert state.is_failed()
    assert state.message == (
        f"{tmp_path / 'runs'} has no run {RUN_ID}; wanted is the flow-run id of a performance-run of the environment perf."
    )
    assert not (tmp_path / "runs").exists()


def test_a_run_is_closed_once_and_rendered_again_without_a_line(checkout: Path, tmp_path: Path) -> None:
    lines = [line for line in journal(2) if line.phase != "report"]
    folder = write(tmp_path / "runs" / RUN_ID, lines, 2)
    skeleton = checkout / "docs" / "performance-test-report.md"

    _report("perf")
    assert skeleton.read_text() == SKELETON, "nobody asked for it"
    assert f"| Run | {RUN_ID} |" in (folder / PAGES[-1]).read_text()
    assert "Stage 2: 2000 VUs" in (folder / PAGES[-1]).read_text()
    closed = (folder / "journal.jsonl").read_bytes()
    assert closed.count(b'"run_closed"') == 1
    first = {name: (folder / name).read_bytes() for name in PAGES}
    for name in PAGES:
        (folder / name).unlink()

    _report("perf")
    assert (folder / "journal.jsonl").read_bytes().startswith(closed)
    assert (folder / "journal.jsonl").read_bytes().count(b"\n") == closed.count(b"\n")
    assert {name: (folder / name).read_bytes() for name in PAGES} == first

    _report("filled")
    assert skeleton.read_bytes() == first[PAGES[-1]]


def test_a_skeleton_that_was_filled_before_is_not_filled_again(checkout: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "runs" / RUN_ID, [line for line in journal(1) if line.phase != "report"], 1)
    (checkout / "docs" / "performance-test-report.md").write_text("# Report of another run\n")
    _report("filled")
    assert "was it filled before? Restore it from git." in (folder / "report.md").read_text()
    assert (checkout / "docs" / "performance-test-report.md").read_text() == "# Report of another run\n"
