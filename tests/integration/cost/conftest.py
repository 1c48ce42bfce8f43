"""A Cost Explorer that answers as it is told, and a run whose blocks a real Prefect server keeps."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect_aws import AwsClientParameters, AwsCredentials
from pydantic import SecretStr

from blocks.load_profile import LoadProfile
from blocks.models.settings import CostCheck
from blocks.perf_environment import PerfEnvironment
from tasks.run import Run, open_run
from tests.integration.cloud.conftest import ACCOUNT, REGION, Cloud, cloud, fresh

__all__ = ["cloud", "fresh"]


def answer(*usd: str, estimated: bool = False) -> dict[str, Any]:
    """One answer of Cost Explorer: an amount a day."""
    days = [
        {
            "TimePeriod": {"Start": f"2026-01-0{day}", "End": f"2026-01-0{day + 1}"},
            "Total": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}},
            "Groups": [],
            "Estimated": estimated,
        }
        for day, amount in enumerate(usd, 1)
    ]
    return {"ResultsByTime": days, "DimensionValueAttributes": []}


def will_answer(cloud: Cloud, *answers: dict[str, Any]) -> None:
    """Give each new question the next answer."""
    cloud.reset()
    seeds = {"account_id": ACCOUNT, "results": list(answers)}
    httpx.post(f"{cloud.endpoint}/moto-api/static/ce/cost-and-usage-results", json=seeds).raise_for_status()


@pytest.fixture(scope="session")
def blocks(prefect: str, cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the runs; saving blocks is slow, so all tests share them."""
    assert prefect
    folder = tmp_path_factory.mktemp("costs")
    aws = AwsCredentials(
        aws_access_key_id="test", aws_secret_access_key=SecretStr("test"), region_name=REGION,
        aws_client_parameters=AwsClientParameters(endpoint_url=cloud.endpoint),
    )  # fmt: skip
    aws.save("costs", overwrite=True)
    PerfEnvironment(
        checkout=folder, account_id=ACCOUNT, aws=aws, runs_folder=folder / "runs", cost=CostCheck(after_s=3600.0)
    ).save("costs", overwrite=True)
    LoadProfile().save("costs", overwrite=True)
    return folder / "runs"


@pytest.fixture
def run(blocks: Path, fresh: Cloud) -> Run:
    """A new run, alone in its folder."""
    assert fresh
    shutil.rmtree(blocks, ignore_errors=True)
    return open_run(str(uuid4()), "costs", "costs")
