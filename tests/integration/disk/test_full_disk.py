"""A run whose disk is full to the last byte is taken down and reported all the same: under a real Prefect, on a real file system."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import jsonschema
import pytest
from prefect_aws import AwsClientParameters, AwsCredentials
from pydantic import SecretStr

from blocks.load_profile import LoadProfile
from blocks.perf_environment import PerfEnvironment
from flows.teardown import end_run, take_over
from tasks.run import Run, lay_out, open_run
from tests.disks import fill, small_disk
from tests.integration.cloud.conftest import ACCOUNT, REGION, ROOT, Cloud, cloud, fresh

__all__ = ["cloud", "fresh"]

pytestmark = pytest.mark.integration


@pytest.fixture
def run(prefect: str, fresh: Cloud, tmp_path: Path) -> Iterator[Run]:
    """A run in its smoke phase, with a VPC of its own, on a disk that is full."""
    assert prefect
    aws = AwsCredentials(
        aws_access_key_id="test", aws_secret_access_key=SecretStr("test"), region_name=REGION,
        aws_client_parameters=AwsClientParameters(endpoint_url=fresh.endpoint),
    )  # fmt: skip
    aws.save("disk", overwrite=True)
    (tmp_path / "checkout" / "terraform" / "perf").mkdir(parents=True)
    LoadProfile().save("disk", overwrite=True)
    with small_disk(tmp_path / "runs", 64) as runs:
        environment = PerfEnvironment(checkout=tmp_path / "checkout", account_id=ACCOUNT, aws=aws, runs_folder=runs)
        environment.save("disk", overwrite=True)
        made = open_run(str(uuid4()), "disk", "disk")
        lay_out(made)
        made.journal.append(
            "preflight", "run_opened", run_id=made.id, environment="disk", profile="disk", left_out=[], options={}
        )
        made.journal.append("smoke", "phase_started")
        fresh.client("ec2").create_vpc(
            CidrBlock="10.9.0.0/16",
            TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": k, "Value": v} for k, v in made.tags.items()]}],
        )
        end_on_a_page(made.journal.path)
        fill(runs)
        yield made


def end_on_a_page(file: Path) -> None:
    """Let the file fill its last page, so that not even a short line fits beside it."""
    text = file.read_bytes().removesuffix(b"\n")
    file.write_bytes(text + b" " * (-(len(text) + 1) % 4096) + b"\n")


def vpcs(cloud: Cloud) -> list[str]:
    return [item["VpcId"] for item in cloud.client("ec2").describe_vpcs()["Vpcs"] if not item["IsDefault"]]


def is_reported(run: Run) -> None:
    record = json.loads((run.folder / "record.json").read_text())
    jsonschema.validate(record, json.loads((ROOT / "docs" / "record.schema.json").read_text()))
    assert record["run_id"] == run.id
    assert record["teardown"]["leftover"] == []
    assert (run.folder / "report.html").stat().st_size > 0
    assert run.journal.read()[1] == 0


@pytest.mark.long
def test_a_run_takes_itself_down_on_a_full_disk(run: Run, cloud: Cloud) -> None:
    assert vpcs(cloud)
    end_run(run)
    assert vpcs(cloud) == []
    is_reported(run)


@pytest.mark.long
def test_a_hook_or_the_janitor_takes_a_run_down_on_a_full_disk(run: Run, cloud: Cloud) -> None:
    assert vpcs(cloud)
    take_over(run, "The run's process is gone.", "janitor")
    assert vpcs(cloud) == []
    is_reported(run)
