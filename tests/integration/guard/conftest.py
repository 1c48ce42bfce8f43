"""A real k6 behind a real sshd, a system that answers it, and a Prometheus that hears of both."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest
from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.models.settings import Observability
from blocks.perf_environment import PerfEnvironment
from tasks.clients.hosts import Host
from tasks.clients.loadgen import LoadGenerator
from tasks.limits import Limits, Look
from tasks.run import Run
from tests.integration.grafana.servers import prometheus as running_prometheus
from tests.integration.hosts.conftest import K6, access, host, place_k6

__all__ = ["access", "host", "loadgen", "prometheus", "run", "system"]

SCRIPT = """
import http from 'k6/http';
import { sleep } from 'k6';
const staged = (exec, target) => ({ executor: 'constant-vus', exec, vus: target, duration: '10m', gracefulStop: '0s' });
export const options = {
  scenarios: { signin: staged('signin', 6), bet: staged('bet', 4) },
  tags: { run_id: __ENV.RUN_ID, instance: __ENV.RAMPART_INSTANCE },
};
export function signin() { http.post(`${__ENV.API_URL}/signin`, '{}'); sleep(0.2); }
export function bet() { http.post(`${__ENV.API_URL}/bet`, '{}'); sleep(0.2); }
"""


def until(true: Callable[[], bool], what: str, seconds: float = 40.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


@dataclass
class System:
    """A system under test whose answers can be slowed down, refused, or held back."""

    url: str
    delay_s: dict[str, float] = field(default_factory=dict)
    status: int = 200
    answering: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def system() -> Iterator[System]:
    state = System("")
    state.answering.set()

    class Endpoint(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            state.answering.wait()
            time.sleep(state.delay_s.get(self.path, 0.0))
            self.send_response(state.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    state.answering.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    with running_prometheus(tmp_path / "prometheus") as url:
        yield url


@pytest.fixture
def run(prometheus: str, tmp_path: Path) -> Run:
    environment = PerfEnvironment(
        checkout=tmp_path, account_id="123456789012", aws=AwsCredentials(), runs_folder=tmp_path / "runs",
        observability=Observability(monitoring_url=prometheus),
    )  # fmt: skip
    made = Run(uuid4().hex, "test", "test", environment, LoadProfile(blind_after_s=5.0))
    made.folder.mkdir(parents=True)
    return made


@pytest.fixture
def loadgen(host: Host, tmp_path: Path) -> Iterator[LoadGenerator]:
    folder = tmp_path / "checkout" / "tests-perf"
    folder.mkdir(parents=True)
    (folder / "load.js").write_text(SCRIPT)
    generator = LoadGenerator(host, str(tmp_path / "host"), 0)
    place_k6(generator)
    generator.install(K6, folder)
    yield generator
    generator.interrupt()
    until(lambda: not any(job.alive for job in generator.jobs()), "k6 ended")


def start_k6(loadgen: LoadGenerator, run: Run, system: System, name: str = "segment-01") -> None:
    """Start k6 as a segment is started."""
    arguments = [
        "--quiet",
        "--no-usage-report",
        "--out",
        "experimental-prometheus-rw",
        f"{loadgen.folder}/tests-perf/load.js",
    ]
    url = run.environment.observability.monitoring_url
    environment = {
        "RUN_ID": run.id, "RAMPART_INSTANCE": name, "API_URL": system.url,
        "K6_PROMETHEUS_RW_SERVER_URL": f"{url}/api/v1/write", "K6_PROMETHEUS_RW_PUSH_INTERVAL": "1s",
        "K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM": "true", "K6_PROMETHEUS_RW_STALE_MARKERS": "true",
    }  # fmt: skip
    loadgen.start(name, arguments, environment)


def look_until(limits: Limits, true: Callable[[Look], bool], what: str, seconds: float = 40.0) -> Look:
    """Look every half a second until a look is what is waited for, and return it."""
    seen: list[Look] = []

    def looked() -> bool:
        seen.append(limits.look(time.monotonic(), 0.0))
        return true(seen[-1])

    until(looked, what, seconds)
    return seen[-1]
