"""A run that a person starts, approves and halts by clicking in the Prefect UI."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.rehearsal.standing import Prefect

pytestmark = [pytest.mark.rehearsal, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

FIELDS: dict[str, tuple[str, str | bool]] = {
    "environment": ("Perf Environment block", "perf"),
    "profile": ("Load Profile block", "stepped-ramp"),
    "start_stage": ("Stage at which to hold first", "1"),
    "ask_before_apply": ("Ask before infrastructure is made and money is spent", True),
    "ask_before_ramp": ("Ask between the smoke test and the ramp", True),
    "auto_until_stage": ("stages up to this one are released by the gate alone", "0"),
}
"""The form of a run: what each field's description says, and its default."""


@pytest.fixture
def page() -> Iterator[Page]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium is not None, "no Chromium on PATH; run make setup"
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser.new_page(viewport={"width": 1440, "height": 900})
        browser.close()


def test_a_run_is_started_approved_and_halted_by_clicking(prefect: Prefect, page: Page) -> None:
    run_id = _start(page, prefect)

    dialog = _open_question(page, prefect, run_id, "provision")
    expect(dialog.get_by_role("heading", name="Apply the plan: 58 resources in eu-north-1?")).to_be_visible()
    expect(dialog).to_contain_text("Terraform will add 58 resources, change 0 and destroy 0, in account 123456789012")
    expect(dialog).to_contain_text("go spends money from now on; everything is destroyed at the end, whatever happens")
    _refuses_an_answer_without_a_name(page, prefect, dialog)
    _answer(page, dialog, "go", "Ada Lovelace")

    dialog = _open_question(page, prefect, run_id, "ramp")
    expect(dialog.get_by_role("heading", name="Start the ramp at stage 1?")).to_be_visible()
    expect(dialog).to_contain_text("go starts the load of stage 1")
    _answer(page, dialog, "go", "Grace Hopper")

    dialog = _open_question(page, prefect, run_id, "ramp")
    expect(dialog.get_by_role("heading", name="Release stage 1 and start stage 2?")).to_be_visible()
    expect(dialog.get_by_role("row")).to_have_count(2)
    expect(dialog).to_contain_text("Gate: PASS")
    expect(dialog).to_contain_text("go will start stage 2")
    for name in ("Grafana dashboard", "Jaeger search"):
        address = dialog.get_by_role("link", name=name).get_attribute("href")
        assert address is not None
        assert httpx.get(address).status_code == httpx.codes.OK
    _answer(page, dialog, "go", "Katherine Johnson")

    dialog = _open_question(page, prefect, run_id, "ramp")
    expect(dialog.get_by_role("heading", name="Release stage 2 and start stage 3?")).to_be_visible()
    _answer(page, dialog, "halt", "Mary Jackson")

    state, record = prefect.ended(run_id)
    assert state["type"] == "FAILED"
    assert "Mary Jackson" in state["message"]
    assert record is not None
    assert [(made["answer"], made["by"]) for made in record["decisions"]] == [
        ("go", "Ada Lovelace"), ("go", "Grace Hopper"), ("go", "Katherine Johnson"), ("halt", "Mary Jackson"),
    ]  # fmt: skip
    assert record["verdict"] == "FAIL"
    assert record["ceiling"]["stage"] == 2
    assert "Mary Jackson" in record["ceiling"]["reason"]
    assert record["teardown"]["verdict"] == "PASS"
    assert record["teardown"]["leftover"] == []
    _open_run(page, prefect, run_id)
    expect(page.get_by_text("Failed", exact=True).first).to_be_visible()


def _start(page: Page, prefect: Prefect) -> str:
    """Fill the form of a run, after a look at what it says, and return the id of what was started."""
    page.goto(prefect.url)
    page.get_by_role("link", name="Deployments").click()
    page.get_by_role("link", name="performance-run").first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Custom run").click()
    main = page.get_by_role("main")
    for name, (description, default) in FIELDS.items():
        field = page.get_by_label(f"{name} (Optional)")
        if isinstance(default, bool):
            expect(field).to_be_checked(checked=default)
        else:
            expect(field).to_have_value(default)
        expect(main).to_contain_text(description)
    expect(page.get_by_role("button", name="Select advance")).to_have_text("by-hand")
    for name in ("environment", "profile"):
        page.get_by_label(f"{name} (Optional)").fill("rehearsal")
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("button", name="View run").click()
    page.wait_for_url("**/runs/flow-run/**")
    return page.url.split("/runs/flow-run/")[1].split("?")[0]


def _open_run(page: Page, prefect: Prefect, run_id: str) -> None:
    page.goto(f"{prefect.url}/v2/runs/flow-run/{run_id}")


def _open_question(page: Page, prefect: Prefect, run_id: str, phase: str) -> Locator:
    """Wait until a phase asks, go to its page from the run's page, and open the dialog."""
    asking = _wait_for_question(prefect, run_id)
    _open_run(page, prefect, run_id)
    page.get_by_role("tab", name="Subflow Runs").click()
    page.locator(f"main a[href$='/runs/flow-run/{asking['id']}']").first.click()
    expect(page.get_by_text("Paused", exact=True).first).to_be_visible()
    expect(page.get_by_role("link", name=phase, exact=True)).to_be_visible()
    page.get_by_role("button", name="Open menu").first.click()
    page.get_by_role("menuitem", name="Resume").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Decision")).to_be_visible()
    return dialog


def _wait_for_question(prefect: Prefect, run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 240
    while not (asking := prefect.paused()):
        state = prefect.ask("GET", f"/flow_runs/{run_id}")["state"]
        assert state["type"] in {"SCHEDULED", "PENDING", "RUNNING"}, state
        assert time.monotonic() < deadline, state
        time.sleep(0.5)
    assert len(asking) == 1
    return asking[0]


def _refuses_an_answer_without_a_name(page: Page, prefect: Prefect, dialog: Locator) -> None:
    before = prefect.paused()
    _choose(page, dialog, "go")
    dialog.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("'name' is a required property")).to_be_visible()
    expect(dialog).to_be_visible()
    assert [run["state"]["id"] for run in prefect.paused()] == [run["state"]["id"] for run in before]


def _answer(page: Page, dialog: Locator, decision: str, name: str) -> None:
    _choose(page, dialog, decision)
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Flow run resumed")).to_be_visible()
    expect(dialog).to_be_hidden()


def _choose(page: Page, dialog: Locator, decision: str) -> None:
    dialog.get_by_label("Decision").click()
    page.get_by_role("option", name=decision, exact=True).click()
