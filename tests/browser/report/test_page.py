"""The report as people see it: on a screen, in the dark, on a phone, on paper, and read aloud."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tasks.report import render_run
from tests.unit.report.runs import journal, write

pytestmark = pytest.mark.browser

Scheme = Literal["light", "dark"]
STORIES = {"passed": journal(), "breached": journal(breached=True), "died": journal()[:90], "nothing": journal()[:3]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("reports")
    for name, lines in STORIES.items():
        render_run(write(root / name, lines, pictures=range(1, 11) if name == "passed" else ()))
    return root


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert binary, "no Chromium on PATH: install it (make setup)"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


def _open(browser: Browser, file: Path, width: int = 1280, scheme: Scheme = "light") -> Page:
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page.goto(file.as_uri())
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("story", STORIES)
def test_axe_finds_nothing_that_keeps_anybody_out(browser: Browser, folder: Path, story: str, scheme: Scheme) -> None:
    page = _open(browser, folder / story / "report.html", scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
    found = Axe().run(page)
    page.close()
    bad = [item for item in found.response["violations"] if item["impact"] in {"serious", "critical", "moderate"}]
    assert [(item["id"], item["nodes"][0]["html"][:200], item["nodes"][0]["failureSummary"]) for item in bad] == []


@pytest.mark.parametrize("story", STORIES)
def test_the_page_needs_nothing_from_outside(browser: Browser, folder: Path, story: str) -> None:
    requested: list[str] = []
    problems: list[str] = []
    page = browser.new_page()
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: problems.append(message.text))
    page.goto((folder / story / "report.html").as_uri())
    page.close()
    assert [url for url in requested if not url.startswith("data:")] == [(folder / story / "report.html").as_uri()]
    assert problems == []


@pytest.mark.parametrize("story", STORIES)
def test_the_verdict_the_reason_the_ceiling_and_what_to_do_are_on_a_laptops_first_screen(
    browser: Browser, folder: Path, story: str
) -> None:
    page = _open(browser, folder / story / "report.html")
    for selector in ("header .v", "h1", ".tiles .big >> nth=0", "#next"):
        box = page.locator(selector).bounding_box()
        assert box is not None, selector
        assert box["y"] + box["height"] < 700, selector
    page.close()


@pytest.mark.parametrize("story", STORIES)
def test_a_phone_scrolls_only_down(browser: Browser, folder: Path, story: str) -> None:
    page = _open(browser, folder / story / "report.html", width=390)
    page.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.evaluate(
        "[...document.querySelectorAll('main *')].filter((e) => e.childNodes.length && !e.closest('svg') && "
        "parseFloat(getComputedStyle(e).fontSize) < 12).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert small == []
    page.close()


def test_plots_take_the_colours_of_a_dark_page(browser: Browser, folder: Path) -> None:
    seen = {}
    schemes: tuple[Scheme, ...] = ("light", "dark")
    for scheme in schemes:
        page = _open(browser, folder / "passed" / "report.html", scheme=scheme)
        seen[scheme] = page.evaluate(
            "[...document.querySelectorAll('figure svg path')].map((e) => getComputedStyle(e).stroke)"
        )
        page.close()
    assert len(seen["light"]) == len(seen["dark"])
    changed = [before != after for before, after in zip(seen["light"], seen["dark"], strict=True) if before != "none"]
    assert all(changed)
    assert len(changed) > 50


def test_paper_gets_every_column_in_light_colours(browser: Browser, folder: Path) -> None:
    page = _open(browser, folder / "breached" / "report.html", width=718, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    pdf = page.pdf(format="A4", prefer_css_page_size=True)
    page.close()
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") < 25


def test_every_link_to_a_file_beside_the_page_leads_to_one(browser: Browser, folder: Path) -> None:
    page = _open(browser, folder / "passed" / "report.html")
    links = page.evaluate("[...document.querySelectorAll('a')].map((e) => e.getAttribute('href'))")
    inside = page.evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"]')].filter((e) => !document.querySelector(e.getAttribute('href'))).length"
    )
    page.close()
    lost = [
        link
        for link in links
        if "://" not in link and not link.startswith("#") and not (folder / "passed" / link).is_file()
    ]
    # The story keeps no summaries; everything else is there.
    assert [link for link in lost if "/summaries/" not in link] == []
    assert inside == 0
