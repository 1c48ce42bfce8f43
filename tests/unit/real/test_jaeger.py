from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from deployments.rehearsal.real.jaeger import command, find_jaeger
from deployments.rehearsal.real.part import Part
from tests.unit.real.conftest import CONTRACTS, Serve, contract

SERVICES = {("GET", "/api/services"): (200, contract("jaeger/services.200.json"))}
TAKES_SPANS = {("POST", "/v1/traces"): (200, contract("otlp/traces.200.json"))}


def stand_in(reason: str) -> Part:
    return Part(f"stand-in: our own pages for Jaeger, with its API ({reason})")


def test_a_jaeger_that_answers_and_takes_spans_is_used(serve: Serve) -> None:
    query, otlp = serve(SERVICES), serve(TAKES_SPANS)
    environment = {"JAEGER_URL": f"{query.url}/", "JAEGER_OTLP_URL": otlp.url}
    assert find_jaeger("", environment) == Part(f"real: Jaeger at {query.url}", url=query.url, otlp_url=otlp.url)


def test_without_any_the_stand_in_serves(tmp_path: Path) -> None:
    assert find_jaeger(str(tmp_path), {}) == stand_in(
        "JAEGER_URL and JAEGER_OTLP_URL are not set, and no jaeger is on PATH"
    )


def test_a_page_instead_of_an_answer_is_no_jaeger(serve: Serve, tmp_path: Path) -> None:
    page = (CONTRACTS / "jaeger" / "api_unknown.spa_200.html").read_text()
    query = serve({("GET", "/api/services"): (200, page)})
    part = find_jaeger(str(tmp_path), {"JAEGER_URL": query.url, "JAEGER_OTLP_URL": query.url})
    assert part == stand_in(f"Jaeger at {query.url}/api/services does not answer JSON")


def test_a_jaeger_that_takes_no_spans_is_not_used(serve: Serve, tmp_path: Path) -> None:
    query = serve(SERVICES)
    part = find_jaeger(str(tmp_path), {"JAEGER_URL": query.url, "JAEGER_OTLP_URL": query.url})
    assert part == stand_in(f"{query.url}/v1/traces answers 404 to an empty export")


def test_half_an_address_is_said(serve: Serve, tmp_path: Path) -> None:
    part = find_jaeger(str(tmp_path), {"JAEGER_URL": serve(SERVICES).url})
    assert part == stand_in("JAEGER_OTLP_URL is not set")


def test_a_program_on_path_is_used_when_the_address_is_not_good(
    tmp_path: Path, program: Callable[[str, str], Path]
) -> None:
    file = program("jaeger-all-in-one", 'echo \'{"gitVersion":"v1.76.0"}\'')
    part = find_jaeger(str(file.parent), {"JAEGER_URL": "http://127.0.0.1:1", "JAEGER_OTLP_URL": "http://127.0.0.1:1"})
    assert part == Part(f"real: Jaeger, {file}, is started", program=str(file))
    argv = command(part.program, "127.0.0.1", 1, 2, tmp_path)
    assert {"--query.http-server.host-port=127.0.0.1:1", "--collector.otlp.http.host-port=127.0.0.1:2"} < set(argv)


def test_a_program_that_does_not_start_is_said(program: Callable[[str, str], Path]) -> None:
    file = program("jaeger", "echo 'exec format error' >&2; exit 126")
    assert find_jaeger(str(file.parent), {}) == stand_in(f"{file} does not start: exec format error")


def test_jaeger_2_gets_a_file_with_its_ports(tmp_path: Path) -> None:
    argv = command("/opt/jaeger", "127.0.0.1", 16686, 4318, tmp_path / "jaeger")
    assert argv == ["/opt/jaeger", f"--config={tmp_path}/jaeger/jaeger.yaml"]
    written = json.loads((tmp_path / "jaeger" / "jaeger.yaml").read_text())
    assert written["extensions"]["jaeger_query"]["http"] == {"endpoint": "127.0.0.1:16686"}
    assert written["receivers"]["otlp"]["protocols"]["http"] == {"endpoint": "127.0.0.1:4318"}
