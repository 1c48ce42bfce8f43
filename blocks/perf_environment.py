"""The block that describes where a performance test runs."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from prefect.blocks.core import Block
from prefect_aws import AwsCredentials, S3Bucket
from pydantic import Field

from blocks.models.settings import (
    CostCheck,
    ExpectedPlan,
    Image,
    MetricNames,
    Observability,
    QuotaCodes,
    Services,
    SshAccess,
)
from blocks.schema_once import SchemaOnce

_API_IMAGES = ("core", "auth", "bet", "rt", "worker")


def _default_images() -> tuple[Image, ...]:
    names = [*(f"ebit-api-{name}" for name in _API_IMAGES), "ebit-fe"]
    folders = [*(("api" if name == "core" else name) for name in _API_IMAGES), "fe"]
    return tuple(
        Image(repository=name, context=Path("services"), dockerfile=Path("services") / folder / "Dockerfile")
        for name, folder in zip(names, folders, strict=True)
    )


class PerfEnvironment(SchemaOnce, Block):
    """The system's checkout, the AWS account it is provisioned in, and how its parts are reached."""

    _block_type_name: ClassVar[str | None] = "Perf Environment"
    _block_type_slug: ClassVar[str | None] = "perf-environment"
    _description: ClassVar[str | None] = "Where a performance test runs: checkout, account, hosts, observability."

    checkout: Path = Field(description="The system's repository on the worker.")
    terraform_directory: Path = Field(Path("terraform/perf"), description="Relative to the checkout.")
    terraform_command: str = Field("terraform", description="terraform or tofu, on the worker's PATH or a full path.")
    terraform_parallelism: int = Field(10, ge=1, le=100, description="Terraform's -parallelism.")
    container_command: tuple[str, ...] = Field(("docker",), description="The container engine's command line.")
    compose_command: tuple[str, ...] = Field(("docker", "compose"), description="Compose on the SUT.")
    k6_command: str = Field("k6", description="k6 on the worker, for reading scripts.")
    loadgen_k6_binary: Path = Field(
        Path("k6"),
        description="k6 for the load generators' architecture; is copied to them. A name is looked up on PATH.",
    )
    region: str = Field("eu-north-1", description="AWS region.")
    account_id: str = Field(pattern=r"^\d{12}$", description="The performance account; any other is refused.")
    aws: AwsCredentials = Field(description="Credentials of the performance account.")
    images: tuple[Image, ...] = Field(default_factory=_default_images, description="Images to build and push.")
    expected_plan: ExpectedPlan = Field(default_factory=ExpectedPlan, description="What the plan should show.")
    quotas: QuotaCodes = Field(default_factory=QuotaCodes, description="Service quotas to look at.")
    cost: CostCheck = Field(default_factory=CostCheck, description="The estimate, and the cost check after a day.")
    ssh: SshAccess = Field(default_factory=SshAccess, description="Access to the hosts.")
    ready_timeout_s: float = Field(
        600.0,
        gt=0,
        le=3600,
        description="Seconds after apply until the hosts must answer SSH, the SUT's engine its commands, and Prometheus, "
        "Grafana and Jaeger HTTP: cloud-init takes minutes.",
    )
    services: Services = Field(default_factory=Services, description="What runs on the SUT.")
    observability: Observability = Field(default_factory=Observability, description="Where the run is watched.")
    metrics: MetricNames = Field(default_factory=MetricNames, description="What the metrics are called.")
    runs_folder: Path = Field(description="Absolute folder of the runs: journal, record, evidence, report.")
    fill_team_report: bool = Field(
        False,
        description="Also overwrite docs/performance-test-report.md in the checkout with the filled text; a filled copy is in the run's "
        "folder anyway. The next run needs the file with its {{TBD}} fields back (git checkout), else report.filled fails.",
    )
    evidence_store: S3Bucket | None = Field(
        None,
        description="Bucket that the evidence is copied to as well, in a folder of the run. Empty = the runs folder only.",
    )
    lease_minutes: int = Field(
        180,
        ge=5,
        le=1440,
        description="Minutes that the infrastructure may outlive the run's last sign of life; then the janitor takes it down. "
        "A run that lives renews its lease every few seconds, so this does not limit how long it takes.",
    )
    address_service: str = Field(
        "https://checkip.amazonaws.com", description="Tells the worker's public address when admin_cidrs is empty."
    )
