"""One query of `POST /api/ds/query` against Jaeger: a trace by its id, or a search."""

from collections.abc import Mapping, Sequence
from typing import Any

from deployments.rehearsal.grafana.answers import Json
from deployments.rehearsal.grafana.datasources import DataSource
from deployments.rehearsal.grafana.timerange import TimeRange
from deployments.rehearsal.grafana.upstream import UpstreamFailed

DEFAULT_LIMIT = 20
"""Traces of a search without a limit (Jaeger's own default)."""

Columns = Sequence[tuple[str, str, str, list[Json]]]


async def run(source: DataSource, ref_id: str, model: Mapping[str, Json], span: TimeRange) -> dict[str, Json]:
    """Run it; the value of `results.<refId>`.

    Args:
        source: The data source.
        ref_id: The query's refId.
        model: As posted: `query` is a trace id, or `queryType` is `search` with `service`, `operation`,
            `minDuration`, `maxDuration`, `tags` and `limit`.
        span: The request's range.
    """
    try:
        if model.get("queryType") == "search":
            columns = await _search(source, model, span)
        else:
            columns = await _trace(source, str(model.get("query") or ""))
    except UpstreamFailed as failure:
        return {"error": failure.message, "errorSource": "downstream", "status": failure.status, "frames": []}
    kind = "table" if model.get("queryType") == "search" else "trace"
    return {"status": 200, "frames": [_frame(ref_id, kind, columns)]}


async def _trace(source: DataSource, trace_id: str) -> Columns:
    body = await source.upstream.send("GET", f"/api/traces/{trace_id}", {})
    trace = (body.get("data") or [{"spans": [], "processes": {}}])[0]
    spans = sorted(trace["spans"], key=lambda span: span["startTime"])
    return (
        ("traceID", "string", "string", [span["traceID"] for span in spans]),
        ("spanID", "string", "string", [span["spanID"] for span in spans]),
        ("parentSpanID", "string", "*string", [_parent(span) for span in spans]),
        ("operationName", "string", "string", [span["operationName"] for span in spans]),
        ("serviceName", "string", "string", [_service(trace, span) for span in spans]),
        ("startTime", "number", "float64", [span["startTime"] / 1000 for span in spans]),
        ("duration", "number", "float64", [span["duration"] / 1000 for span in spans]),
        ("tags", "other", "json.RawMessage", [_tags(span) for span in spans]),
    )


async def _search(source: DataSource, model: Mapping[str, Json], span: TimeRange) -> Columns:
    fields = {
        "service": str(model.get("service") or ""),
        "start": str(span.from_ms * 1000),
        "end": str(span.to_ms * 1000),
        "limit": str(model.get("limit") or DEFAULT_LIMIT),
    }
    for key in ("operation", "minDuration", "maxDuration", "tags"):
        if model.get(key):
            fields[key] = str(model[key])
    body = await source.upstream.send("GET", "/api/traces", fields)
    traces = sorted((trace for trace in body.get("data") or [] if trace["spans"]), key=_length_us, reverse=True)
    return (
        ("traceID", "string", "string", [trace["traceID"] for trace in traces]),
        ("traceName", "string", "string", [_name(trace) for trace in traces]),
        ("startTime", "time", "time.Time", [_root(trace)["startTime"] // 1000 for trace in traces]),
        ("duration", "number", "int64", [_length_us(trace) for trace in traces]),
    )


def _frame(ref_id: str, kind: str, columns: Columns) -> Json:
    configs: dict[str, Json] = {
        "traceID": {"displayName": "Trace ID"},
        "traceName": {"displayName": "Trace name"},
        "startTime": {"displayName": "Start time"},
        "duration": {"displayName": "Duration", "unit": "µs"},
    }
    return {
        "schema": {
            "refId": ref_id,
            "meta": {"typeVersion": [0, 0], "preferredVisualisationType": kind},
            "fields": [
                {
                    "name": name,
                    "type": field_type,
                    "typeInfo": {"frame": go_type},
                    "config": configs.get(name, {}) if kind == "table" else {},
                }
                for name, field_type, go_type, _ in columns
            ],
        },
        "data": {"values": [values for *_, values in columns]},
    }


def _root(trace: Mapping[str, Any]) -> Mapping[str, Any]:
    first: Mapping[str, Any] = min(trace["spans"], key=lambda span: span["startTime"])
    return first


def _length_us(trace: Mapping[str, Any]) -> int:
    start = min(span["startTime"] for span in trace["spans"])
    return int(max(span["startTime"] + span["duration"] for span in trace["spans"]) - start)


def _name(trace: Mapping[str, Any]) -> Json:
    root = _root(trace)
    return f"{_service(trace, root)}: {root['operationName']}"


def _service(trace: Mapping[str, Any], span: Mapping[str, Any]) -> str:
    process = trace.get("processes", {}).get(span.get("processID"), {})
    return str(process.get("serviceName", ""))


def _parent(span: Mapping[str, Any]) -> Json:
    return next((str(reference["spanID"]) for reference in span.get("references") or []), None)


def _tags(span: Mapping[str, Any]) -> Json:
    return [{"key": tag["key"], "value": tag["value"]} for tag in span.get("tags") or []]
