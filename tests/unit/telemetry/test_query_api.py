import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.unit.telemetry.material import (
    CONTRACTS,
    TRACE_ID,
    V3_WINDOW,
    WINDOW,
    StandIn,
    contract,
    export,
    recorded,
    recorded_trace,
    shape,
    span,
    stand_in,
)

ERROR = quote('{"error":"true"}')
UNKNOWN = "f" * 32


@pytest.fixture
def server() -> StandIn:
    """Hold what the servers held from which the contracts were captured."""
    server = stand_in()
    server.send(recorded_trace())
    server.send(export(span(500, "POST /orders")))
    server.send(export(span(501, "job"), service="worker"))
    return server


SAME_SHAPE = [
    ("services.200.json", "/api/services"),
    ("operations.200.json", "/api/services/api/operations"),
    ("v3_services.200.json", "/api/v3/services"),
    ("v3_operations.200.json", "/api/v3/operations?service=api&spanKind=server"),
]
SAME_BODY = [
    ("trace.200.json", f"/api/traces/{TRACE_ID}"),
    ("trace.400.json", "/api/traces/zz"),
    ("trace.404.json", f"/api/traces/{UNKNOWN}"),
    ("trace.500.json", f"/api/traces?service=api&limit=0&{WINDOW}"),
    (
        "traces_search.200.json",
        f"/api/traces?service=api&operation=GET%20/orders&tags={ERROR}&minDuration=500ms&limit=20&{WINDOW}",
    ),
    ("traces_search.400.json", "/api/traces?limit=1"),
    ("traces_search.bad_tags.400.json", f"/api/traces?service=api&tags=%7Bbad&{WINDOW}"),
    ("traces_search.empty.200.json", f"/api/traces?service=nope&limit=20&{WINDOW}"),
    ("traces_search.ids_unknown.200.json", f"/api/traces?traceID={UNKNOWN}"),
    ("v3_trace.200.json", f"/api/v3/traces/{TRACE_ID}"),
    ("v3_trace.400.json", "/api/v3/traces/zz"),
    ("v3_traces.404.json", f"/api/v3/traces?query.serviceName=nope&{V3_WINDOW}"),
    ("v3_traces.404.json", f"/api/v3/traces/{UNKNOWN}"),
    ("v3_traces.400.json", "/api/v3/traces?query.serviceName=api"),
    ("v3_traces.400.json", "/api/v3/trace-summaries?query.serviceName=api"),
    ("v3_traces.500.json", f"/api/v3/traces?query.serviceName=api&{V3_WINDOW}&query.searchDepth=0"),
    (
        "v3_traces_search.200.json",
        (
            f"/api/v3/traces?query.serviceName=api&query.operationName=GET%20/orders&{V3_WINDOW}"
            f"&query.durationMin=500ms&query.searchDepth=20&query.attributes={ERROR}"
        ),
    ),
    (
        "v3_trace_summaries.200.json",
        f"/api/v3/trace-summaries?query.serviceName=api&{V3_WINDOW}&query.durationMin=500ms&query.attributes={ERROR}",
    ),
    ("v3_trace_summaries.empty.200.json", f"/api/v3/trace-summaries?query.serviceName=nope&{V3_WINDOW}"),
]


@pytest.mark.parametrize(("name", "target"), SAME_SHAPE)
def test_an_answer_has_the_shape_of_the_contract(server: StandIn, name: str, target: str) -> None:
    response = server.get(target)
    assert (response.status, response.content_type) == recorded(f"jaeger/{name}")
    assert shape(json.loads(response.body)) == shape(contract(f"jaeger/{name}"))


@pytest.mark.parametrize(("name", "target"), SAME_BODY)
def test_an_answer_is_the_one_captured(server: StandIn, name: str, target: str) -> None:
    response = server.get(target)
    assert (response.status, response.content_type) == recorded(f"jaeger/{name}")
    assert json.loads(response.body) == contract(f"jaeger/{name}")


def test_every_recorded_answer_is_compared() -> None:
    compared = {name for name, _ in SAME_SHAPE + SAME_BODY}
    # The first is compared below, the others are answers of versions this is not.
    elsewhere = {"api_unknown.404.txt", "api_unknown.spa_200.html", "traces_search.error_tag.v2_13.200.json"}
    assert compared | elsewhere == {path.name for path in (CONTRACTS / "jaeger").iterdir() if path.suffix != ".source"}


@pytest.mark.parametrize("path", ["/api/nope", "/api", "/api/v3", "/api/v3/nope", "/api/traces/a/b"])
def test_an_unknown_api_path_is_404_in_plain_text(server: StandIn, path: str) -> None:
    response = server.get(path)
    assert (response.status, response.content_type) == recorded("jaeger/api_unknown.404.txt")
    assert response.body == (CONTRACTS / "jaeger" / "api_unknown.404.txt").read_bytes()


def test_the_same_trace_comes_for_upper_case_and_for_snake_case(server: StandIn) -> None:
    assert server.get(f"/api/traces/{TRACE_ID.upper()}").body == server.get(f"/api/traces/{TRACE_ID}").body
    snake = (
        "/api/v3/traces?query.service_name=api&query.operation_name=GET%20/orders"
        "&query.start_time_min=2026-11-23T08:10:00Z&query.start_time_max=2026-11-23T08:15:00Z&query.num_traces=5"
    )
    assert json.loads(server.get(snake).body) == contract("jaeger/v3_traces_search.200.json")


def test_an_id_of_16_digits_is_padded_and_printed_short_by_the_old_api_only() -> None:
    server = stand_in()
    server.send(export(span(1, traceId="0" * 16 + "00f067aa0ba902b7")))
    for form in ("00f067aa0ba902b7", "0" * 16 + "00f067aa0ba902b7"):
        assert server.data(f"/api/traces/{form}")[0]["traceID"] == "00f067aa0ba902b7"
    v3 = json.loads(server.get("/api/v3/traces/00f067aa0ba902b7").body)
    traced = v3["result"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"]
    assert traced == "0" * 16 + "00f067aa0ba902b7"


def test_known_and_unknown_ids_are_told_apart_in_one_search(server: StandIn) -> None:
    answer = json.loads(server.get(f"/api/traces?traceID={TRACE_ID}&traceID={UNKNOWN}").body)
    assert [trace["traceID"] for trace in answer["data"]] == [TRACE_ID]
    assert answer["errors"] == [{"msg": "trace not found", "traceID": UNKNOWN}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f" * 33, "TraceID cannot be longer than 32 hex characters: " + "f" * 33),
        ("z" * 32, "encoding/hex: invalid byte: U+007A 'z'"),
        ("abc", "invalid length for TraceID"),
        ("+1" * 8, "encoding/hex: invalid byte: U+002B '+'"),
        (quote(" " + "a" * 15), "encoding/hex: invalid byte: U+0020 ' '"),
    ],
)
def test_a_wrong_id_is_400_with_what_is_wrong(server: StandIn, text: str, message: str) -> None:
    response = server.get(f"/api/traces/{text}")
    assert response.status == 400
    assert json.loads(response.body)["errors"] == [{"code": 400, "msg": message}]


@pytest.mark.parametrize(
    "query",
    [
        "minDuration=500",
        "minDuration=5x",
        "minDuration=long",
        "start=abc",
        "limit=x",
        "minDuration=2s&maxDuration=1s",
        "tags=" + quote('{"http.response.status_code":500}'),
        "tags=3",
        "tags=%7B",
        "tag=error",
    ],
)
def test_a_parameter_that_cannot_be_read_is_400(server: StandIn, query: str) -> None:
    response = server.get(f"/api/traces?service=api&{query}")
    assert (response.status, response.content_type) == recorded("jaeger/traces_search.400.json")


@pytest.mark.parametrize(
    "query",
    [
        "query.startTimeMin=soon&query.startTimeMax=2026-11-23T08:15:00Z",
        "query.startTimeMin=2026-11-23T08:10:00&query.startTimeMax=2026-11-23T08:15:00Z",
        V3_WINDOW + "&query.durationMin=500",
        V3_WINDOW + "&query.attributes=%7Bbad",
        V3_WINDOW + "&query.durationMin=2s&query.durationMax=1s",
    ],
)
def test_a_v3_parameter_that_cannot_be_read_is_400(server: StandIn, query: str) -> None:
    response = server.get(f"/api/v3/traces?query.serviceName=api&{query}")
    assert (response.status, response.content_type) == recorded("jaeger/v3_traces.400.json")
    assert shape(json.loads(response.body)) == shape(contract("jaeger/v3_traces.400.json"))


def _total(answer: Any) -> Any:
    return answer["data"], answer["total"]


def _v3(answer: Any) -> Any:
    return answer


@pytest.mark.parametrize(
    ("target", "part", "wanted"),
    [
        ("/api/services", _total, ([], 0)),
        ("/api/v3/services", _v3, {"services": []}),
        ("/api/services/nope/operations", _total, (None, 0)),
        ("/api/v3/operations", _v3, {"operations": []}),
    ],
)
def test_an_empty_store_answers_as_jaegers_does(target: str, part: Callable[[Any], Any], wanted: Any) -> None:
    assert part(json.loads(stand_in().get(target).body)) == wanted


def test_operations_are_given_with_their_kinds_and_by_kind(server: StandIn) -> None:
    assert server.data("/api/operations?service=api&spanKind=client") == [
        {"name": "prisma:client:db_query", "spanKind": "client"},
    ]
    assert len(server.data("/api/operations?service=api")) == 3
    assert server.get("/api/operations").status == 400


def test_a_service_with_a_slash_is_found_by_its_quoted_name() -> None:
    server = stand_in()
    server.send(export(span(1), service="shop/api"))
    assert server.data("/api/services/shop%2Fapi/operations") == ["GET /orders"]


def test_attributes_of_every_type_are_told_as_jaeger_tells_them() -> None:
    server = stand_in()
    values = {
        "text": {"stringValue": "a"},
        "yes": {"boolValue": True},
        "whole": {"intValue": "-3"},
        "part": {"doubleValue": 0.5},
        "bytes": {"bytesValue": "AQI="},
        "list": {"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": "1"}]}},
        "map": {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": False}}]}},
    }
    attributes = [{"key": key, "value": value} for key, value in values.items()]
    document = export(span(1) | {"attributes": attributes})
    server.send(document)
    trace_id = span(1)["traceId"]
    tags = {
        tag["key"]: (tag["type"], tag["value"]) for tag in server.data(f"/api/traces/{trace_id}")[0]["spans"][0]["tags"]
    }
    assert {key: tags[key] for key in values} == {
        "text": ("string", "a"),
        "yes": ("bool", True),
        "whole": ("int64", -3),
        "part": ("float64", 0.5),
        "bytes": ("binary", "AQI="),
        "list": ("string", '["a",1]'),
        "map": ("string", '{"k":false}'),
    }
    v3 = json.loads(server.get(f"/api/v3/traces/{trace_id}").body)
    assert v3["result"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] == attributes
