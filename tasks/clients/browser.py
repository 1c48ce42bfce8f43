"""The system's Chromium: opening a dashboard as a person would, and taking its picture."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, sync_playwright
from playwright.sync_api import TimeoutError as TookTooLong

from blocks.models.errors import Failed, Unavailable

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic",
]  # fmt: skip
# A picture can wait; where the browser shares its cores with the load, what is measured comes first.
_POLITE = """#!/bin/sh
exec nice -n 19 {executable} "$@"
"""
WIDTH = 1600
"""Width of a picture in pixels."""
_HEIGHT, _LONGEST = 900, 6000
# A dashboard that has not loaded by then is not looked at by anybody either.
_LOAD_S = 20.0
_POLL_MS = 100
# Grafana counts its running queries. Panels begin theirs a moment after they come into view, and a page that has not
# begun has no count, so the count has to be there and to stay 0 for a second.
_SETTLED_MS = 1000
IDLE = """(quiet) => {
  const now = performance.now();
  if (window.__grafanaRunningQueryCount !== 0 || window.rampartBusyAt === undefined) window.rampartBusyAt = now;
  return now - window.rampartBusyAt > quiet;
}"""
"""Whether no query has run for so many ms: between two of a panel the count may touch 0."""
# Grafana follows its address as the browser's back and forward buttons change it, and asks for the new range.
_GO = """(address) => {
  window.rampartBusyAt = undefined;
  window.history.replaceState(null, '', address);
  window.dispatchEvent(new PopStateEvent('popstate', { state: null }));
}"""
_MOVE_MS, _BEGIN_MS = _LOAD_S * 1000, 1500
_BLANK = "about:blank"
_BANNERS = '[data-testid="data-testid Panel status error"], [data-testid="data-testid Alert error"]'


def find_chromium() -> str:
    """Return the path of the system's Chromium.

    Raises:
        Failed: there is none.
    """
    executable = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if executable is None:
        raise Failed("No Chromium was found on PATH; install the system's package chromium for screenshots.")
    return executable


@dataclass(frozen=True)
class PageView:
    """What a person would have seen."""

    title: str
    error_banners: int


class Photographer:
    """A browser that stays open between pictures; belongs to the thread that opened it.

    Args:
        token: service account token; empty for anonymous access.
        stays: leave the dashboard open between two pictures, and only change its range: quicker, but an open dashboard
            goes on asking for data.

    Raises:
        Failed: there is no Chromium.
        Unavailable: it did not start.
    """

    def __init__(self, token: str, *, stays: bool = False) -> None:
        self._token = token
        self._stays = stays
        self._opened = ExitStack()
        self._page: Page | None = None

    def __enter__(self) -> Self:
        executable = find_chromium()
        try:
            polite = Path(self._opened.enter_context(TemporaryDirectory(prefix="rampart-"))) / "chromium"
            polite.write_text(_POLITE.format(executable=shlex.quote(executable)))
            polite.chmod(0o700)
            playwright = self._opened.enter_context(sync_playwright())
            browser = playwright.chromium.launch(executable_path=polite, args=_ARGUMENTS)
            self._opened.callback(browser.close)
            self._page = browser.new_page(
                viewport={"width": WIDTH, "height": _HEIGHT},
                extra_http_headers={"Authorization": f"Bearer {self._token}"} if self._token else {},
            )
        except BrowserError as error:
            self._opened.close()
            raise Unavailable(f"Chromium did not start: {_first_line(error)}") from error
        return self

    @property
    def page(self) -> Page:
        """The open page."""
        assert self._page is not None
        return self._page

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def photograph(
        self, url: str, file: Path, go_on: Callable[[], bool] = lambda: True, *, load_s: float = _LOAD_S
    ) -> PageView | None:
        """Open a Grafana page, wait until all its panels have their data, and save the full page as PNG.

        Args:
            url: its address.
            file: the picture.
            go_on: asked again and again; False gives the picture up.
            load_s: how long the page may take to load.

        Returns:
            What was seen; None when it was given up.

        Raises:
            Failed: Grafana shows a log-in page, or the picture cannot be written.
            Unavailable: the page did not load in time.
        """
        assert self._page is not None
        deadline = time.monotonic() + load_s
        try:
            return self._photograph(self._page, url, file, go_on, deadline)
        except BrowserError as error:
            raise Unavailable(f"The dashboard's page did not load: {_first_line(error)}") from error
        except OSError as error:
            raise Failed(f"The picture {file.name} could not be written: {error.strerror}.") from error
        finally:
            if not self._stays:
                with suppress(BrowserError):
                    self._page.goto(_BLANK)

    def _photograph(
        self, page: Page, url: str, file: Path, go_on: Callable[[], bool], deadline: float
    ) -> PageView | None:
        if page.url == _BLANK:
            page.goto(url, wait_until="commit", timeout=_left_ms(deadline))
            if not _wait_until_settled(page, go_on, deadline):
                return None
        else:
            move(page, url)
        if "/login" in page.url:
            raise Failed(f"Grafana asked for a log-in at {url}; set observability.grafana_token.")
        # Panels load when they come into view, so the view is made as long as the page, and stays so for the next one.
        height = min(int(page.evaluate(f"Math.max(document.documentElement.scrollHeight, {_HEIGHT})")), _LONGEST)
        if page.viewport_size != {"width": WIDTH, "height": height}:
            page.set_viewport_size({"width": WIDTH, "height": height})
            page.evaluate("window.rampartBusyAt = performance.now()")
            if not _wait_until_settled(page, go_on, deadline):
                return None
        banners = page.locator(_BANNERS).count()
        picture = page.screenshot(full_page=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, picture)
        return PageView(title=page.title(), error_banners=banners)


def move(page: Page, url: str) -> None:
    """Show another range of a dashboard that is open; a Grafana that does not follow its address is loaded again."""
    page.evaluate(_GO, url)
    try:
        page.wait_for_function("window.__grafanaRunningQueryCount > 0", timeout=_BEGIN_MS, polling=20)
    except TookTooLong:
        page.goto(_BLANK)
        page.goto(url, timeout=_MOVE_MS)
        page.wait_for_function(IDLE, arg=500, timeout=_MOVE_MS)
        return
    page.wait_for_function(IDLE, arg=150, timeout=_MOVE_MS)


def write_whole(file: Path, data: bytes) -> None:
    """Write a file beside its place first; one that cannot be written whole is not left there."""
    part = file.with_name(file.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _wait_until_settled(page: Page, go_on: Callable[[], bool], deadline: float) -> bool:
    while not _settled(page):
        if "/login" in page.url:
            return True
        if not go_on():
            return False
        if time.monotonic() > deadline:
            raise Unavailable("The dashboard's page did not load: its panels were still asking for data.")
        page.wait_for_timeout(_POLL_MS)
    return True


def _settled(page: Page) -> bool:
    try:
        return bool(page.evaluate(IDLE, _SETTLED_MS))
    except BrowserError as error:
        # The page is going to another one, such as the log-in.
        if "context was destroyed" in str(error):
            return False
        raise


def _left_ms(deadline: float) -> float:
    return max(1.0, (deadline - time.monotonic()) * 1000)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]


@contextmanager
def open_page(token: str) -> Iterator[Page]:
    """Open one page of Chromium and close the browser behind it.

    Raises:
        Failed: there is no Chromium.
        Unavailable: the browser, or the page in it, did not do what it was asked in time.
    """
    with Photographer(token) as photographer:
        try:
            yield photographer.page
        except BrowserError as error:
            raise Unavailable(f"The dashboard's page did not load: {_first_line(error)}") from error
