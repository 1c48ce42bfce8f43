from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deployments.rehearsal.engine.cgroups import Group
from deployments.rehearsal.engine.exporter import Exporter, StandInContainers
from deployments.rehearsal.engine.home import Home
from tests.integration.engine.conftest import REPOSITORY, Host, free_port, until

pytestmark = pytest.mark.integration

CONTRACT = REPOSITORY / "tests" / "contracts" / "metrics" / "cadvisor.prom"
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")


@pytest.fixture
def url(built: Host) -> Iterator[str]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "deployments.rehearsal.engine.exporter",
        "--root",
        str(built.root),
        "--port",
        str(port),
    ]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE) as process:
        address = f"http://127.0.0.1:{port}"
        until(lambda: _answers(address))
        yield f"{address}/metrics"
        process.terminate()
        assert process.wait(timeout=10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=1).status_code == 200
    except httpx.TransportError:
        return False


def scrape(url: str) -> dict[tuple[str, str], tuple[dict[str, str], float]]:
    samples: dict[tuple[str, str], tuple[dict[str, str], float]] = {}
    answer = httpx.get(url, timeout=5)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, line
            labels: dict[str, str] = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
            samples[str(match[1]), labels.get("name", labels.get("mode", ""))] = labels, float(match[3])
    return samples


def test_running_containers_have_cadvisors_series(built: Host, url: str, enforced: Group) -> None:
    built.ok("compose", "up", "-d", "--wait")
    samples = scrape(url)
    for line in CONTRACT.read_text().splitlines():
        match = SAMPLE.match(line)
        assert match
        name, labels = match[1], dict(re.findall(r'(\w+)="([^"]*)"', match[2]))
        container = "throwaway-burner-1" if "spec_cpu" in name else "throwaway-web-1"
        if "spec_cpu" in name and not enforced.cpu_quota_us:
            continue
        assert samples[name, container][0].keys() == labels.keys()
    assert samples["container_spec_memory_limit_bytes", "throwaway-burner-1"][1] == 0
    assert ("container_spec_cpu_quota", "throwaway-web-1") not in samples
    assert samples["container_spec_memory_limit_bytes", "throwaway-web-1"][1] == enforced.memory_limit_bytes
    assert samples["container_memory_working_set_bytes", "throwaway-web-1"][1] > 1_000_000
    assert abs(samples["container_start_time_seconds", "throwaway-web-1"][1] - time.time()) < 60
    assert ("node_cpu_seconds_total", "idle") in samples
    assert ("node_vmstat_oom_kill", "") in samples


def test_a_burners_cpu_counter_grows(built: Host, url: str) -> None:
    built.ok("compose", "up", "-d", "burner")
    key = "container_cpu_usage_seconds_total", "throwaway-burner-1"
    before = scrape(url)[key][1]
    until(lambda: scrape(url)[key][1] > before + 0.2)


def test_a_stopped_container_has_no_series(built: Host, url: str) -> None:
    built.ok("compose", "up", "-d", "--no-deps", "web")
    assert ("container_last_seen", "throwaway-web-1") in scrape(url)
    built.ok("compose", "stop", "web")
    assert ("container_last_seen", "throwaway-web-1") not in scrape(url)


def test_a_scrape_of_six_containers_is_cheap(built: Host) -> None:
    services = "".join(
        f"  s{i}: {{image: tiny:1, network_mode: host, command: [sleep, '600'], mem_limit: 32m}}\n" for i in range(6)
    )
    (built.folder / "six.yml").write_text(f"name: six\nservices:\n{services}")
    built.ok("compose", "-f", "six.yml", "up", "-d", "--wait")
    exporter = Exporter(StandInContainers(Home(Path(built.root))).samples)
    exporter.exposition()
    before = time.process_time()
    for _ in range(10):
        page = exporter.exposition()
    assert page.count("container_last_seen{") == 6
    assert (time.process_time() - before) / 10 < 0.010
