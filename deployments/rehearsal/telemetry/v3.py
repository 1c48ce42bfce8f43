"""Traces in OTLP's JSON, as `/api/v3` answers: ids hexadecimal, 64-bit numbers as strings, zero fields left out."""

import base64
from collections.abc import Iterable
from typing import Any

from deployments.rehearsal.telemetry.store import Source, Trace, TraceStore
from deployments.rehearsal.telemetry.wire import AnyValue, KeyValue, Span, Status


def result_json(store: TraceStore, traces: Iterable[Trace]) -> dict[str, Any]:
    """Return the spans of all traces in one list: an entry for each resource of each trace, a part for each scope."""
    return {"result": {"resourceSpans": [entry for trace in traces for entry in _resource_spans(store, trace)]}}


def summary_json(store: TraceStore, trace: Trace) -> dict[str, Any]:
    """Return what a list of results says about a trace; the root is the span without a parent, else the first one."""
    spans = sorted(store.spans(trace), key=lambda entry: entry[1].start_time_unix_nano)
    source, root = next((entry for entry in spans if not entry[1].parent_span_id), spans[0])
    services = [
        {"name": name, **_counts([span for other, span in spans if other.service == name])}
        for name in sorted({other.service for other, _ in spans})
    ]
    return {
        "traceId": trace.trace_id.hex(),
        "rootServiceName": source.service,
        "rootOperationName": root.name,
        "minStartTimeUnixNano": str(trace.start_ns),
        "maxEndTimeUnixNano": str(max(span.end_time_unix_nano for _, span in spans)),
        **_counts([span for _, span in spans]),
        "services": services,
    }


def _counts(spans: list[Span]) -> dict[str, int]:
    failed = sum(span.status.code == Status.STATUS_CODE_ERROR for span in spans)
    return {"spanCount": len(spans)} | ({"errorSpanCount": failed} if failed else {})


def _resource_spans(store: TraceStore, trace: Trace) -> list[dict[str, Any]]:
    resources: dict[bytes, dict[str, Any]] = {}
    scopes: dict[int, dict[str, Any]] = {}
    for source, span in store.spans(trace):
        if source.number not in scopes:
            scopes[source.number] = {"scope": _scope(source), "spans": []}
            entry = resources.setdefault(
                source.resource.SerializeToString(deterministic=True),
                {"resource": {"attributes": _attributes(source.resource.attributes)}, "scopeSpans": []},
            )
            entry["scopeSpans"].append(scopes[source.number])
        scopes[source.number]["spans"].append(_span(span))
    return list(resources.values())


def _scope(source: Source) -> dict[str, Any]:
    scope = source.scope
    return _without_zeros(
        {"name": scope.name, "version": scope.version, "attributes": _attributes(scope.attributes)},
    )


def _span(span: Span) -> dict[str, Any]:
    fields = {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "traceState": span.trace_state,
        "parentSpanId": span.parent_span_id.hex(),
        "flags": span.flags,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start_time_unix_nano),
        "endTimeUnixNano": str(span.end_time_unix_nano),
        "attributes": _attributes(span.attributes),
        "droppedAttributesCount": span.dropped_attributes_count,
        "events": [
            _without_zeros(
                {
                    "timeUnixNano": str(event.time_unix_nano),
                    "name": event.name,
                    "attributes": _attributes(event.attributes),
                },
            )
            for event in span.events
        ],
        "links": [
            _without_zeros(
                {
                    "traceId": link.trace_id.hex(),
                    "spanId": link.span_id.hex(),
                    "attributes": _attributes(link.attributes),
                },
            )
            for link in span.links
        ],
    }
    # The status alone is written even when it is empty.
    status = _without_zeros({"message": span.status.message, "code": span.status.code})
    return _without_zeros(fields) | {"status": status}


def _without_zeros(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _attributes(attributes: Iterable[KeyValue]) -> list[dict[str, Any]]:
    return [{"key": attribute.key, "value": _value(attribute.value)} for attribute in attributes]


def _value(value: AnyValue) -> dict[str, Any]:
    name = value.WhichOneof("value")
    if name is None:
        return {}
    plain = getattr(value, name)
    match name:
        case "int_value":
            plain = str(plain)
        case "bytes_value":
            plain = base64.b64encode(plain).decode()
        case "array_value":
            plain = {"values": [_value(item) for item in plain.values]}
        case "kvlist_value":
            plain = {"values": _attributes(plain.values)}
    return {name.replace("_value", "Value"): plain}
