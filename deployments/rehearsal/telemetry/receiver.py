"""The OTLP/HTTP receiver: `POST /v1/traces`, answering as the collector's does.

Every span of an accepted request goes to the trace store, or on to another collector, and to the span metrics.
"""

import zlib

from deployments.rehearsal.telemetry import wire
from deployments.rehearsal.telemetry.spanmetrics import SpanMetrics
from deployments.rehearsal.telemetry.store import Batch, Keeper
from deployments.rehearsal.telemetry.web import JSON, MAX_BODY_BYTES, TEXT, Handler, Request, Response, not_found

PROTOBUF = "application/x-protobuf"
TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8
_DETECT_GZIP_OR_ZLIB = 47
"""zlib's window bits for "up to 32 KiB, header of gzip or zlib, whichever is there"."""


def receiver(traces: Keeper, metrics: SpanMetrics) -> Handler:
    """Return the handler of the receiver's port."""

    def handle(request: Request) -> Response:
        if request.path != "/v1/traces":
            return not_found()
        if request.method != "POST":
            return Response(405, b"405 method not allowed, supported: [POST]", TEXT)
        content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if content_type not in {JSON, PROTOBUF}:
            return Response(415, f"415 unsupported media type, supported: [{JSON}, {PROTOBUF}]".encode(), TEXT)
        return _export(request, traces, metrics, content_type)

    return handle


def _export(request: Request, traces: Keeper, metrics: SpanMetrics, content_type: str) -> Response:
    as_json = content_type == JSON
    try:
        body = _decompressed(request)
        message = wire.decode_json(body) if as_json else wire.decode_protobuf(body)
        batches, rejected = _checked(message)
    except wire.MalformedRequestError as error:
        return Response(400, wire.encode_error(str(error), as_json=as_json), content_type)
    for batch in batches:
        traces.add(batch)
        metrics.add(batch)
    answer = wire.encode_answer(as_json=as_json, rejected_spans=rejected, why="span without a trace id or span id")
    return Response(200, answer, content_type)


def _checked(message: wire.ExportTraceServiceRequest) -> tuple[list[Batch], int]:
    """Return the request's spans by source, and how many have no id and so cannot be kept.

    Raises:
        MalformedRequestError: an id has the wrong length; nothing of the request is taken then, as in a collector.
    """
    batches = []
    rejected = 0
    for resource_spans in message.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            spans = []
            for span in scope_spans.spans:
                if len(span.trace_id) not in {0, TRACE_ID_BYTES}:
                    raise wire.MalformedRequestError("invalid length for TraceID")
                if len(span.span_id) not in {0, SPAN_ID_BYTES} or len(span.parent_span_id) not in {0, SPAN_ID_BYTES}:
                    raise wire.MalformedRequestError("invalid length for SpanID")
                if any(span.trace_id) and any(span.span_id):
                    spans.append(span)
                else:
                    rejected += 1
            batches.append(Batch(resource_spans.resource, scope_spans.scope, spans))
    return batches, rejected


def _decompressed(request: Request) -> bytes:
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        return request.body
    if encoding not in {"gzip", "deflate", "zlib"}:
        raise wire.MalformedRequestError(f"unsupported Content-Encoding: {encoding}")
    inflater = zlib.decompressobj(_DETECT_GZIP_OR_ZLIB)
    try:
        body = inflater.decompress(request.body, MAX_BODY_BYTES)
    except zlib.error as error:
        raise wire.MalformedRequestError(f"{encoding}: invalid header or data") from error
    if inflater.unconsumed_tail:
        raise wire.MalformedRequestError("http: request body too large")
    if not inflater.eof:
        raise wire.MalformedRequestError("unexpected EOF")
    return body
