"""The pictures the product takes of a dashboard."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from blocks.models.errors import Failed, Unavailable
from tasks.clients.browser import Photographer
from tests.integration.grafana.servers import Grafana

pytestmark = [pytest.mark.browser, pytest.mark.integration]

SLOW_S = 1.5


@pytest.mark.parametrize("stays", [False, True])
def test_a_slow_dashboard_is_photographed_once_all_its_panels_have_loaded(
    grafana: Grafana, tmp_path: Path, stays: bool
) -> None:
    now = int(time.time() * 1000)
    paths = [f"/d/ebit-perf-test?from={now - span}&to={now}&refresh=&kiosk" for span in (300_000, 200_000)]
    files = [tmp_path / "first.png", tmp_path / "second.png"]
    with _slow(grafana.url) as url, Photographer("", stays=stays) as browser:
        views = [browser.photograph(url + path, file) for path, file in zip(paths, files, strict=True)]
    assert [view.error_banners for view in views if view] == [0, 0]
    for path, file in zip(paths, files, strict=True):
        assert _unlike(file.read_bytes(), _seen(grafana.url + path)) < 0.002


def test_a_picture_is_given_up_as_soon_as_quiet_is_needed(grafana: Grafana, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    asked = []

    def go_on() -> bool:
        asked.append(time.monotonic())
        return len(asked) < 3

    with _slow(grafana.url) as url, Photographer("") as browser:
        assert browser.photograph(f"{url}/d/ebit-perf-test?kiosk", file, go_on) is None
        assert len(asked) == 3
        assert not file.exists()
        # The browser can be used again.
        assert browser.photograph(f"{grafana.url}/d/ebit-perf-test?kiosk", file) is not None
    assert file.exists()


def test_a_dashboard_that_does_not_load_in_time_is_no_picture(grafana: Grafana, tmp_path: Path) -> None:
    with _slow(grafana.url) as url, Photographer("") as browser, pytest.raises(Unavailable, match="did not load"):
        browser.photograph(f"{url}/d/ebit-perf-test?kiosk", tmp_path / "picture.png", load_s=0.5)
    assert list(tmp_path.iterdir()) == []


def test_a_login_page_is_a_failure_and_no_picture(tmp_path: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there = self.path.startswith("/login")
            self.send_response(200 if there else 302)
            if not there:
                self.send_header("Location", "/login")
            self.end_headers()
            self.wfile.write(b"<title>Grafana</title><input name='user'>" if there else b"")

        def log_message(self, *_: object) -> None:
            pass

    with _serving(Handler) as url, Photographer("") as browser, pytest.raises(Failed, match="asked for a log-in"):
        browser.photograph(f"{url}/d/x", tmp_path / "picture.png")
    assert list(tmp_path.iterdir()) == []


@contextmanager
def _slow(upstream: str) -> Iterator[str]:
    """The same Grafana behind a server that takes its time over the dashboard."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/api/dashboards/"):
                time.sleep(SLOW_S)
            self._pass_on(b"")

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers["Content-Length"])))

        def _pass_on(self, body: bytes) -> None:
            sent = {name: self.headers[name] for name in ("Content-Type", "Cookie") if name in self.headers}
            answer = httpx.request(self.command, upstream + self.path, content=body, headers=sent)
            self.send_response(answer.status_code)
            for name in ("Content-Type", "Set-Cookie"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            pass

    with _serving(Handler) as url:
        yield url


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _unlike(picture: bytes, other: bytes) -> float:
    """The share of pixels that differ; 1 when the pictures have different sizes."""
    ours, theirs = (np.asarray(Image.open(BytesIO(each)).convert("L")) for each in (picture, other))
    return float(np.mean(ours != theirs)) if ours.shape == theirs.shape else 1.0


def _seen(address: str) -> bytes:
    """What a person sees who waits."""
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
