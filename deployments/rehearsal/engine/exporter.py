"""Metrics of one engine's containers, under cadvisor's names: `python -m deployments.rehearsal.engine.exporter --root DIR --port P`.

With `--socket FILE --project NAME` instead of a root, the containers are a compose project's of a real engine.

Also the two metrics of the host that the checklist's queries need and a node exporter would serve (`node_vmstat_oom_kill`,
`node_cpu_seconds_total`). Only running containers have series, as in cadvisor: a container that was killed for memory shows
in `docker inspect` and in the host's counter. Samples carry no timestamps (cadvisor's do), so that Prometheus marks a
container that is gone as stale.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

from deployments.rehearsal.engine.cgroups import CPU_PERIOD_US
from deployments.rehearsal.engine.containers import Container, Definition, State
from deployments.rehearsal.engine.daemon import Daemon
from deployments.rehearsal.engine.exposition import CONTENT_TYPE, Sample, container_lines
from deployments.rehearsal.engine.home import Home, read_json
from deployments.rehearsal.engine.procfs import PROC
from deployments.rehearsal.engine.units import seconds_since_epoch
from deployments.rehearsal.engine.usage import usage_of

_CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
"""Columns of a cpu line in /proc/stat (proc(5))."""


class Exporter:
    """Writes the exposition.

    Args:
        containers: Reads the containers' samples anew at each call.
    """

    def __init__(self, containers: Callable[[], Iterable[Sample]]) -> None:
        self._containers = containers

    def exposition(self) -> str:
        """Returns the metrics page."""
        lines = ["# In place of cadvisor and the node exporter: rehearsal only", *container_lines(self._containers())]
        return "\n".join([*lines, *_host_lines()]) + "\n"


class StandInContainers:
    """Reads the containers of the stand-in engine.

    Args:
        home: The engine's folder.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._known: dict[str, Container] = {}

    def samples(self) -> Iterator[Sample]:
        """Yields the samples of the running containers."""
        for container in self._containers():
            state = container.state()
            if state.running:
                yield from _samples(container, state)

    def _containers(self) -> Iterator[Container]:
        """Yields the containers; a definition never changes, so each is read once."""
        names = os.listdir(self._home.containers) if self._home.containers.is_dir() else []  # noqa: PTH208 - names only
        self._known = {name: container for name, container in self._known.items() if name in names}
        for name in names:
            if name not in self._known:
                record = read_json(self._home.containers / name / "config.json")
                if not record:
                    continue
                self._known[name] = Container(self._home.containers / name, Definition(**record))
            yield self._known[name]


def main(arguments: list[str]) -> int:
    """Serves /metrics on 127.0.0.1 until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m deployments.rehearsal.engine.exporter")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--root", type=Path, help="the stand-in engine's folder (REHEARSAL_ENGINE_ROOT)")
    source.add_argument("--socket", type=Path, help="a real engine's socket")
    parser.add_argument("--project", default="", help="with --socket: the compose project")
    parser.add_argument("--port", required=True, type=int)
    options = parser.parse_args(arguments)
    containers = (
        Daemon(options.socket, options.project) if options.socket else StandInContainers(Home(options.root.absolute()))
    )
    exporter = Exporter(containers.samples)

    class Handler(BaseHTTPRequestHandler):
        """GET /metrics."""

        def do_GET(self) -> None:
            """Answers one scrape."""
            found = self.path.partition("?")[0] == "/metrics"
            body = exporter.exposition().encode() if found else b"In place of cadvisor: rehearsal only; see /metrics\n"
            self.send_response(200 if found or self.path == "/" else 404)
            self.send_header("Content-Type", CONTENT_TYPE if found else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
            """Logs nothing: a scrape a second says nothing."""

    signal.signal(signal.SIGTERM, _stop)
    with ThreadingHTTPServer(("127.0.0.1", options.port), Handler) as server:
        server.daemon_threads = True
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever(poll_interval=5)
    return 0


def _stop(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _samples(container: Container, state: State) -> Iterator[Sample]:
    definition, group, usage = container.definition, state.group, usage_of(state)
    labels = {"id": f"/docker/{definition.id}", "image": definition.image, "name": definition.name}
    yield "container_cpu_usage_seconds_total", {"cpu": "total", **labels}, usage.cpu_s
    if group.cpu_quota_us:
        yield "container_spec_cpu_quota", labels, group.cpu_quota_us
        yield "container_spec_cpu_period", labels, CPU_PERIOD_US
    yield "container_memory_working_set_bytes", labels, usage.working_set_bytes
    yield "container_memory_usage_bytes", labels, usage.memory_bytes
    yield "container_spec_memory_limit_bytes", labels, group.memory_limit_bytes
    yield "container_start_time_seconds", labels, seconds_since_epoch(state.started_at)
    yield "container_oom_events_total", labels, group.oom_kills()
    yield "container_last_seen", labels, time.time()


def _host_lines() -> list[str]:
    """Returns what the node exporter would serve of the same machine, and cadvisor's number of cores."""
    ticks = os.sysconf("SC_CLK_TCK")
    lines = [
        "# HELP machine_cpu_cores Number of logical CPU cores.",
        "# TYPE machine_cpu_cores gauge",
        f"machine_cpu_cores {os.cpu_count()}",
        "# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.",
        "# TYPE node_cpu_seconds_total counter",
    ]
    for line in (PROC / "stat").read_text().splitlines():
        name, *counts = line.split()
        if name.startswith("cpu") and name != "cpu":
            lines += [
                f'node_cpu_seconds_total{{cpu="{name[3:]}",mode="{mode}"}} {int(count) / ticks:.10g}'
                for mode, count in zip(_CPU_MODES, counts, strict=False)
            ]
    counters = dict(line.split() for line in (PROC / "vmstat").read_text().splitlines())
    lines += [
        "# HELP node_vmstat_oom_kill /proc/vmstat information field oom_kill.",
        "# TYPE node_vmstat_oom_kill untyped",
    ]
    return [*lines, f"node_vmstat_oom_kill {counters.get('oom_kill', '0')}"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
