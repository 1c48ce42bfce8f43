"""Real servers for the tests: Prometheus, the stand-in itself, and a Jaeger that replays the recorded contracts."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[3]
CONTRACTS = ROOT / "tests" / "contracts"
DASHBOARDS = ROOT / "deployments" / "rehearsal" / "checkout" / "monitoring" / "grafana" / "dashboards"
EDITOR, VIEWER = "glsa_editor_for_tests", "glsa_viewer_for_tests"
READY_S = 20


@dataclass(frozen=True)
class Grafana:
    """A running stand-in and clients of it."""

    url: str
    editor: httpx.Client
    viewer: httpx.Client
    nobody: httpx.Client


def free_port() -> int:
    """A port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    """A Prometheus that takes remote write; yields its address."""
    binary = shutil.which("prometheus")
    assert binary, "prometheus is not on PATH: install it (make setup)"
    folder.mkdir(parents=True)
    (folder / "prometheus.yml").write_text("global: {}\n")
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        binary,
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--web.enable-remote-write-receiver",
        "--enable-feature=native-histograms,exemplar-storage",
        "--log.level=error",
    ]
    with running(command, f"{url}/-/ready"):
        yield url


@contextmanager
def grafana(folder: Path, prometheus_url: str, jaeger_url: str) -> Iterator[Grafana]:
    """The stand-in, started as the stack starts it."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        *(sys.executable, "-m", "deployments.rehearsal.grafana", "--port", url.rpartition(":")[2]),
        *("--prometheus-url", prometheus_url, "--jaeger-url", jaeger_url),
        *("--dashboards", str(DASHBOARDS), "--state", str(folder)),
    ]
    environment = {**os.environ, "GRAFANA_TOKEN": EDITOR, "GRAFANA_VIEWER_TOKEN": VIEWER}
    with running(command, f"{url}/api/health", environment):
        clients = [
            httpx.Client(base_url=url, headers=headers, cookies=_no_cookies(), trust_env=False)
            for headers in ({"Authorization": f"Bearer {EDITOR}"}, {"Authorization": f"Bearer {VIEWER}"}, {})
        ]
        try:
            yield Grafana(url, *clients)
        finally:
            for client in clients:
                client.close()


@contextmanager
def jaeger() -> Iterator[str]:
    """Recorded answers of Jaeger's query API; everything else is 404."""

    class Replay(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            name = {"/api/services": "services.200", "/api/traces": "traces_search.200"}.get(path, "")
            if path.startswith("/api/traces/"):
                name = "trace.200" if path.endswith("4bf92f3577b34da6a3ce929d0e0e4736") else "trace.404"
            content = (CONTRACTS / "jaeger" / f"{name or 'trace.404'}.json").read_bytes()
            self.send_response(200 if name.endswith("200") else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Replay)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def running(command: list[str], ready_url: str, environment: dict[str, str] | None = None) -> Iterator[None]:
    """Run a server until the block ends; it must stop cleanly on SIGTERM."""
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as process:
        try:
            _wait(process, ready_url)
            yield
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=READY_S)
    assert process.returncode == 0, errors.decode()
    assert b"Traceback" not in errors, errors.decode()


def _no_cookies() -> CookieJar:
    """A jar that keeps none: a page's cookie would turn a client without a token into an anonymous viewer."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
        try:
            if httpx.get(url, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{url} did not answer within {READY_S} s")
