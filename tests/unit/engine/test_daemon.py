"""A real engine's containers, read from recorded answers over a Unix socket."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any
from urllib.parse import unquote_plus

import pytest

from deployments.rehearsal.engine.cgroups import NO_GROUP, Group, create, group_of
from deployments.rehearsal.engine.daemon import Daemon
from deployments.rehearsal.engine.exposition import container_lines

CONTRACTS = Path(__file__).parents[2] / "contracts" / "docker"
LISTED = json.loads((CONTRACTS / "containers.200.json").read_text())
INSPECTED = json.loads((CONTRACTS / "container.200.json").read_text())
ID = INSPECTED["Id"]


Engine = Callable[[dict[str, Any]], Path]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Serve answers by path, 404 for all others, on a Unix socket."""
    running: list[tuple[ThreadingUnixStreamServer, threading.Thread]] = []

    def serve(answers: dict[str, Any]) -> Path:
        class Handler(BaseHTTPRequestHandler):
            def address_string(self) -> str:
                return "unix"

            def do_GET(self) -> None:
                asked = unquote_plus(self.path)
                found = asked in answers
                body = json.dumps(answers.get(asked, {"message": f"No such container: {ID}"})).encode()
                self.send_response(200 if found else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingUnixStreamServer(str(tmp_path / "docker.sock"), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return tmp_path / "docker.sock"

    yield serve
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


LIST = '/containers/json?filters={"label": ["com.docker.compose.project=recorded"], "status": ["running"]}'
INSPECT = f"/containers/{ID}/json"


def folder(tmp_path: Path, files: dict[str, str]) -> Path:
    """Return a control group's folder with what the kernel has in its files."""
    made = tmp_path / "group"
    made.mkdir()
    for name, text in files.items():
        (made / name).write_text(text)
    return made


@pytest.fixture
def version_1(tmp_path: Path) -> Group:
    files = {
        "cpuacct.usage": "142108832\n",
        "memory.usage_in_bytes": "6103040\n",
        "memory.stat": "cache 2621440\ninactive_file 7\ntotal_inactive_file 6000000\n",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    }
    return Group(dict.fromkeys(("memory", "cpu", "cpuacct"), folder(tmp_path, files)), 1)


@pytest.fixture
def version_2(tmp_path: Path) -> Group:
    files = {
        "cpu.stat": "usage_usec 142108\nuser_usec 100000\n",
        "memory.current": "6103040\n",
        "memory.stat": "anon 2736128\ninactive_file 6000000\n",
        "memory.events": "low 0\noom 2\noom_kill 2\n",
    }
    return Group(dict.fromkeys(("memory", "cpu"), folder(tmp_path, files)), 2)


def read(socket: Path, group: Group) -> dict[str, float]:
    samples = list(Daemon(socket, "recorded", {INSPECTED["State"]["Pid"]: group}.__getitem__).samples())
    assert {labels["name"] for _, labels, _ in samples} <= {"recorded-web-1"}
    return {name: value for name, _, value in samples}


def test_the_numbers_are_the_engines_and_the_control_groups(engine: Engine, version_1: Group) -> None:
    samples = read(engine({LIST: LISTED, INSPECT: INSPECTED}), version_1)
    assert samples.pop("container_last_seen") == pytest.approx(datetime.now(UTC).timestamp(), abs=60)
    assert samples == {
        "container_cpu_usage_seconds_total": 0.142108832,
        "container_spec_cpu_quota": 50_000,
        "container_spec_cpu_period": 100_000,
        "container_memory_working_set_bytes": 103_040,
        "container_memory_usage_bytes": 6_103_040,
        "container_spec_memory_limit_bytes": 64 * 2**20,
        "container_start_time_seconds": pytest.approx(1795578910, abs=2),
        "container_oom_events_total": 2,
    }


def test_version_2_of_control_groups_says_the_same(engine: Engine, version_2: Group) -> None:
    samples = read(engine({LIST: LISTED, INSPECT: INSPECTED}), version_2)
    assert samples["container_cpu_usage_seconds_total"] == 0.142108
    assert samples["container_memory_working_set_bytes"] == 103_040
    assert samples["container_oom_events_total"] == 2


def test_a_container_without_a_limit_has_no_quota(engine: Engine, version_1: Group) -> None:
    free = {**INSPECTED, "HostConfig": {**INSPECTED["HostConfig"], "NanoCpus": 0}}
    samples = read(engine({LIST: LISTED, INSPECT: free}), version_1)
    assert "container_spec_cpu_quota" not in samples
    assert "container_cpu_usage_seconds_total" in samples


def test_a_container_that_ends_meanwhile_has_no_series(engine: Engine) -> None:
    assert read(engine({LIST: LISTED, INSPECT: INSPECTED}), NO_GROUP) == {}


def test_a_container_that_is_removed_meanwhile_has_no_series(engine: Engine) -> None:
    assert read(engine({LIST: LISTED}), NO_GROUP) == {}


def test_labels_are_cadvisors(engine: Engine, version_1: Group) -> None:
    socket = engine({LIST: LISTED, INSPECT: INSPECTED})
    page = "\n".join(container_lines(Daemon(socket, "recorded", lambda _: version_1).samples()))
    assert (
        f'container_cpu_usage_seconds_total{{cpu="total",id="/docker/{ID}",image="python:3.11-slim",'
        'name="recorded-web-1"} 0.142108832'
    ) in page


def test_a_processs_group_is_found_where_it_is() -> None:
    made = create("found-by-a-test", 0, 0)
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            for place in set(made.folders.values()):
                (place / "cgroup.procs").write_text(str(child.pid))
            found = group_of(child.pid)
            assert child.pid in found.processes()
            assert set(made.folders.items()) <= set(found.folders.items())
        finally:
            child.kill()
    made.remove()
    assert group_of(child.pid) == NO_GROUP


def test_all_groups_together_weigh_as_four_processes_beside_them() -> None:
    made = create("weighed-by-a-test", 0, 0)
    files = [made.folders["cpu"].parent / file for file in ("cpu.shares", "cpu.weight")] if made.folders else []
    weights = [int(file.read_text()) for file in files if file.exists()]
    made.remove()
    assert weights == ([] if made == NO_GROUP else [4096 if made.version == 1 else 400])
