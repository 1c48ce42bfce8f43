"""The rehearsal that `make rehearsal` ran just before: runs/latest."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from playwright.sync_api import sync_playwright

from blocks.models.checklist import CHECKLIST
from blocks.models.rules import DEFAULT_GUARD_RULES
from deployments.rehearsal import layout

PROJECT = Path(__file__).parents[2]
LATEST = layout.RUNS / "latest"

pytestmark = pytest.mark.rehearsal


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    file = LATEST / "record.json"
    assert file.is_file(), "there is no runs/latest/record.json; run make rehearsal first"
    loaded: dict[str, Any] = json.loads(file.read_text())
    return loaded


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_latest_is_a_relative_link_to_a_run() -> None:
    assert LATEST.is_symlink()
    assert not LATEST.readlink().is_absolute()


def test_the_record_is_valid_against_the_published_schema(record: dict[str, Any]) -> None:
    jsonschema.validate(record, json.loads((PROJECT / "docs" / "record.schema.json").read_text()))


def test_every_item_of_the_checklist_is_a_check_and_at_most_twelve_are_not_implemented(record: dict[str, Any]) -> None:
    assert [check["id"] for check in record["checks"]] == [item.id for item in CHECKLIST]
    assert sum(not check["implemented"] for check in record["checks"]) <= 12


def test_the_run_passed_and_nothing_is_left_over(record: dict[str, Any]) -> None:
    assert record["verdict"] == "PASS", record["reason"]
    assert record["teardown"]["verdict"] == "PASS"
    assert record["teardown"]["leftover"] == []
    assert record["teardown"]["destroyed"] >= 50


def test_ten_stages_have_all_four_endpoints_numbers(record: dict[str, Any]) -> None:
    assert [stage["number"] for stage in record["stages"]] == list(range(1, 11))
    for stage in record["stages"]:
        numbers = {item["name"]: item for item in stage["endpoints"]}
        assert set(numbers) == {"signin", "bet", "history", "ws"}
        for item in numbers.values():
            assert item["requests"] > 0
            assert 0 < item["p50_ms"] <= item["p95_ms"] <= item["max_ms"]
        assert stage["gate"]["verdict"] == "PASS"


def test_the_limits_are_those_that_the_guard_had(record: dict[str, Any]) -> None:
    assert [limit["name"] for limit in record["limits"]] == [rule.name for rule in DEFAULT_GUARD_RULES]


def test_every_stage_was_released_by_an_answer(record: dict[str, Any]) -> None:
    released = [decision for decision in record["decisions"] if decision["asked"].startswith("Release stage")]
    assert len(released) == 10
    assert {decision["by"] for decision in released} == {"rehearsal operator"}


def test_the_cost_was_estimated_and_amended_by_its_check(record: dict[str, Any]) -> None:
    cost = record["cost"]
    assert cost["estimated_usd"] > 0
    assert cost["unpriced"] == []
    assert (cost["actual_usd"], cost["check_at"]) == (0.41, None)
    assert next(check["verdict"] for check in record["checks"] if check["id"] == "report.cost") == "PASS"


def test_the_run_is_in_the_history_and_was_compared_or_says_why_not(record: dict[str, Any]) -> None:
    comparison = record["comparison"]
    assert bool(comparison["numbers"]) != bool(comparison["why"])
    assert f"../{record['run_id']}/report.html" in (LATEST.parent / "history" / "trend.html").read_text()


def test_evidence_that_the_record_names_exists(record: dict[str, Any]) -> None:
    for check in record["checks"]:
        for file in check["evidence"]:
            assert (LATEST / file).is_file(), file
    for stage in record["stages"]:
        assert (LATEST / stage["screenshot"]).stat().st_size > 10_000
        assert all(trace["verified"] and (LATEST / trace["file"]).is_file() for trace in stage["trace_ids"])


def test_lines_over_time_and_the_recording_are_kept_with_their_hashes(record: dict[str, Any]) -> None:
    kept = [*record["series"], record["recording"]]
    assert len(kept) == 9
    for item in kept:
        assert hashlib.sha256((LATEST / item["file"]).read_bytes()).hexdigest() == item["sha256"], item
    assert record["recording"]["frames"] >= 2


def test_no_picture_was_taken_while_a_gate_looked(record: dict[str, Any]) -> None:
    windows = [(_at(stage["steady_from"]), _at(stage["steady_to"])) for stage in record["stages"]]
    for stage in record["stages"]:
        taken = _at(stage["captured"]["screenshot"])
        # A picture that is being written when the window begins is not thrown away.
        assert not [start for start, end in windows if start + timedelta(seconds=1) < taken < end], stage["number"]


def test_what_is_not_there_has_a_reason(record: dict[str, Any]) -> None:
    for stage in record["stages"]:
        for what in ("screenshot", "snapshot", "stats", "logs", "kernel", "exemplars"):
            assert (stage[what] is None) == (what in stage["not_captured"]), (stage["number"], what)
        assert "numbers" not in stage["not_captured"]


def test_the_evidence_was_verified_in_its_store(record: dict[str, Any]) -> None:
    (stored,) = [check for check in record["checks"] if check["id"] == "collect.results"]
    assert "each verified by its SHA-256" in stored["detail"]


def test_no_secret_of_the_rehearsal_is_in_the_evidence_or_the_journal() -> None:
    private_key = "BEGIN OPENSSH PRIVATE KEY"
    for file in LATEST.rglob("*"):
        if (
            file.is_file()
            and file.suffix in {".json", ".jsonl", ".md", ".html", ".txt", ".log"}
            and "terraform" not in file.parts
        ):
            assert private_key not in file.read_text(errors="replace"), file


def test_the_report_page_shows_the_records_numbers_in_a_browser(record: dict[str, Any]) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium is not None, "no Chromium on PATH; run make setup"
    requested: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.on("request", lambda request: requested.append(request.url))
        page.goto((LATEST / "report.html").resolve().as_uri())
        page.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
        text, heading = page.inner_text("body"), page.inner_text("h1")
        plots = page.locator("figure svg").count()
        browser.close()
    assert text.index(record["verdict"]) < text.index(heading)
    assert heading.lower() == f"{record['reason']}.".lower()
    for stage in record["stages"]:
        for item in stage["endpoints"]:
            assert f"{item['p95_ms']:.1f}" in text
    assert plots == 10
    assert [url for url in requested if not url.startswith(("file:", "data:"))] == []


def test_the_report_can_be_rendered_again_byte_for_byte() -> None:
    from flows.report import main  # noqa: PLC0415 - imports Prefect, which only this test needs

    before = {name: (LATEST / name).read_bytes() for name in ("record.json", "report.md", "report.html")}
    assert main([str(LATEST)]) == 0
    assert {name: (LATEST / name).read_bytes() for name in before} == before
