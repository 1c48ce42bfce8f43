"""What capturing a stage's evidence costs on a machine whose two cores do everything: p95 of paired stages, with and without.

The load, the system, Prometheus, Grafana and the browser share the cores; in a real environment only the last one is on the
worker. A stage is as long as the gate's default window, so no held stage of a real run is shorter. One with evidence is
captured once, whole, within its time. The order within a pair alternates. What the seconds of capturing alone cost is printed too.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

import numpy as np
import pytest
from pydantic import SecretStr

from blocks.models.settings import Observability
from tasks.capture import capture_stages
from tasks.captures import Captures
from tasks.clients.samples import Samples, Window, convert
from tasks.run import Run
from tests.integration.grafana import servers
from tests.integration.grafana.load_story import story
from tests.integration.grafana.remote_write import push
from tests.integration.hosts.conftest import K6

from . import results

_PAIRS, _STAGE_S, _LEAD_S = 5, 120.0, 3.0
_RESAMPLES = 10_000
_AHEAD_S = _PAIRS * 2 * _STAGE_S + 120
# A system whose sign-in costs the CPU some milliseconds, as one with bcrypt; a process of its own.
_SYSTEM = """
import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 20_000)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
"""
_SCRIPT = """
import http from 'k6/http';
import { sleep } from 'k6';
export const options = {
  scenarios: { signin: { executor: 'constant-vus', vus: 10, duration: '30m', gracefulStop: '0s' } },
  tags: { run_id: '%s', instance: 'segment-01' },
};
export default function () { http.post('http://127.0.0.1:%d/signin', '{}'); sleep(0.2); }
"""


@contextmanager
def _load(run: Run, file: Path) -> Iterator[None]:
    """Hold ten virtual users against the system."""
    with Popen([sys.executable, "-c", _SYSTEM], stdout=PIPE, text=True) as system:
        assert system.stdout is not None
        script = run.folder / "load.js"
        script.write_text(_SCRIPT % (run.id, int(system.stdout.readline())))
        arguments = ["--quiet", "--no-usage-report", "--no-summary", "--out", f"csv={file}", str(script)]
        with Popen([str(K6), "run", *arguments], env={"K6_CSV_TIME_FORMAT": "unix_milli"}, stdout=DEVNULL) as k6:
            try:
                yield
            finally:
                k6.terminate()
                k6.wait(30)
                system.terminate()


@pytest.fixture
def watched(run: Run, prometheus: str, tmp_path: Path) -> Iterator[Run]:
    """The run with a dashboard that shows a load, and traces."""
    # Until after the last stage.
    push(prometheus, story(int((time.time() + _AHEAD_S) * 1000), int(_AHEAD_S) + 60))
    with (
        servers.jaeger() as jaeger,
        servers.grafana(tmp_path / "grafana", prometheus, jaeger) as grafana,
    ):
        token = SecretStr(servers.EDITOR)
        observability = Observability(
            monitoring_url=prometheus, grafana_url=grafana.url, jaeger_url=jaeger, grafana_token=token
        )
        yield replace(run, environment=run.environment.model_copy(update={"observability": observability}))


def _stage(run: Run, captures: Captures, number: int | None) -> Window:
    """Hold a stage; with a number its evidence is captured."""
    began = datetime.now(UTC)
    if number is not None:
        run.journal.append("ramp", "stage_started", number=number, vus=10)
        run.journal.append("ramp", "stage_steady", number=number)
    time.sleep(_LEAD_S)
    if number is not None:
        looked = datetime.now(UTC).isoformat()
        run.journal.append("ramp", "stage_judged", number=number, verdict="PASS", reason="flat", steady_to=looked)
        captures.take(number)
    time.sleep(_STAGE_S - _LEAD_S)
    return began, datetime.now(UTC)


def _interval(ratios: list[float]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean ratio."""
    random = np.random.default_rng(7)
    means = random.choice(ratios, (_RESAMPLES, len(ratios))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.timeout(2400)
def test_capturing(watched: Run) -> None:
    run, captures = watched, Captures()
    run.journal.append("preflight", "run_opened", run_id=run.id, environment="bench")
    file = run.folder / "samples.csv.gz"
    worker = threading.Thread(target=capture_stages.fn, args=(run, captures))
    worker.start()
    plain: list[Window] = []
    captured: list[Window] = []
    with _load(run, file):
        time.sleep(_LEAD_S)
        for pair in range(_PAIRS):
            for with_evidence in (False, True) if pair % 2 else (True, False):
                window = _stage(run, captures, pair + 1 if with_evidence else None)
                (captured if with_evidence else plain).append(window)
                captures.hush()
        captures.close()
        worker.join()
    stages = run.record().stages
    taken = sum(stage.screenshot is not None and stage.snapshot is not None for stage in stages)
    assert taken == _PAIRS, [stage.not_captured for stage in stages]
    convert(file, run.folder / "samples.parquet")
    meanwhile = [(begin + timedelta(seconds=_LEAD_S), max(stage.captured.values()))
                 for (begin, _), stage in zip(captured, stages, strict=True)]  # fmt: skip
    numbers = Samples([run.folder / "samples.parquet"]).numbers([*plain, *captured, *meanwhile])
    p95 = [item.p95_ms or 0.0 for ((item),) in numbers]
    quiet, busy, taking = p95[:_PAIRS], p95[_PAIRS : 2 * _PAIRS], p95[2 * _PAIRS :]
    ratios = [with_it / without for without, with_it in zip(quiet, busy, strict=True)]
    low, high = _interval(ratios)
    seconds = sum((end - begin).total_seconds() for begin, end in meanwhile) / _PAIRS
    while_taking = sum(taking) / sum(quiet)
    results.append(
        "capture", ratios=[round(ratio, 3) for ratio in ratios], low=round(low, 3), high=round(high, 3),
        seconds=round(seconds, 1), while_taking=round(while_taking, 3),
    )  # fmt: skip
    sys.stdout.write(
        f"\np95 with evidence / without over {_PAIRS} pairs of {_STAGE_S:g} s, mean {sum(ratios) / _PAIRS:.3f}, "
        f"95 % bootstrap interval {low:.3f} to {high:.3f}; captured "
        f"in {seconds:.1f} s on the average; in these seconds alone {while_taking:.2f}\n"
    )
    assert high < 1.10
