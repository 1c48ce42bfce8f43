"""A run whose ramp is over: its journal, k6's results on load generators behind a real sshd, a Grafana and its servers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.load_profile import LoadProfile
from blocks.models.event import Event, Kind
from blocks.models.settings import Observability, SshAccess
from blocks.perf_environment import PerfEnvironment
from tasks.run import Run
from tests.integration.grafana import servers
from tests.integration.grafana.load_story import story
from tests.integration.grafana.remote_write import push
from tests.integration.hosts.conftest import LOCALHOST, access

__all__ = ["access"]

HEADER = (
    "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,"
    "scenario,service,status,subproto,tls_version,url,extra_tags,metadata\n"
)
STAGE_S, RISE_S = 60, 10


@cache
def began() -> datetime:
    """When the run began: its stages end some seconds before the first test, whose Prometheus holds the last minutes."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=150)


def at(seconds: float) -> datetime:
    """A moment of the run."""
    return began() + timedelta(seconds=seconds)


def append(run: Run, kind: Kind, seconds: float, **data: object) -> None:
    """Write a line of the journal as it was written then."""
    event = Event(at=at(seconds), mono_s=seconds, pid=1, phase="ramp", kind=kind, data=data)
    with run.journal.path.open("a") as file:
        file.write(event.model_dump_json() + "\n")


def samples(seconds: range, every_ms: int = 100) -> bytes:
    """k6's CSV of all four endpoints over these seconds of the run, gzipped."""
    lines = [HEADER]
    for offset in range(seconds.start * 1000, seconds.stop * 1000, every_ms):
        moment = int(at(0).timestamp() * 1000) + offset
        lines.extend(
            f"http_req_duration,{moment},{20 + offset % 700 / 100},,,,true,,GET,n,HTTP/1.1,{name},,200,,,u,,\n"
            for name in ("signin", "bet", "history")
        )
        lines.append(f"ws_connecting,{moment},{5 + offset % 300 / 100},,,,,,,,,ws,,101,,,u,,\n")
    return gzip.compress("".join(lines).encode())


@pytest.fixture(scope="package")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.prometheus(tmp_path_factory.mktemp("metrics") / "prometheus") as url:
        push(url, story())
        yield url


@pytest.fixture(scope="package")
def jaeger_url() -> Iterator[str]:
    with servers.jaeger() as url:
        yield url


@pytest.fixture(scope="package")
def grafana(
    prometheus_url: str, jaeger_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.Grafana]:
    with servers.grafana(tmp_path_factory.mktemp("grafana"), prometheus_url, jaeger_url) as running:
        yield running


@pytest.fixture
def run(prometheus_url: str, jaeger_url: str, grafana: servers.Grafana, access: SshAccess, tmp_path: Path) -> Run:
    """Two stages that were judged, one segment each; the load generator is this machine."""
    environment = PerfEnvironment(
        checkout=tmp_path / "checkout", account_id="123456789012", aws=AwsCredentials(), runs_folder=tmp_path / "runs",
        ssh=access.model_copy(update={"work_directory": str(tmp_path / "host")}),
        observability=Observability(
            monitoring_url=prometheus_url, grafana_url=grafana.url, jaeger_url=jaeger_url,
            grafana_token=SecretStr(servers.EDITOR),
        ),
    )  # fmt: skip
    made = Run(str(uuid4()), "test", "test", environment, LoadProfile())
    made.evidence.mkdir(parents=True)
    outputs = {"sut_public_ip": LOCALHOST, "loadgen_public_ip": [LOCALHOST]}
    (made.folder / "outputs.json").write_text(json.dumps(outputs))
    append(made, "run_opened", 0, run_id=made.id, environment="test")
    for number in (1, 2):
        start = (number - 1) * STAGE_S
        append(made, "stage_started", start, number=number, vus=10 * number)
        append(made, "segment_started", start, index=number, loadgen=LOCALHOST, share=0.5)
        append(made, "stage_steady", start + RISE_S, number=number)
        end = start + STAGE_S
        append(made, "stage_judged", end, number=number, verdict="PASS", reason="flat", steady_to=at(end).isoformat())
        append(made, "stage_ended", end, number=number)
        jobs = tmp_path / "host" / made.id / "loadgen-0" / "jobs" / f"segment-{number:02d}"
        jobs.mkdir(parents=True)
        (jobs / "summary.json").write_text("{}")
        (jobs / "samples.csv.gz").write_bytes(samples(range(start, 2 * STAGE_S)))
    return made


def observed(run: Run, **changes: object) -> Run:
    """Return the run with another address or token of what watches it."""
    observability = run.environment.observability.model_copy(update=changes)
    environment = run.environment.model_copy(update={"observability": observability})
    return replace(run, environment=environment)
