import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.integration.sut.ebit import Ebit, wait_until

pytestmark = pytest.mark.integration

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


@dataclass(frozen=True)
class Seen:
    service: str
    span: Span

    @property
    def parent(self) -> str:
        return self.span.parent_span_id.hex()

    @property
    def id(self) -> str:
        return self.span.span_id.hex()


class Receiver:
    """Keeps every span posted to /v1/traces."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.keep(body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def keep(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {item.key: item.value.string_value for item in resource.resource.attributes}
            self.spans += [Seen(names["service.name"], span) for scope in resource.scope_spans for span in scope.spans]

    def trace(self, trace_id: str) -> dict[tuple[str, str], Seen]:
        return {(seen.service, seen.span.name): seen for seen in self.spans if seen.span.trace_id.hex() == trace_id}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture(scope="module")
def traced(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ebit]:
    folder: Path = tmp_path_factory.mktemp("traced")
    running = Ebit(folder, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{receiver.server.server_address[1]}")
    try:
        running.start()
        running.prepare()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def headers(traced: Ebit) -> dict[str, str]:
    user = {"email": "traced@ebit.test", "password": "correct horse"}
    httpx.post(f"{traced.api_url}/api/auth/signup", json=user).raise_for_status()
    token = httpx.post(f"{traced.api_url}/api/auth/signin", json=user).json()["accessToken"]
    return {"authorization": f"Bearer {token}"}


def attributes(seen: Seen) -> dict[str, int | str]:
    return {item.key: item.value.int_value or item.value.string_value for item in seen.span.attributes}


def test_a_bet_is_one_trace_over_four_processes_with_its_query(
    traced: Ebit, receiver: Receiver, headers: dict[str, str]
) -> None:
    caller = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    answer = httpx.post(f"{traced.api_url}/api/bets/dice", json={"amount": 1, "target": 50}, headers=headers | caller)
    assert answer.status_code == 201
    wait_until(lambda: len(receiver.trace(TRACE)) >= 5, "all spans of the trace are exported", 10)
    spans = receiver.trace(TRACE)
    api, bet = spans["api", "POST /api/bets/dice"], spans["bet", "POST /bets/dice"]
    query = spans["bet", "prisma:client:db_query"]
    enqueue, settle = spans["worker", "POST /internal/enqueue"], spans["worker", "settlement process"]
    assert api.parent == CALLER
    assert bet.parent == api.id
    assert query.parent == bet.id
    assert enqueue.parent == bet.id
    assert settle.parent == bet.id
    assert api.span.kind == Span.SPAN_KIND_SERVER
    assert query.span.kind == Span.SPAN_KIND_CLIENT
    assert settle.span.kind == Span.SPAN_KIND_CONSUMER
    assert attributes(api)["http.response.status_code"] == 201


def test_a_sign_in_is_exported_within_about_a_second(traced: Ebit, receiver: Receiver) -> None:
    trace = "1" * 32
    started = time.monotonic()
    answer = httpx.post(
        f"{traced.api_url}/api/auth/signin",
        json={"email": "nobody@ebit.test", "password": "x"},
        headers={"traceparent": f"00-{trace}-{CALLER}-01"},
    )
    assert answer.status_code == 401
    wait_until(lambda: len(receiver.trace(trace)) == 3, "spans of api, auth and its query", 5)
    assert time.monotonic() - started < 4
    auth = receiver.trace(trace)["auth", "POST /signin"]
    assert auth.parent == receiver.trace(trace)["api", "POST /api/auth/signin"].id
    assert attributes(auth)["http.response.status_code"] == 401
    assert auth.span.status.code == 0


def test_a_server_error_is_an_error_span(traced: Ebit, receiver: Receiver, headers: dict[str, str]) -> None:
    trace = "2" * 32
    traced.stop_service("worker")
    try:
        answer = httpx.post(
            f"{traced.api_url}/api/bets/dice",
            json={"amount": 1, "target": 50},
            headers=headers | {"traceparent": f"00-{trace}-{CALLER}-01"},
        )
    finally:
        traced.start_service("worker")
    assert answer.status_code == 503
    assert "worker" in answer.json()["error"]
    wait_until(lambda: len(receiver.trace(trace)) == 3, "spans of api, bet and its query", 10)
    failed = receiver.trace(trace)
    assert failed["api", "POST /api/bets/dice"].span.status.code == 2
    assert failed["bet", "POST /bets/dice"].span.status.code == 2
    wait_until(traced.healthy, "the worker is back")


def test_query_time_includes_the_wait_for_a_connection(
    traced: Ebit, receiver: Receiver, headers: dict[str, str]
) -> None:
    settings = traced.url("BET_ADMIN_PORT", "/settings")
    usual = httpx.get(settings).json()
    httpx.patch(settings, json={"prisma_pool_size": 1, "db_query_ms": 60}).raise_for_status()
    traces = [f"{number:032x}" for number in range(0x300, 0x305)]

    def ask(trace: str) -> None:
        traceparent = {"traceparent": f"00-{trace}-{CALLER}-01"}
        httpx.get(f"{traced.api_url}/api/bets/history", headers=headers | traceparent, timeout=20)

    try:
        threads = [threading.Thread(target=ask, args=(trace,)) for trace in traces]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        httpx.patch(settings, json=usual).raise_for_status()
    wait_until(lambda: all(len(receiver.trace(trace)) == 3 for trace in traces), "all spans", 10)
    queries = [receiver.trace(trace)["bet", "prisma:client:db_query"].span for trace in traces]
    slowest_ms = max(span.end_time_unix_nano - span.start_time_unix_nano for span in queries) / 1e6
    assert slowest_ms > 3 * 60
