"""The recorded contracts, spans to send, and the comparison of shapes."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from deployments.rehearsal.telemetry.exposition import exposition
from deployments.rehearsal.telemetry.jaeger import jaeger
from deployments.rehearsal.telemetry.receiver import receiver
from deployments.rehearsal.telemetry.spanmetrics import SpanMetrics
from deployments.rehearsal.telemetry.store import TraceStore
from deployments.rehearsal.telemetry.web import Handler, Request, Response
from deployments.rehearsal.telemetry.wire import decode_json

CONTRACTS = Path(__file__).parents[2] / "contracts"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
ROOT_ID = "00f067aa0ba902b7"
START_NS = 1_795_421_400_000_000_000
MS = 1_000_000
WINDOW = "start=1795421400000000&end=1795421700000000"
V3_WINDOW = "query.startTimeMin=2026-11-23T08:10:00Z&query.startTimeMax=2026-11-23T08:15:00Z"


def contract(name: str) -> Any:
    return json.loads((CONTRACTS / name).read_text())


def recorded(name: str) -> tuple[int, str]:
    """Return the status and content type a contract's source names."""
    lines = dict(
        line.split(": ", 1) for line in (CONTRACTS / f"{name}.source").read_text().splitlines() if ": " in line
    )
    return int(lines["status"]), lines["content-type"]


def shape(value: Any) -> Any:
    """Return keys and types, recursively; a list has the set of its elements' shapes."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(item), sort_keys=True) for item in value})
    return type(value).__name__


def attribute(key: str, value: str | int) -> dict[str, Any]:
    return {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}


def span(number: int = 1, name: str = "GET /orders", **fields: Any) -> dict[str, Any]:
    """Return a span of 100 ms in a trace of its own unless told otherwise; each starts a second after the last."""
    start = START_NS + number * 1000 * MS
    return {
        "traceId": f"{number:032x}".replace("0", "a", 1),
        "spanId": f"{number:016x}",
        "name": name,
        "kind": 2,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + fields.pop("ms", 100) * MS),
        "attributes": [attribute(key, value) for key, value in fields.pop("attributes", {}).items()],
        **fields,
    }


def failed(**fields: Any) -> dict[str, Any]:
    return {"status": {"code": 2, "message": "timeout"}} | fields


def export(*spans: dict[str, Any], service: str = "api", scope: str = "@opentelemetry/instrumentation-http") -> Any:
    resource = {"attributes": [attribute("host.name", "c1"), attribute("service.name", service)]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": scope}, "spans": list(spans)}]}]}


def recorded_trace() -> Any:
    """Return, as something to send, the trace the Jaeger contracts were captured with."""
    return contract("jaeger/v3_trace.200.json")["result"]


@dataclass
class StandIn:
    """The three handlers over one store, called without a network."""

    store: TraceStore
    otlp: Handler
    jaeger: Handler
    metrics: Handler

    def get(self, target: str) -> Response:
        url = urlsplit(target)
        return self.jaeger(Request("GET", url.path, parse_qs(url.query, keep_blank_values=True)))

    def data(self, target: str) -> Any:
        response = self.get(target)
        assert response.status == 200, response.body
        return json.loads(response.body)["data"]

    def names(self, target: str) -> list[str]:
        """Return the first operation's name of each found trace."""
        return [trace["spans"][0]["operationName"] for trace in self.data(target)]

    def page(self, target: str) -> str:
        response = self.get(target)
        assert response.content_type == "text/html; charset=utf-8"
        return response.body.decode()

    def post(self, body: bytes, headers: Mapping[str, str]) -> Response:
        return self.otlp(Request("POST", "/v1/traces", headers=headers, body=body))

    def send(self, document: Any) -> Response:
        response = self.post(json.dumps(document).encode(), {"content-type": "application/json"})
        assert response.status == 200, response.body
        return response

    def scrape(self, accept: str = "") -> str:
        return self.metrics(Request("GET", "/metrics", headers={"accept": accept})).body.decode()


def stand_in(max_traces: int = 1000, max_bytes: int = 10_000_000) -> StandIn:
    store, metrics = TraceStore(max_traces, max_bytes), SpanMetrics()
    return StandIn(store, receiver(store, metrics), jaeger(store), exposition(metrics))


def as_protobuf(document: Any) -> bytes:
    return bytes(decode_json(json.dumps(document).encode()).SerializeToString())


def as_gzip(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)
