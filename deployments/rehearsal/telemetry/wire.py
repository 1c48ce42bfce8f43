"""OTLP's messages: read from protobuf or JSON, written back in the format of the request.

The only file that imports protobuf, which ships no types.
"""

import json
from binascii import Error as HexError
from binascii import b2a_base64, unhexlify
from collections.abc import Sequence
from typing import Any

import orjson
from google.protobuf import json_format  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status as RpcStatus  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

__all__ = [
    "AnyValue",
    "ExportTraceServiceRequest",
    "InstrumentationScope",
    "KeyValue",
    "MalformedRequestError",
    "Resource",
    "Span",
    "Status",
    "decode_json",
    "decode_protobuf",
    "encode_answer",
    "encode_error",
    "encode_spans",
]

_INVALID_ARGUMENT = 3
"""google.rpc.Code of a request that can never succeed."""


class MalformedRequestError(ValueError):
    """The body is not an ExportTraceServiceRequest; the message is for the sender."""


def decode_protobuf(body: bytes) -> ExportTraceServiceRequest:
    """Read a binary request.

    Raises:
        MalformedRequestError: the bytes are no such message.
    """
    message = ExportTraceServiceRequest()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise MalformedRequestError(f"proto: {error}") from error
    return message


def decode_json(body: bytes) -> ExportTraceServiceRequest:
    """Read a JSON request: ids are hexadecimal, which is OTLP's one departure from protobuf's JSON.

    Raises:
        MalformedRequestError: no JSON, or JSON of another shape.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedRequestError(_first_character(body) or f"ReadObject: {error}") from error
    if not isinstance(document, dict):
        raise MalformedRequestError(_first_character(body) or "ReadObjectCB: expect { or n")
    try:
        _ids_to_base64(document)
        message = json_format.ParseDict(document, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    except (HexError, json_format.ParseError, AttributeError, TypeError, ValueError) as error:
        raise MalformedRequestError(f"ReadObject: {error}") from error
    assert isinstance(message, ExportTraceServiceRequest)
    return message


def encode_answer(*, as_json: bool, rejected_spans: int, why: str) -> bytes:
    """Return the body of a 200: a collector always names partialSuccess, empty when all was taken."""
    if as_json:
        partial = {"rejectedSpans": str(rejected_spans), "errorMessage": why} if rejected_spans else {}
        return json.dumps({"partialSuccess": partial}, separators=(",", ":")).encode()
    answer = ExportTraceServiceResponse()
    answer.partial_success.SetInParent()
    if rejected_spans:
        answer.partial_success.rejected_spans = rejected_spans
        answer.partial_success.error_message = why
    return bytes(answer.SerializeToString())


def encode_error(message: str, *, as_json: bool) -> bytes:
    """Return the google.rpc.Status that is the body of a 400."""
    if as_json:
        return json.dumps({"code": _INVALID_ARGUMENT, "message": message}, separators=(",", ":")).encode()
    return bytes(RpcStatus(code=_INVALID_ARGUMENT, message=message).SerializeToString())


def encode_spans(resource: Resource, scope: InstrumentationScope, spans: Sequence[Span]) -> bytes:
    """Return a binary request with the spans of one source."""
    message = ExportTraceServiceRequest()
    from_resource = message.resource_spans.add(resource=resource)
    from_resource.scope_spans.add(scope=scope, spans=spans)
    return bytes(message.SerializeToString())


def _first_character(body: bytes) -> str | None:
    """Return the collector's words for a body that does not start as an object, None if it does."""
    start = body.lstrip()[:1].decode("latin-1")
    return None if start == "{" else f"ReadObjectCB: expect {{ or n, but found {start}"


def _ids_to_base64(document: dict[str, Any]) -> None:
    """Turn the ids from hexadecimal to the base64 that protobuf's JSON reader wants, in place."""
    for resource in document.get("resourceSpans") or ():
        for scope in resource.get("scopeSpans") or ():
            for span in scope.get("spans") or ():
                for carrier in (span, *(span.get("links") or ())):
                    for name in ("traceId", "spanId", "parentSpanId"):
                        if carrier.get(name):
                            carrier[name] = b2a_base64(unhexlify(carrier[name]), newline=False).decode()
