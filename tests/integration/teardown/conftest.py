"""A run with a small Terraform module, on a real Prefect server and the rehearsal's AWS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.variables import Variable
from prefect_aws import AwsClientParameters, AwsCredentials
from pydantic import SecretStr

from blocks.load_profile import LoadProfile
from blocks.perf_environment import PerfEnvironment
from tasks.lease import newest
from tasks.rules.lease import variable_name
from tasks.run import Run
from tests.integration.cloud.conftest import ACCOUNT, REGION, Cloud, cloud
from tests.integration.ramp.conftest import parent_run

__all__ = ["cloud"]

# Its destruction fails as long as a file is missing.
_MODULE = """
terraform {
  backend "local" {}
}
resource "terraform_data" "host" {
  input = abspath(path.module)
  provisioner "local-exec" {
    when    = destroy
    command = "test -e ${self.input}/may-go"
  }
}
"""


@pytest.fixture
def run(prefect: str, cloud: Cloud, tmp_path: Path) -> Iterator[Run]:  # noqa: ARG001 - its server has to run
    """A run that began, and whose process does not live any more."""
    module = tmp_path / "checkout" / "module"
    module.mkdir(parents=True)
    (module / "main.tf").write_text(_MODULE)
    aws = AwsCredentials(
        aws_access_key_id="test",
        aws_secret_access_key=SecretStr("test"),
        region_name=REGION,
        aws_client_parameters=AwsClientParameters(endpoint_url=cloud.endpoint),
    )
    block = PerfEnvironment(
        checkout=module.parent,
        terraform_directory="module",
        region=REGION,
        account_id=ACCOUNT,
        aws=aws,
        runs_folder=tmp_path / "runs",
    )
    begun = Run(parent_run(), f"env-{uuid4().hex[:8]}", "test", block, LoadProfile())
    begun.evidence.mkdir(parents=True)
    begun.journal.append(
        "preflight", "run_opened", run_id=begun.id, environment=begun.environment_name, profile="test", left_out=[],
        options={},
    )  # fmt: skip
    yield begun
    # Tests share one Prefect: a lease that stays would be looked at by the janitors of the others.
    while (link := newest(begun.environment_name)) is not None:
        Variable.unset(variable_name(begun.environment_name, link.epoch))
