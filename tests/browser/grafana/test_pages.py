"""The stand-in's pages in a real browser, drawn from a real Prometheus."""

import json
import shutil
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.integration.grafana.servers import Grafana
from tests.integration.grafana.shapes import contract

pytestmark = [pytest.mark.browser, pytest.mark.integration]

UID = "ebit-perf-test"
ERROR_BANNER = "[data-testid='data-testid Panel status error']"
NO_DATA = "[data-testid='data-testid Panel data error message']"
LINES = "svg.chart path.series"
WIDTH = 1920
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert binary, "no Chromium on PATH: install it (make setup)"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=binary, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": WIDTH, "height": 700})
    yield opened
    opened.close()


def _open(page: Page, grafana: Grafana, path: str) -> None:
    page.goto(grafana.url + path)
    page.wait_for_function("window.__grafanaRunningQueryCount === 0")


def _whole(page: Page) -> None:
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.wait_for_function("document.querySelectorAll('.panel-body:empty').length === 0")
    page.wait_for_function("window.__grafanaRunningQueryCount === 0")


def _panel(title: str) -> str:
    return f"[data-testid='data-testid Panel header {title}']"


def test_the_dashboard_draws_lines_for_all_panels_with_data(page: Page, grafana: Grafana) -> None:
    _open(page, grafana, f"/d/{UID}?from=now-5m&to=now&refresh=")
    _whole(page)
    expect(page.locator(f"{_panel('p95 per endpoint')} {LINES}")).to_have_count(3)
    assert page.locator(f"{_panel('VUs per load generator segment')} [data-series]").count() == 10
    assert page.locator(ERROR_BANNER).count() == 0
    assert page.locator(NO_DATA).all_inner_texts() == ["No data"]
    legend = page.locator(f"{_panel('Virtual users')} .legend").inner_text()
    assert legend.split() == ["VUs", "100"]
    assert page.locator("#standin").inner_text() == "Stand-in for Grafana: rehearsal only"
    axes = page.locator("svg.chart").evaluate_all(
        "charts => charts.map(chart => [...chart.querySelectorAll('.tick[text-anchor=end]')].map(tick => tick.textContent))"
    )
    assert [labels for labels in axes if len(set(labels)) < len(labels)] == []
    assert all(axes)


def test_panels_out_of_sight_are_not_queried_until_the_page_is_enlarged(page: Page, grafana: Grafana) -> None:
    _open(page, grafana, f"/d/{UID}?from=now-5m&to=now&refresh=")
    below = page.locator(f"{_panel('Prisma query p95')} .panel-body")
    assert below.inner_html() == ""
    _whole(page)
    assert "<svg" in below.inner_html()


def test_nothing_outside_the_server_is_asked_for(page: Page, grafana: Grafana) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    _open(page, grafana, f"/d/{UID}?from=now-5m&to=now&refresh=")
    assert asked
    assert {url.startswith(grafana.url) for url in asked} == {True}


def test_limits_are_lines_and_annotations_are_marks(page: Page, grafana: Grafana) -> None:
    now = int(time.time() * 1000)
    note = {"dashboardUID": UID, "time": now - 60_000, "text": "Stage 7 begins", "tags": ["perf-stage"]}
    assert grafana.editor.post("/api/annotations", json=note).status_code == 200
    _open(page, grafana, f"/d/{UID}?from={now - 180_000}&to={now}")
    panel = page.locator(_panel("p95 per endpoint"))
    assert panel.locator("line.threshold").count() == 1
    assert panel.locator("line[data-annotation='Stage 7 begins']").count() == 1


def test_kiosk_hides_the_chrome_and_the_picker_when_asked(page: Page, grafana: Grafana) -> None:
    address = contract_link("kiosk")
    _open(page, grafana, address)
    assert page.locator(".crumbs").count() == 0
    assert page.locator("[data-testid='data-testid TimePicker Open Button']").count() == 0
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert page.locator("#standin").is_visible()


@pytest.mark.parametrize("link", ["panel", "panel_legacy"])
def test_one_panel_fills_the_page(page: Page, grafana: Grafana, link: str) -> None:
    _open(page, grafana, contract_link(link))
    assert page.locator("section.panel").count() == 1


def test_a_range_in_the_address_is_shown_in_the_header(page: Page, grafana: Grafana) -> None:
    _open(page, grafana, contract_link("dashboard"))
    shown = page.locator("[data-testid='data-testid TimePicker Open Button']").inner_text()
    assert "2026-11-23 08:10:00 to 2026-11-23 08:15:00 UTC" in shown
    # a time without samples: no data anywhere in sight, and that is no error
    assert set(page.locator(NO_DATA).all_inner_texts()) == {"No data"}
    assert page.locator(ERROR_BANNER).count() == 0


def test_a_refreshing_page_asks_again_by_itself(page: Page, grafana: Grafana) -> None:
    _open(page, grafana, f"/d/{UID}?from=now-5m&to=now&refresh=1s&viewPanel=panel-1")
    with page.expect_response(lambda answer: answer.url.endswith("/api/ds/query"), timeout=5_000):
        pass


def test_a_dashboard_that_does_not_exist_says_so(page: Page, grafana: Grafana) -> None:
    answer = page.goto(f"{grafana.url}/d/nope/x")
    assert answer is not None
    assert answer.status == 200
    expect(page.get_by_role("heading", name="Dashboard not found")).to_be_visible()


def test_failing_queries_show_red_banners(page: Page, grafana_alone: Grafana) -> None:
    _open(page, grafana_alone, f"/d/{UID}?from=now-5m&to=now&refresh=")
    _whole(page)
    panels = page.locator("section.panel").count()
    assert page.locator(ERROR_BANNER).count() == panels
    assert "connection refused" in str(page.locator(ERROR_BANNER).first.get_attribute("title"))
    expect(page.locator("[data-testid='data-testid Alert error']")).to_be_visible()


def test_a_snapshot_page_draws_its_frames_and_queries_nothing(page: Page, grafana: Grafana) -> None:
    made = grafana.editor.post("/api/snapshots", json=contract("snapshot.request")).json()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(httpx.URL(request.url).path))
    page.goto(made["url"])
    expect(page.locator(LINES)).to_have_count(1)
    assert page.locator(".legend").inner_text().split()[0] == "calls/s"
    assert "/api/ds/query" not in asked


def test_a_deleted_snapshots_page_says_so(page: Page, grafana: Grafana) -> None:
    page.goto(f"{grafana.url}/dashboard/snapshot/gone")
    expect(page.get_by_role("heading", name="Snapshot not found")).to_be_visible()


def test_explore_draws_the_query_of_its_link(page: Page, grafana: Grafana) -> None:
    pane = {
        "datasource": "prom-main",
        "queries": [{"refId": "A", "datasource": {"type": "prometheus", "uid": "prom-main"}, "expr": "sum(k6_vus)"}],
        "range": {"from": "now-5m", "to": "now"},
    }
    query = httpx.QueryParams({"orgId": "1", "schemaVersion": "1", "panes": json.dumps({"a": pane})})
    _open(page, grafana, f"/explore?{query}")
    expect(page.locator(LINES)).to_have_count(1)
    assert page.locator("textarea").input_value() == "sum(k6_vus)"


def test_explore_draws_the_spans_of_a_trace(page: Page, grafana: Grafana) -> None:
    _open(page, grafana, contract_link("explore_jaeger"))
    assert page.locator(".span").count() == 2


def test_home_lists_dashboards_and_healthy_data_sources(page: Page, grafana: Grafana) -> None:
    page.goto(grafana.url)
    expect(page.get_by_role("link", name="EBIT perf test")).to_be_visible()
    expect(page.locator(".tag.good")).to_have_count(2)


def contract_link(name: str) -> str:
    """A link as the contracts have it (links.json)."""
    return str(contract("../links")[name])
