"""Walking a dashboard through time on one page that stays open."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from playwright.sync_api import Page

from blocks.models.errors import Failed
from tasks.clients.browser import IDLE, move, open_page

_WIDTH, _SHORTEST, _LONGEST = 1600, 900, 4000
_LOAD_MS = 20_000
# One picture is no film.
_LEAST = 2
_CAPTION = """(text) => {
  let box = document.getElementById('rampart-caption');
  if (!box) {
    box = document.createElement('div');
    box.id = 'rampart-caption';
    box.style.cssText = 'position:fixed;right:16px;top:8px;z-index:99999;padding:8px 16px;border-radius:6px;'
      + 'background:#000c;color:#fff;font:600 24px sans-serif';
    document.body.append(box);
  }
  box.textContent = text;
}"""


@dataclass(frozen=True)
class Frame:
    """A picture to take: the dashboard up to a moment, with what is written over it."""

    at: datetime
    url: str
    caption: str


def walk_dashboard(frames: Sequence[Frame], folder: Path, token: str, budget_s: float) -> dict[datetime, Path]:
    """Take the frames' pictures in their order until the time is used up; returns those that were taken.

    Args:
        frames: the most important first.
        folder: where the pictures go.
        token: service account token; empty for anonymous access.
        budget_s: for how long once the page has loaded; two pictures are taken anyway.

    Raises:
        Failed: there is no Chromium, or Grafana shows a log-in page.
        Unavailable: the page did not load.
    """
    folder.mkdir(parents=True, exist_ok=True)
    taken: dict[datetime, Path] = {}
    with open_page(token) as page:
        _load(page, frames[0].url)
        ends = time.monotonic() + budget_s
        for frame in frames:
            if len(taken) >= _LEAST and time.monotonic() > ends:
                break
            if taken:
                move(page, frame.url)
            page.evaluate(_CAPTION, frame.caption)
            file = folder / f"{frame.at:%H%M%S%f}.jpg"
            page.screenshot(path=str(file), type="jpeg", quality=85)
            taken[frame.at] = file
    return taken


def _load(page: Page, url: str) -> None:
    page.set_viewport_size({"width": _WIDTH, "height": _SHORTEST})
    page.goto(url, timeout=_LOAD_MS)
    if "/login" in page.url:
        raise Failed(f"Grafana asked for a log-in at {url}; set observability.grafana_token.")
    page.wait_for_function(IDLE, arg=500, timeout=_LOAD_MS)
    # Panels load when they come into view, so the view is made as long as the page.
    height = int(page.evaluate(f"Math.max(document.documentElement.scrollHeight, {_SHORTEST})"))
    page.set_viewport_size({"width": _WIDTH, "height": min(height, _LONGEST)})
    page.evaluate("window.rampartBusyAt = undefined")
    page.wait_for_function(IDLE, arg=500, timeout=_LOAD_MS)
