"""The pictures the product takes of a dashboard."""

import shutil
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from tasks.clients.browser import photograph_dashboards
from tests.integration.grafana.servers import Grafana

pytestmark = [pytest.mark.browser, pytest.mark.integration]


def test_every_picture_shows_what_a_person_sees_once_all_panels_have_loaded(grafana: Grafana, tmp_path: Path) -> None:
    now = int(time.time() * 1000)
    addresses = [
        f"{grafana.url}/d/ebit-perf-test?from={now - span}&to={now}&refresh=&kiosk" for span in (300_000, 200_000)
    ]
    files = [tmp_path / "first.png", tmp_path / "second.png"]
    views = photograph_dashboards(list(zip(addresses, files, strict=True)), "")
    assert [view.error_banners for view in views] == [0, 0]
    for address, file in zip(addresses, files, strict=True):
        assert _unlike(file.read_bytes(), _seen(address)) < 0.002


def _unlike(picture: bytes, other: bytes) -> float:
    """The share of pixels that differ."""
    ours, theirs = (Image.open(BytesIO(each)).convert("L") for each in (picture, other))
    assert ours.size == theirs.size
    return float(np.mean(np.asarray(ours) != np.asarray(theirs)))


def _seen(address: str) -> bytes:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.goto(address)
        page.wait_for_function("window.__grafanaRunningQueryCount === 0")
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": 1600, "height": height})
        page.wait_for_function("document.querySelectorAll('.panel-body:empty').length === 0")
        page.wait_for_function("window.__grafanaRunningQueryCount === 0")
        picture = page.screenshot(full_page=True)
        browser.close()
    return picture
