"""A real Jaeger: one that runs, or a program that the stack starts with memory for its store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from deployments.rehearsal.real.asking import get_json, started
from deployments.rehearsal.real.part import NotUsable, Part

STAND_IN = "our own pages for Jaeger, with its API"
MAX_TRACES = 50_000
"""Traces kept in memory by a Jaeger that the stack starts; a rehearsal makes some 10,000."""

SETTINGS = {"OTEL_TRACES_SAMPLER": "always_off"}
"""Environment of a Jaeger that the stack starts: it would send traces of its own pages to port 4317, whoever listens."""

_ANSWER_S = 5.0


def find_jaeger(path: str, environment: Mapping[str, str]) -> Part:
    """Return the Jaeger of JAEGER_URL and JAEGER_OTLP_URL, else one on PATH, else the stand-in with the reason."""
    url, otlp_url = (environment.get(name, "").rstrip("/") for name in ("JAEGER_URL", "JAEGER_OTLP_URL"))
    reasons = []
    if url or otlp_url:
        try:
            _answers(url, otlp_url)
        except NotUsable as error:
            reasons.append(str(error))
        else:
            return Part(f"real: Jaeger at {url}", url=url, otlp_url=otlp_url)
    for name in ("jaeger", "jaeger-all-in-one"):
        program = shutil.which(name, path=path)
        if program is not None:
            try:
                started(program, "version", path=path)
            except NotUsable as error:
                reasons.append(str(error))
            else:
                return Part(f"real: Jaeger, {program}, is started", program=program)
    reason = "; ".join(reasons) or "JAEGER_URL and JAEGER_OTLP_URL are not set, and no jaeger is on PATH"
    return Part(f"stand-in: {STAND_IN} ({reason})")


def command(program: str, host: str, query_port: int, otlp_port: int, folder: Path) -> list[str]:
    """Return the command line that starts Jaeger on two ports of a host, and write its configuration.

    1.x is called jaeger-all-in-one and takes flags; 2.x takes a file as the OpenTelemetry collector does. What it listens
    on besides gets free ports of the same host.
    """
    if Path(program).name == "jaeger-all-in-one":
        flags = {
            "query.http-server.host-port": f"{host}:{query_port}",
            "query.grpc-server.host-port": f"{host}:0",
            "collector.otlp.enabled": "true",
            "collector.otlp.http.host-port": f"{host}:{otlp_port}",
            "collector.otlp.grpc.host-port": f"{host}:0",
            "collector.http-server.host-port": f"{host}:0",
            "collector.grpc-server.host-port": f"{host}:0",
            "admin.http.host-port": f"{host}:0",
            "memory.max-traces": str(MAX_TRACES),
        }
        return [program, *(f"--{name}={value}" for name, value in flags.items())]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "jaeger.yaml"
    # JSON is YAML.
    file.write_text(json.dumps(_configuration(host, query_port, otlp_port), indent=1) + "\n")
    return [program, f"--config={file}"]


def _configuration(host: str, query_port: int, otlp_port: int) -> dict[str, Any]:
    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
        },
        "extensions": {
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": MAX_TRACES}}}},
            "jaeger_query": {
                "storage": {"traces": "memory"},
                "http": {"endpoint": f"{host}:{query_port}"},
                "grpc": {"endpoint": f"{host}:0"},
            },
        },
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"{host}:{otlp_port}"}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
    }


def _answers(url: str, otlp_url: str) -> None:
    if not url or not otlp_url:
        raise NotUsable(f"{'JAEGER_URL' if not url else 'JAEGER_OTLP_URL'} is not set")
    get_json("Jaeger", f"{url}/api/services")
    try:
        taken = httpx.post(f"{otlp_url}/v1/traces", json={"resourceSpans": []}, timeout=_ANSWER_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotUsable(f"{otlp_url} takes no spans: {str(error) or type(error).__name__}") from error
    if taken.status_code != httpx.codes.OK:
        raise NotUsable(f"{otlp_url}/v1/traces answers {taken.status_code} to an empty export")
