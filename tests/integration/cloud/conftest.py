import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

ROOT = Path(__file__).parents[3]
ACCOUNT = "210987654321"
REGION = "eu-north-1"
START_S = 60
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDummyDummyDummyDummyDummyDummyDummyDummyDu root@sut"


@dataclass(frozen=True)
class Cloud:
    port: int
    registry_port: int
    data: Path

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def registry(self) -> str:
        return f"127.0.0.1:{self.registry_port}"

    def client(self, service: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def reset(self) -> None:
        httpx.post(f"{self.endpoint}/moto-api/reset", timeout=30).raise_for_status()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("cloud")
    started = Cloud(free_port(), free_port(), folder / "data")
    keys = folder / "host_keys"
    keys.write_text(HOST_KEY + "\n", encoding="utf-8")
    environment = os.environ | {
        "REHEARSAL_HOST_KEYS": str(keys),
        "REHEARSAL_QUOTA_EIP": "7",
        "REHEARSAL_COST_TAGS": "rampart_run_id",
    }
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command(started), cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        wait_until_listening(process, started, log)
        yield started
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert "Traceback" not in log.read_text(encoding="utf-8")


@pytest.fixture
def fresh(cloud: Cloud) -> Cloud:
    cloud.reset()
    return cloud


def command(cloud: Cloud) -> list[str]:
    module = [sys.executable, "-m", "deployments.rehearsal.cloud"]
    ports = ["--port", str(cloud.port), "--registry-port", str(cloud.registry_port)]
    return [*module, *ports, "--account-id", ACCOUNT, "--data", str(cloud.data)]


def wait_until_listening(process: subprocess.Popen[bytes], cloud: Cloud, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{cloud.endpoint}/moto-api/data.json", timeout=5)
            httpx.get(f"http://{cloud.registry}/v2/", timeout=5)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the cloud did not start: {log.read_text(encoding='utf-8')}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
