"""Files that provisioning or the smoke test would miss are named in pre-flight, all of them."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.models.settings import Image, Smoke, SshAccess
from blocks.perf_environment import PerfEnvironment
from tasks.run import Run
from tasks.tools import read_missing_inputs
from tests.integration.hosts.conftest import K6

pytestmark = pytest.mark.integration

_SMOKE = """
export const options = { scenarios: { signin: { executor: 'constant-vus', exec: 'signin', vus: 1, duration: '5s' } } };
export function signin() {}
"""
_FILES = {
    "key": "", "tests-perf/k6/smoke.js": _SMOKE, "tests-perf/seed/seed-load-users.ts": "", "services/api/Dockerfile": "",
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    for name, text in _FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    environment = PerfEnvironment(
        checkout=tmp_path, account_id="123456789012", aws=AwsCredentials(), runs_folder=tmp_path / "runs",
        k6_command=str(K6), ssh=SshAccess(private_key=tmp_path / "key"),
        images=(Image(repository="api", context=Path("services"), dockerfile=Path("services/api/Dockerfile")),),
    )  # fmt: skip
    return Run(str(uuid4()), "test", "test", environment, LoadProfile())


def test_nothing_is_missing(run: Run) -> None:
    assert read_missing_inputs.fn(run) == ()


def test_every_file_that_is_missing_is_named_with_its_field(run: Run) -> None:
    for name in _FILES:
        (run.environment.checkout / name).unlink()
    key, script, dockerfile, smoke = read_missing_inputs.fn(run)
    assert key == f"ssh.private_key {run.environment.ssh.private_key} is missing; add it, or correct the block"
    assert script.startswith("users.script ")
    assert dockerfile.startswith("the Dockerfile of api ")
    assert "has no k6 script tests-perf/k6/smoke.js" in smoke


def test_a_smoke_script_that_the_load_generators_would_not_get_is_refused(run: Run) -> None:
    elsewhere = Run(run.id, "test", "test", run.environment, LoadProfile(smoke=Smoke(script=Path("k6/smoke.js"))))
    (said,) = read_missing_inputs.fn(elsewhere)
    assert "k6/smoke.js is not below tests-perf/" in said
