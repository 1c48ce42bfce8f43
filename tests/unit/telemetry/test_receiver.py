import json

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from deployments.rehearsal.telemetry.web import MAX_BODY_BYTES, Request
from tests.unit.telemetry.material import (
    as_gzip,
    as_protobuf,
    contract,
    export,
    recorded,
    recorded_trace,
    shape,
    span,
    stand_in,
)

JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}
GZIP = {"content-encoding": "gzip"}


def test_the_recorded_request_is_taken_as_a_collector_takes_it() -> None:
    server = stand_in()
    response = server.send(contract("otlp/traces.request.json"))
    assert (response.status, response.content_type) == recorded("otlp/traces.200.json")
    assert json.loads(response.body) == {"partialSuccess": {}}
    assert len(server.store) == 1


def test_json_protobuf_and_their_gzip_store_the_same_trace() -> None:
    document = recorded_trace()
    bodies = [
        (json.dumps(document).encode(), JSON),
        (as_protobuf(document), PROTOBUF),
        (as_gzip(json.dumps(document).encode()), JSON | GZIP),
        (as_gzip(as_protobuf(document)), PROTOBUF | GZIP),
    ]
    stored = []
    for body, headers in bodies:
        server = stand_in()
        assert server.post(body, headers).status == 200
        stored.append(server.get("/api/v3/traces/4bf92f3577b34da6a3ce929d0e0e4736").body)
    assert len(set(stored)) == 1
    assert json.loads(stored[0]) == contract("jaeger/v3_trace.200.json")


def test_a_protobuf_request_is_answered_in_protobuf() -> None:
    response = stand_in().post(as_protobuf(export(span())), PROTOBUF)
    assert response.content_type == "application/x-protobuf"
    answer = ExportTraceServiceResponse.FromString(response.body)
    assert answer.HasField("partial_success")
    assert answer.partial_success.rejected_spans == 0


def test_a_body_that_is_no_json_is_400_with_a_status_message() -> None:
    response = stand_in().post(b"xx", JSON)
    assert (response.status, response.content_type) == recorded("otlp/traces.400.json")
    assert json.loads(response.body) == contract("otlp/traces.400.json")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\xff\xff", PROTOBUF),
        (b"{}", JSON | GZIP),
        (as_gzip(b"{}" * 100)[:-12], JSON | GZIP),
        (as_gzip(bytes(MAX_BODY_BYTES + 1)), JSON | GZIP),
        (b"{}", JSON | {"content-encoding": "br"}),
        (b"[]", JSON),
        (b"{", JSON),
        (b'{"resourceSpans": 3}', JSON),
        (json.dumps(export(span(traceId="zz"))).encode(), JSON),
        (json.dumps(export(span(traceId="abcd"))).encode(), JSON),
        (json.dumps(export(span(spanId="abcd"))).encode(), JSON),
        (json.dumps(export(span(startTimeUnixNano="soon"))).encode(), JSON),
    ],
)
def test_a_malformed_request_is_400_and_stores_nothing(body: bytes, headers: dict[str, str]) -> None:
    server = stand_in()
    assert server.post(body, headers).status == 400
    assert len(server.store) == 0


def test_spans_without_ids_are_rejected_and_the_rest_is_kept() -> None:
    server = stand_in()
    response = server.send(export(span(1), span(2, traceId=""), span(3, traceId="0" * 32), span(4, spanId="")))
    answer = json.loads(response.body)
    assert shape(answer) == shape(contract("otlp/traces.partial.200.json"))
    assert answer["partialSuccess"]["rejectedSpans"] == "3"
    assert len(server.store) == 1


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/xml"])
def test_another_content_type_is_415_in_plain_text(content_type: str) -> None:
    response = stand_in().post(b"{}", {"content-type": content_type})
    assert response.status == 415
    assert response.content_type.startswith("text/plain")


def test_only_a_post_to_v1_traces_is_taken() -> None:
    server = stand_in()
    assert server.otlp(Request("GET", "/v1/traces")).status == 405
    assert server.otlp(Request("POST", "/v1/metrics", headers=JSON, body=b"{}")).status == 404
