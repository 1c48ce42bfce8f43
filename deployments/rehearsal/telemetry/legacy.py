"""Traces in Jaeger's own JSON, as `/api/traces` answers: times and durations in microseconds."""

from typing import Any

from deployments.rehearsal.telemetry.params import NS_PER_US
from deployments.rehearsal.telemetry.store import Source, Trace, TraceStore
from deployments.rehearsal.telemetry.tags import attribute_tags, process_tags, span_tags
from deployments.rehearsal.telemetry.wire import Span

_HIGH_HALF_OF_ZEROS = "0" * 16


def trace_json(store: TraceStore, trace: Trace) -> dict[str, Any]:
    """Return a trace as an element of `data`; one process for each resource."""
    numbers: dict[bytes, str] = {}
    processes: dict[str, dict[str, Any]] = {}
    spans = []
    for source, span in store.spans(trace):
        resource = source.resource.SerializeToString(deterministic=True)
        process = numbers.setdefault(resource, f"p{len(numbers) + 1}")
        if process not in processes:
            processes[process] = {"serviceName": source.service, "tags": process_tags(source)}
        spans.append(_span_json(source, span, process))
    return {"traceID": printed_id(trace.trace_id), "spans": spans, "processes": processes, "warnings": None}


def printed_id(trace_id: bytes) -> str:
    """Return the id as Jaeger's own API prints it: 16 digits when the upper half is zero."""
    return trace_id.hex().removeprefix(_HIGH_HALF_OF_ZEROS)


def _span_json(source: Source, span: Span, process: str) -> dict[str, Any]:
    references = [_reference("CHILD_OF", span.trace_id, span.parent_span_id)] if span.parent_span_id else []
    references += [_reference("FOLLOWS_FROM", link.trace_id, link.span_id) for link in span.links]
    return {
        "traceID": printed_id(span.trace_id),
        "spanID": span.span_id.hex(),
        "operationName": span.name,
        "references": references,
        "startTime": span.start_time_unix_nano // NS_PER_US,
        "duration": max(0, span.end_time_unix_nano - span.start_time_unix_nano) // NS_PER_US,
        "tags": span_tags(source, span),
        "logs": [
            {
                "timestamp": event.time_unix_nano // NS_PER_US,
                "fields": [
                    {"key": "event", "type": "string", "value": event.name},
                    *attribute_tags(event.attributes),
                ],
            }
            for event in span.events
        ],
        "processID": process,
        "warnings": None,
    }


def _reference(kind: str, trace_id: bytes, span_id: bytes) -> dict[str, str]:
    return {"refType": kind, "traceID": printed_id(trace_id), "spanID": span_id.hex()}
