"""The dashboard and provisioning files of the checkout, as a real Grafana would read them."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments.rehearsal.grafana.dashboards import DashboardFolder
from deployments.rehearsal.grafana.datasources import JAEGER_UID, PROMETHEUS_UID, SCRAPE_INTERVAL

FOLDER = Path(__file__).parents[3] / "deployments" / "rehearsal" / "checkout" / "monitoring" / "grafana"
MODEL: dict[str, Any] = json.loads((FOLDER / "dashboards" / "ebit-perf-test.json").read_text())
PANELS: list[dict[str, Any]] = MODEL["panels"]
SERVER_MACROS = {"__rate_interval", "__interval", "__range"}


def _expressions() -> list[str]:
    return [target["expr"] for panel in PANELS for target in panel["targets"] if "expr" in target]


def test_provisioning_gives_the_data_sources_the_stand_in_has() -> None:
    sources = yaml.safe_load((FOLDER / "provisioning" / "datasources" / "datasources.yaml").read_text())["datasources"]
    by_uid = {source["uid"]: source for source in sources}
    assert set(by_uid) == {PROMETHEUS_UID, JAEGER_UID}
    assert by_uid[PROMETHEUS_UID]["jsonData"]["timeInterval"] == SCRAPE_INTERVAL


def test_provisioning_names_a_file_provider() -> None:
    (provider,) = yaml.safe_load((FOLDER / "provisioning" / "dashboards" / "dashboards.yaml").read_text())["providers"]
    assert (provider["type"], "path" in provider["options"]) == ("file", True)


def test_the_folder_serves_the_dashboard_under_its_uid() -> None:
    dashboard = DashboardFolder(FOLDER / "dashboards").find("ebit-perf-test")
    assert dashboard is not None
    assert dashboard.url == "/d/ebit-perf-test/ebit-perf-test"


def test_panels_have_their_own_ids_and_places() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for one, other in combinations([panel["gridPos"] for panel in PANELS], 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)


def test_every_target_names_a_provisioned_data_source() -> None:
    uids = {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]}
    assert uids == {PROMETHEUS_UID, JAEGER_UID}


def test_every_variable_in_an_expression_is_defined() -> None:
    names = {variable["name"] for variable in MODEL["templating"]["list"]}
    used = {name for expression in _expressions() for name in re.findall(r"\$\{?(\w+)", expression)}
    assert used <= names | SERVER_MACROS
    assert "service" in used


@pytest.mark.parametrize(("title", "limit"), [("p95 per endpoint", 500), ("Error rate", 0.05)])
def test_the_limits_of_the_guard_are_drawn_as_lines(title: str, limit: float) -> None:
    (panel,) = [panel for panel in PANELS if panel["title"] == title]
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["thresholds"]["steps"][-1]["value"] == limit
    assert defaults["custom"]["thresholdsStyle"]["mode"] == "line"


def test_a_broken_dashboard_file_is_left_out_and_the_others_stay(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text('{"title": "no uid"}')
    (tmp_path / "c.json").write_text('{"uid": "c", "title": "Fine: one"}')
    folder = DashboardFolder(tmp_path)
    assert [dashboard.slug for dashboard in folder.all()] == ["fine-one"]
    (tmp_path / "a.json").write_text('{"uid": "a"}')
    assert {dashboard.uid for dashboard in folder.all()} == {"a", "c"}
