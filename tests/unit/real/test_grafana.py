from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from blocks.models.errors import Failed
from deployments.rehearsal.layout import CHECKOUT_SOURCE
from deployments.rehearsal.real.grafana import OwnGrafana, Tenancy, find_grafana
from deployments.rehearsal.real.part import Part
from tests.unit.real.conftest import Serve, contract

HEALTH = {("GET", "/api/health"): (200, contract("grafana/health.200.json"))}
SOURCES = {("GET", "/api/datasources"): (200, contract("grafana/datasources.200.json"))}
MONITORING = CHECKOUT_SOURCE / "monitoring" / "grafana"
DASHBOARD = MONITORING / "dashboards" / "ebit-perf-test.json"
WANTED = "wanted is a service account's token with the role Admin"


def stand_in(reason: str) -> Part:
    return Part(f"stand-in: our own pages for Grafana, with its API ({reason})")


def test_a_grafana_whose_token_may_do_it_is_used(serve: Serve) -> None:
    server = serve({**HEALTH, **SOURCES})
    part = find_grafana("", {"GRAFANA_URL": f"{server.url}/", "GRAFANA_TOKEN": "t"})
    assert part == Part(f"real: Grafana 12.4.0 at {server.url}, in a folder of its own", url=server.url)


def test_without_any_the_stand_in_serves(tmp_path: Path) -> None:
    assert find_grafana(str(tmp_path), {}) == stand_in("GRAFANA_URL is not set, and no grafana is on PATH")


@pytest.mark.parametrize(("status", "name"), [(401, "error.401"), (403, "error.403")])
def test_a_token_that_may_not_is_said(serve: Serve, tmp_path: Path, status: int, name: str) -> None:
    server = serve({**HEALTH, ("GET", "/api/datasources"): (status, contract(f"grafana/{name}.json"))})
    part = find_grafana(str(tmp_path), {"GRAFANA_URL": server.url, "GRAFANA_TOKEN": "t"})
    refused = f"Grafana at {server.url}/api/datasources answers {status}"
    assert part == stand_in(f"{refused} to GRAFANA_TOKEN; {WANTED}")


def test_something_else_behind_the_address_is_said(serve: Serve, tmp_path: Path) -> None:
    server = serve({("GET", "/api/health"): (200, {"status": "UP"})})
    part = find_grafana(str(tmp_path), {"GRAFANA_URL": server.url, "GRAFANA_TOKEN": "t"})
    assert part == stand_in(f"{server.url} is no Grafana")


def test_a_program_with_its_home_is_used(tmp_path: Path, program: Callable[[str, str], Path]) -> None:
    file = program("grafana", "echo grafana version 12.4.0")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "defaults.ini").touch()
    part = find_grafana(str(file.parent), {})
    assert part == Part(f"real: Grafana, {file} with {tmp_path}, is started", program=str(file))
    assert OwnGrafana(part.program, tmp_path / "own").command() == [str(file), "server", f"--homepath={tmp_path}"]


def test_the_checkouts_files_provision_it_with_the_folder_of_this_machine(tmp_path: Path) -> None:
    dashboards = MONITORING / "dashboards"
    OwnGrafana("/opt/grafana/bin/grafana", tmp_path).provision(MONITORING / "provisioning", dashboards)
    assert f"path: {dashboards}\n" in (tmp_path / "provisioning" / "dashboards" / "dashboards.yaml").read_text()
    assert "${PROMETHEUS_URL}" in (tmp_path / "provisioning" / "datasources" / "datasources.yaml").read_text()


def test_it_makes_a_token_of_a_service_account(serve: Serve, tmp_path: Path) -> None:
    server = serve(
        {
            ("POST", "/api/serviceaccounts"): (201, contract("grafana/serviceaccount.201.json")),
            ("POST", "/api/serviceaccounts/7/tokens"): (200, contract("grafana/serviceaccount_token.200.json")),
        }
    )
    token = OwnGrafana("grafana", tmp_path).make_token(server.url)
    assert token == "glsa_yscW25imSKJIuav8zF37RZmnbiDvB05G_fcaaf58a"
    assert server.sent[0] == ("POST", "/api/serviceaccounts", {"name": "rampart", "role": "Editor"})


MADE = {
    ("POST", "/api/datasources"): (200, {"message": "Datasource added"}),
    ("GET", "/api/datasources/uid/rampart-1-prometheus/health"): (200, contract("grafana/datasource_health.200.json")),
    ("POST", "/api/folders"): (200, {"uid": "rampart-1"}),
    ("POST", "/api/dashboards/db"): (200, {"status": "success"}),
}


def test_in_somebodys_grafana_everything_has_a_name_of_its_own(serve: Serve) -> None:
    server = serve(MADE)
    tenancy = Tenancy(server.url, "t", "1")
    tenancy.move_in(DASHBOARD, "http://127.0.0.1:9090", "http://127.0.0.1:16686")
    sent = {(path, body["uid"]): body for method, path, body in server.sent if isinstance(body, dict) and "uid" in body}
    assert sent["/api/datasources", "rampart-1-prometheus"]["url"] == "http://127.0.0.1:9090"
    assert sent["/api/datasources", "rampart-1-jaeger"]["url"] == "http://127.0.0.1:16686"
    body = server.sent[-1][2]
    assert isinstance(body, dict)
    assert body["folderUid"] == "rampart-1"
    assert body["dashboard"]["uid"] == tenancy.dashboard_uid == "rampart-1-run"
    text = json.dumps(body)
    assert "prom-main" not in text
    assert "jaeger-main" not in text
    assert text.count('"rampart-1-prometheus"') == DASHBOARD.read_text().count('"prom-main"')


def test_a_grafana_that_does_not_reach_prometheus_is_a_failure_with_the_way_out(serve: Serve) -> None:
    down = (400, contract("grafana/datasource_health.400.json"))
    server = serve({**MADE, ("GET", "/api/datasources/uid/rampart-1-prometheus/health"): down})
    with pytest.raises(Failed, match=r"does not reach this machine's Prometheus .* unset GRAFANA_URL"):
        Tenancy(server.url, "t", "1").move_in(DASHBOARD, "http://127.0.0.1:9090", "http://127.0.0.1:16686")


def test_moving_out_deletes_the_same_things_and_names_what_stays(serve: Serve) -> None:
    server = serve(
        {
            ("DELETE", "/api/folders/rampart-1"): (403, contract("grafana/error.403.json")),
            ("DELETE", "/api/datasources/uid/rampart-1-prometheus"): (200, {"message": "Data source deleted"}),
        }
    )
    left = list(Tenancy(server.url, "t", "1").move_out())
    assert [path for _, path, _ in server.sent] == [
        "/api/folders/rampart-1",
        "/api/datasources/uid/rampart-1-prometheus",
        "/api/datasources/uid/rampart-1-jaeger",
    ]
    assert len(left) == 1
    assert "/api/folders/rampart-1 is not deleted: You'll need additional permissions" in left[0]
