from tests.unit.telemetry.material import WINDOW, export, span, stand_in


def test_the_oldest_whole_traces_make_room() -> None:
    server = stand_in(max_traces=3)
    server.send(export(*(span(number, f"op{number}") for number in range(1, 6)), span(4, "more", spanId="b" * 16)))
    assert server.names(f"/api/traces?service=api&limit=3&{WINDOW}") == ["op5", "op4", "op3"]
    assert server.get(f"/api/traces/{span(1)['traceId']}").status == 404
    assert [found["operationName"] for found in server.data(f"/api/traces/{span(4)['traceId']}")[0]["spans"]] == [
        "op4",
        "more",
    ]


def test_the_bytes_kept_are_bounded_too() -> None:
    server = stand_in(max_bytes=2000)
    for number in range(1, 50):
        server.send(export(span(number, "x" * 300)))
    assert 0 < server.store.stored_bytes <= 2000
    assert server.get(f"/api/traces/{span(49)['traceId']}").status == 200
    assert server.get(f"/api/traces/{span(40)['traceId']}").status == 404


def test_bytes_are_given_back_when_a_trace_goes() -> None:
    server = stand_in(max_traces=1)
    server.send(export(span(1)))
    once = server.store.stored_bytes
    server.send(export(span(2)))
    assert server.store.stored_bytes == once


def test_a_trace_grows_with_every_batch_whatever_its_service() -> None:
    server = stand_in()
    server.send(export(span(1, "GET /orders")))
    server.send(export(span(1, "job", spanId="b" * 16, parentSpanId=span(1)["spanId"]), service="worker"))
    (trace,) = server.data(f"/api/traces/{span(1)['traceId']}")
    assert {process["serviceName"] for process in trace["processes"].values()} == {"api", "worker"}
    assert trace["spans"][1]["references"][0] == {
        "refType": "CHILD_OF",
        "traceID": span(1)["traceId"],
        "spanID": span(1)["spanId"],
    }
    assert len(server.data(f"/api/traces?service=worker&{WINDOW}")) == 1


def test_services_and_operations_outlive_their_traces() -> None:
    server = stand_in(max_traces=1)
    server.send(export(span(1, "first"), service="auth"))
    server.send(export(span(2, "second")))
    assert server.data("/api/services") == ["api", "auth"]
    assert server.data("/api/services/auth/operations") == ["first"]


def test_a_resource_without_a_name_has_jaegers_name_for_it() -> None:
    server = stand_in()
    server.send({"resourceSpans": [{"scopeSpans": [{"spans": [span(1)]}]}]})
    assert server.data("/api/services") == ["OTLPResourceNoServiceName"]
