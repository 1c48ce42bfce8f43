"""A ramp of the product's own on one machine: real Prefect, sshd, k6 and Prometheus, and a system that logs what it gets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest
from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.models.rules import GuardRule
from blocks.models.settings import Observability, Ramp, Services, SshAccess
from blocks.perf_environment import PerfEnvironment
from tasks.load import install_load_generators
from tasks.run import Run
from tests.integration.conftest import prefect
from tests.integration.grafana.servers import prometheus as running_prometheus
from tests.integration.hosts.conftest import K6, LOCALHOST, access

__all__ = ["access", "prefect"]

LEVELS = 22
_SCRIPT = """
import http from 'k6/http';
import { sleep } from 'k6';
const LEVELS = __LEVELS__;
export const options = {
  scenarios: {
    signin: {
      executor: 'ramping-vus', exec: 'signin', startVUs: 0, gracefulStop: '0s', gracefulRampDown: '0s',
      stages: Array.from({ length: LEVELS }, (_, level) => [
        { duration: '1s', target: 5 * (level + 1) }, { duration: '5s', target: 5 * (level + 1) },
      ]).flat(),
    },
  },
};
const HEADERS = { 'X-Instance': __ENV.RAMPART_INSTANCE || 'k6-alone' };
export function signin() { http.post(`${__ENV.API_URL}/signin`, '{}', { headers: HEADERS }); sleep(0.2); }
"""


@dataclass
class System:
    """A system under test that logs when it received which request."""

    port: int = 0
    delay_s: float = 0.0
    log: list[tuple[float, str]] = field(default_factory=list)
    """(seconds of the clock that only goes forward, instance of k6)"""

    def first(self, instance: str, after_s: float) -> float:
        """Wait for the first request of a k6 process after a moment and return when it came."""
        deadline = time.monotonic() + 60
        while True:
            found = [at for at, name in list(self.log) if name == instance and at > after_s]
            if found:
                return min(found)
            assert time.monotonic() < deadline, f"no request of {instance}"
            time.sleep(0.02)

    def last(self, instance: str) -> float:
        """Return when the last request of a k6 process came."""
        return max(at for at, name in self.log if name == instance)


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    state = System()

    class Endpoint(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            state.log.append((time.monotonic(), self.headers["X-Instance"]))
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(state.delay_s)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((LOCALHOST, 0), Endpoint)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    state.port = int(server.server_port)
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_prometheus(tmp_path_factory.mktemp("bench") / "prometheus") as url:
        yield url


@pytest.fixture
def run(prometheus: str, system: System, access: SshAccess, tmp_path: Path) -> Run:
    """A run whose infrastructure stands: the load generator is this machine over SSH, the default rules guard it."""
    checkout = tmp_path / "checkout"
    script = checkout / "tests-perf" / "ramp.js"
    script.parent.mkdir(parents=True)
    script.write_text(_SCRIPT.replace("__LEVELS__", str(LEVELS)))
    environment = PerfEnvironment(
        checkout=checkout, account_id="123456789012", aws=AwsCredentials(), runs_folder=tmp_path / "runs",
        k6_command=str(K6), loadgen_k6_binary=K6.resolve(), services=Services(api_port=system.port),
        ssh=access.model_copy(update={"work_directory": str(tmp_path / "host")}),
        observability=Observability(monitoring_url=prometheus),
    )  # fmt: skip
    profile = LoadProfile(ramp=Ramp(script=Path("tests-perf/ramp.js"), approval_timeout_s=600.0))
    k6_rules: tuple[GuardRule, ...] = tuple(rule for rule in profile.guard if rule.metric in {"p95_ms", "error_rate"})
    made = Run(str(uuid4()), "bench", "bench", environment, replace_rules(profile, k6_rules))
    made.evidence.mkdir(parents=True)
    (made.folder / "outputs.json").write_text(
        json.dumps({"sut_public_ip": LOCALHOST, "loadgen_public_ip": LOCALHOST, "monitoring_url": prometheus})
    )
    install_load_generators.fn(made)
    return made


def replace_rules(profile: LoadProfile, rules: tuple[GuardRule, ...]) -> LoadProfile:
    """Return the profile with the rules that k6 alone feeds: no containers and no queues are here."""
    changed = profile.model_copy(update={"guard": rules})
    assert isinstance(changed, LoadProfile)
    return changed


def with_id(run: Run, new: str) -> Run:
    """Return the run under another id, so that its samples are its own."""
    moved = replace(run, id=new)
    moved.evidence.mkdir(parents=True)
    (moved.folder / "outputs.json").write_bytes((run.folder / "outputs.json").read_bytes())
    install_load_generators.fn(moved)
    return moved
