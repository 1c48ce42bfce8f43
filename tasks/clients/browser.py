"""The system's Chromium: opening a dashboard as a person would, and taking its picture."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, sync_playwright

from blocks.models.errors import Failed, Unavailable

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic",
]  # fmt: skip
_WIDTH, _HEIGHT, _LONGEST = 1600, 900, 6000
# A dashboard that has not loaded by then is not looked at by anybody either.
_LOAD_MS = 20_000
# Grafana counts its running queries. Panels begin theirs a moment after they come into view, and a page that has not
# begun has no count, so the count has to be there and to stay 0 for a second.
_SETTLED = """() => {
  const now = performance.now();
  if (window.__grafanaRunningQueryCount !== 0 || window.rampartBusyAt === undefined) window.rampartBusyAt = now;
  return now - window.rampartBusyAt > 1000;
}"""
_BANNERS = '[data-testid="data-testid Panel status error"], [data-testid="data-testid Alert error"]'


@dataclass(frozen=True)
class PageView:
    """What a person would have seen."""

    title: str
    error_banners: int


def photograph_dashboards(pages: Sequence[tuple[str, Path]], token: str) -> tuple[PageView, ...]:
    """Open Grafana pages, wait until their panels have their data, and save each full page as PNG.

    Args:
        pages: (address, file) of each picture.
        token: service account token; empty for anonymous access.

    Raises:
        Failed: there is no Chromium, or it shows a log-in page.
        Unavailable: a page did not load in time.
    """
    with open_page(token) as page:
        return tuple(_photograph(page, url, file) for url, file in pages)


def _photograph(page: Page, url: str, file: Path) -> PageView:
    file.parent.mkdir(parents=True, exist_ok=True)
    page.set_viewport_size({"width": _WIDTH, "height": _HEIGHT})
    page.goto(url, timeout=_LOAD_MS)
    if "/login" in page.url:
        raise Failed(f"Grafana asked for a log-in at {url}; set observability.grafana_token.")
    page.wait_for_function(_SETTLED, timeout=_LOAD_MS)
    # Panels load when they come into view, so the view is made as long as the page.
    height = int(page.evaluate(f"Math.max(document.documentElement.scrollHeight, {_HEIGHT})"))
    page.set_viewport_size({"width": _WIDTH, "height": min(height, _LONGEST)})
    page.evaluate("window.rampartBusyAt = performance.now()")
    page.wait_for_function(_SETTLED, timeout=_LOAD_MS)
    banners = page.locator(_BANNERS).count()
    part = file.with_suffix(".part.png")
    page.screenshot(path=str(part), full_page=True)
    part.rename(file)
    return PageView(title=page.title(), error_banners=banners)


@contextmanager
def open_page(token: str) -> Iterator[Page]:
    """Open one page of Chromium and close the browser behind it.

    Raises:
        Failed: there is no Chromium.
        Unavailable: the browser, or the page in it, did not do what it was asked in time.
    """
    executable = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if executable is None:
        raise Failed("No Chromium was found on PATH; install the system's package chromium for screenshots.")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
            try:
                yield browser.new_page(
                    viewport={"width": _WIDTH, "height": _HEIGHT},
                    extra_http_headers={"Authorization": f"Bearer {token}"} if token else {},
                )
            finally:
                browser.close()
    except BrowserError as error:
        raise Unavailable(f"The dashboard's page did not load: {str(error).splitlines()[0][:200]}") from error
