"""Waiting for hosts that boot: a real sshd, and over real HTTP a console, a dashboard and metrics that come late."""

from __future__ import annotations

import getpass
import json
import multiprocessing
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs

import boto3
import pytest
from prefect_aws import AwsClientParameters, AwsCredentials
from pydantic import SecretStr

from blocks.load_profile import LoadProfile
from blocks.models.errors import Failed, Refused, Unavailable
from blocks.models.settings import Observability, SshAccess
from blocks.perf_environment import PerfEnvironment
from tasks import ready
from tasks.clients.account import Account
from tasks.infrastructure import connect_sut
from tasks.ready import wait_until_ready
from tasks.run import Run
from tests.integration.serving import serving

from .conftest import LOCALHOST, make_key

pytestmark = pytest.mark.integration

_REGION = "eu-north-1"


class Booting(BaseHTTPRequestHandler):
    """EC2's API, Prometheus, Grafana and Jaeger of an environment that was applied just now."""

    host_key: ClassVar[str] = ""
    knows_latest: ClassVar[bool] = True
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self._send(200 if self.asked.count(self.path) > 1 else 503, "")

    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        latest = body.get("Latest") == ["true"]
        self.asked.append(f"{body['Action'][0]} latest={latest}")
        if latest and not self.knows_latest:
            error = "<Error><Code>UnsupportedOperation</Code><Message>not on this type</Message></Error>"
            self._send(400, f"<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>")
            return
        written = self.asked.count(self.asked[-1]) > 1 and (latest or not self.knows_latest)
        text = f"-----BEGIN SSH HOST KEY KEYS-----\n{self.host_key}\n-----END SSH HOST KEY KEYS-----" if written else ""
        text = b64encode(text.encode()).decode()
        self._send(200, f"<GetConsoleOutputResponse><output>{text}</output></GetConsoleOutputResponse>")

    def _send(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def cloud(access: SshAccess, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    assert access.known_hosts is not None
    monkeypatch.setattr(Booting, "host_key", access.known_hosts.read_text().partition(" ")[2].strip())
    monkeypatch.setattr(Booting, "asked", [])
    monkeypatch.setattr(ready, "_POLL_S", 0.05)
    with serving(Booting) as url:
        yield url


def run_of(folder: Path, cloud: str, access: SshAccess, timeout_s: float = 20.0) -> Run:
    docker = folder / "docker"
    docker.write_text(
        f"#!/bin/sh\n[ -e {folder}/booted ] && exit 0\ntouch {folder}/booted; echo no daemon >&2; exit 1\n"
    )
    docker.chmod(0o755)
    environment = PerfEnvironment(
        checkout=folder, account_id="123456789012", runs_folder=folder / "runs", region=_REGION, ssh=access,
        aws=AwsCredentials(
            aws_access_key_id="test", aws_secret_access_key=SecretStr("test"), region_name=_REGION,
            aws_client_parameters=AwsClientParameters(endpoint_url=cloud),
        ),
        compose_command=(str(docker), "compose"), ready_timeout_s=timeout_s,
        observability=Observability(monitoring_url=cloud, grafana_url=cloud, jaeger_url=cloud),
    )  # fmt: skip
    run = Run("run", "test", "test", environment, LoadProfile())
    run.folder.mkdir(parents=True)
    outputs = {
        "sut_public_ip": LOCALHOST, "sut_instance_id": "i-1", "loadgen_public_ip": [LOCALHOST, LOCALHOST],
        "loadgen_instance_ids": ["i-2", "i-3"],
    }  # fmt: skip
    (run.folder / "outputs.json").write_text(json.dumps(outputs))
    return run


def test_hosts_engine_and_observability_that_come_late_are_waited_for(
    tmp_path: Path, cloud: str, access: SshAccess
) -> None:
    run = run_of(tmp_path, cloud, access.model_copy(update={"known_hosts": None}))
    assert wait_until_ready.fn(run) > 0
    assert "GetConsoleOutput latest=False" not in Booting.asked
    assert all(Booting.asked.count(path) == 2 for path in ("/-/ready", "/api/health", "/api/services"))
    assert (tmp_path / "booted").exists()


def _user_of(run: Run) -> str:
    with closing(connect_sut(run)) as host:
        return host.must(["id", "-un"]).strip()


def test_another_process_connects_without_asking_ec2_for_the_host_keys(
    tmp_path: Path, cloud: str, access: SshAccess
) -> None:
    run = run_of(tmp_path, cloud, access.model_copy(update={"known_hosts": None}))
    wait_until_ready.fn(run)
    assert sorted(file.name for file in (run.folder / "host_keys").iterdir()) == ["i-1", "i-2", "i-3"]
    Booting.asked.clear()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as another:
        assert another.submit(_user_of, run).result(60) == getpass.getuser()
    assert Booting.asked == []


def test_after_the_time_out_it_is_said_what_is_missing(tmp_path: Path, cloud: str, access: SshAccess) -> None:
    gone = access.model_copy(update={"port": 9})
    with pytest.raises(
        Unavailable, match=r"Not ready 1 s after apply: SUT .*SSH to .*:9 failed.*; load generator"
    ) as raised:
        wait_until_ready.fn(run_of(tmp_path, cloud, gone, timeout_s=1.0))
    assert "Prometheus" not in str(raised.value)


def test_a_wrong_host_key_is_not_waited_for(tmp_path: Path, cloud: str, access: SshAccess) -> None:
    other = make_key(tmp_path / "other")
    (tmp_path / "known").write_text(f"[{LOCALHOST}]:{access.port} {Path(f'{other}.pub').read_text()}")
    with pytest.raises(Failed, match="is not the one that is known for it"):
        wait_until_ready.fn(run_of(tmp_path, cloud, access.model_copy(update={"known_hosts": tmp_path / "known"})))


def test_a_refused_key_is_final_where_the_console_shows_that_cloud_init_ended(
    tmp_path: Path, cloud: str, access: SshAccess
) -> None:
    refused = access.model_copy(update={"private_key": make_key(tmp_path / "other")})
    with pytest.raises(Failed, match="refused the key"):
        wait_until_ready.fn(run_of(tmp_path, cloud, refused.model_copy(update={"known_hosts": None})))


def test_a_refused_key_is_waited_for_where_cloud_init_may_still_make_the_user(
    tmp_path: Path, cloud: str, access: SshAccess
) -> None:
    refused = access.model_copy(update={"private_key": make_key(tmp_path / "other")})
    with pytest.raises(Unavailable, match=r"refused the key .* cloud-init may not have made the user yet"):
        wait_until_ready.fn(run_of(tmp_path, cloud, refused, timeout_s=0.5))


def test_a_missing_private_key_is_not_waited_for(tmp_path: Path, cloud: str, access: SshAccess) -> None:
    with pytest.raises(Refused, match=r"none is missing; set ssh\.private_key"):
        wait_until_ready.fn(run_of(tmp_path, cloud, access.model_copy(update={"private_key": tmp_path / "none"})))


def test_an_instance_type_that_knows_no_latest_console_is_asked_without(
    cloud: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Booting, "knows_latest", False)
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=_REGION)
    account = Account(session, _REGION, cloud)
    assert not account.host_keys("i-1")
    assert account.host_keys("i-1") == Booting.host_key
