"""Prometheus itself reads the span metrics, in both formats."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from tests.integration.telemetry.process import Telemetry, answers, free_ports, until
from tests.unit.telemetry.material import export, span

pytestmark = pytest.mark.integration

DURATION = "traces_span_metrics_duration_milliseconds"


class _PlainRelay(BaseHTTPRequestHandler):
    """Asks for the metrics without OpenMetrics: Prometheus 2.42 itself cannot be told to."""

    metrics_url: ClassVar[str]

    def do_GET(self) -> None:
        answer = httpx.get(self.metrics_url, headers={"accept": "text/plain"})
        self.send_response(answer.status_code)
        self.send_header("content-type", answer.headers["content-type"])
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep quiet."""


@contextmanager
def _plain_relay(metrics_url: str) -> Iterator[int]:
    handler = type("Relay", (_PlainRelay,), {"metrics_url": metrics_url})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _prometheus(folder: Path, targets: dict[str, int]) -> Iterator[str]:
    (port,) = free_ports(1)
    jobs = [{"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{at}"]}]} for name, at in targets.items()]
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--enable-feature=exemplar-storage",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(f"{url}/-/ready"), "Prometheus is ready")
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _query(url: str, expression: str) -> dict[str, float]:
    """Return the value of each job."""
    answer = httpx.get(f"{url}/api/v1/query", params={"query": expression}).json()
    return {series["metric"]["job"]: float(series["value"][1]) for series in answer["data"]["result"]}


def _send(telemetry: Telemetry, number: int) -> str:
    now = time.time_ns()
    times = {"startTimeUnixNano": str(now - 900_000_000), "endTimeUnixNano": str(now)}
    sent = span(number, "GET /orders", attributes={"http.response.status_code": 429}, **times)
    assert httpx.post(telemetry.otlp_url, json=export(sent)).status_code == 200
    return str(sent["traceId"])


def test_prometheus_scrapes_both_formats_and_stores_exemplars(telemetry: Telemetry, tmp_path: Path) -> None:
    metrics_port = httpx.URL(telemetry.metrics_url).port
    assert metrics_port
    first = _send(telemetry, 1)
    with (
        _plain_relay(telemetry.metrics_url) as relay_port,
        _prometheus(tmp_path, {"openmetrics": metrics_port, "plain": relay_port}) as url,
    ):
        both = {"openmetrics": 1.0, "plain": 1.0}
        calls = 'sum by (job) (traces_span_metrics_calls_total{http_response_status_code="429"})'
        until(lambda: _query(url, calls) == both, "both jobs count the call")
        second = _send(telemetry, 2)
        until(lambda: _query(url, calls) == dict.fromkeys(both, 2.0), "both jobs count the second call")
        assert _query(url, "up") == both
        p95 = _query(url, f"histogram_quantile(0.95, sum by (job, le) ({DURATION}_bucket))")
        assert p95 == {job: pytest.approx(990) for job in both}
        answer = httpx.get(f"{url}/api/v1/query_exemplars", params={"query": f"{DURATION}_bucket"}).json()
        exemplars = [exemplar for series in answer["data"] for exemplar in series["exemplars"]]
        assert [exemplar["labels"]["trace_id"] for exemplar in exemplars] == [first, second]
        assert httpx.get(f"{telemetry.jaeger_url}/api/traces/{second}").status_code == 200
        targets = httpx.get(f"{url}/api/v1/targets").json()["data"]["activeTargets"]
        assert {target["lastError"] for target in targets} == {""}
        log = (tmp_path / "prometheus.log").read_text()
        assert "level=warn" not in log
        assert "level=error" not in log
