"""A span's attributes as Jaeger's tags: key, type and value, with the ones Jaeger makes of kind, status and scope."""

import base64
from collections.abc import Iterable

import orjson

from deployments.rehearsal.telemetry.store import Source, TraceStore
from deployments.rehearsal.telemetry.wire import AnyValue, KeyValue, Span, Status

Tag = dict[str, str | int | float | bool]
"""`{"key": ..., "type": "string" | "bool" | "int64" | "float64" | "binary", "value": ...}`"""

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
"""Jaeger's names of OTLP's span kinds, by number."""


def span_tags(source: Source, span: Span) -> list[Tag]:
    """Return all tags Jaeger shows at a span."""
    tags: list[Tag] = []
    if source.scope.name:
        tags.append(_string("otel.scope.name", source.scope.name))
    if source.scope.version:
        tags.append(_string("otel.scope.version", source.scope.version))
    tags.extend(attribute_tags(span.attributes))
    if span.kind != Span.SPAN_KIND_UNSPECIFIED:
        tags.append(_string("span.kind", kind_name(span.kind)))
    if span.status.code == Status.STATUS_CODE_OK:
        tags.append(_string("otel.status_code", "OK"))
    elif span.status.code == Status.STATUS_CODE_ERROR:
        tags.append(_string("otel.status_code", "ERROR"))
        tags.append({"key": "error", "type": "bool", "value": True})
    if span.status.message:
        tags.append(_string("otel.status_description", span.status.message))
    if span.trace_state:
        tags.append(_string("w3c.tracestate", span.trace_state))
    return tags


def process_tags(source: Source) -> list[Tag]:
    """Return the tags of the span's process: its resource without the service's name."""
    return attribute_tags(a for a in source.resource.attributes if a.key != "service.name")


def attribute_tags(attributes: Iterable[KeyValue]) -> list[Tag]:
    """Return attributes as tags."""
    return [_tag(attribute.key, attribute.value) for attribute in attributes]


def tag_text(tag: Tag) -> str:
    """Return a tag's value as search compares it and a person reads it."""
    value = tag["value"]
    return str(value).lower() if isinstance(value, bool) else str(value)


def kind_name(kind: int) -> str:
    """Return Jaeger's name of a span kind, "unspecified" for an unknown number."""
    return KINDS[kind] if kind < len(KINDS) else KINDS[0]


def operation_names(store: TraceStore, service: str, kind: str) -> list[dict[str, str]]:
    """Return a service's operations with their kinds; only those of one kind when it is not empty."""
    named = [{"name": name, "spanKind": kind_name(number)} for name, number in store.operations(service)]
    return [operation for operation in named if not kind or operation["spanKind"] == kind]


def _string(key: str, value: str) -> Tag:
    return {"key": key, "type": "string", "value": value}


def _tag(key: str, value: AnyValue) -> Tag:
    plain = _plain(value)
    match value.WhichOneof("value"):
        case "bool_value":
            return {"key": key, "type": "bool", "value": value.bool_value}
        case "int_value":
            return {"key": key, "type": "int64", "value": value.int_value}
        case "double_value":
            return {"key": key, "type": "float64", "value": value.double_value}
        case "bytes_value":
            return {"key": key, "type": "binary", "value": str(plain)}
        case "array_value" | "kvlist_value":
            return _string(key, orjson.dumps(plain).decode())
        case _:
            return _string(key, value.string_value)


def _plain(value: AnyValue) -> object:
    match value.WhichOneof("value"):
        case "array_value":
            return [_plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return {item.key: _plain(item.value) for item in value.kvlist_value.values}
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case None:
            return None
        case name:
            plain: object = getattr(value, name)
            return plain
