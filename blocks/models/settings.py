"""The parts of the two blocks: how to reach things, what to expect, what things are called."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Settings(BaseModel):
    """A part of a block; never changed after it is loaded."""

    model_config = ConfigDict(frozen=True)


class SshAccess(Settings):
    """How Rampart reaches the SUT and the load generators. Host keys are always verified."""

    user: str = Field("ec2-user", min_length=1, description="Login name on the hosts.")
    port: int = Field(22, ge=1, le=65535, description="SSH port of the hosts.")
    private_key: Path = Field(Path("~/.ssh/id_ed25519"), description="Private key file on the worker.")
    work_directory: str = Field(
        "rampart", description="Folder on the load generators, absolute or in the login's home."
    )
    known_hosts: Path | None = Field(
        None,
        description="known_hosts file with the hosts' keys. Empty = the keys are read from the instances' console "
        "output through the AWS API, where cloud-init writes them at first boot.",
    )


class ExpectedPlan(Settings):
    """What `terraform plan` is expected to show."""

    adds: int = Field(58, ge=1, le=5000, description="Resources to add.")
    tolerance: int = Field(5, ge=0, le=500, description="How far the number may be off.")


class CostCheck(Settings):
    """What a run is expected to cost, and when Cost Explorer is asked what it did."""

    planned_hours: float = Field(1.5, gt=0, le=48, description="Hours the infrastructure stands: what is estimated.")
    expected_usd: float = Field(
        1.5, gt=0, description="Cost of that time where the price table does not know all of the plan."
    )
    limit_factor: float = Field(2.0, ge=1, description="A cost above this many times what was estimated is a FAIL.")
    after_s: float = Field(
        86_400.0, gt=0, description="Seconds after the report until Cost Explorer is asked, and between two looks."
    )


class QuotaCodes(Settings):
    """Service Quotas codes of what the plan needs; the defaults are AWS's own."""

    vpcs: str = Field("L-F678F1CE", description="VPCs per region.")
    addresses: str = Field("L-0263D0A3", description="Elastic IP addresses.")
    vcpus: str = Field("L-1216C47A", description="vCPUs of running on-demand standard instances (c7g among them).")


class Image(Settings):
    """An image that is built from the checkout and pushed to its registry."""

    repository: str = Field(min_length=1, description="Name of the ECR repository, such as ebit-api-core.")
    context: Path = Field(description="Build context, relative to the checkout.")
    dockerfile: Path = Field(description="Dockerfile, relative to the checkout.")


class Services(Settings):
    """What runs on the SUT, and the commands that prepare it."""

    compose_directory: str = Field("/opt/ebit", description="Where the compose file is on the SUT.")
    api_port: int = Field(4000, ge=1, le=65535, description="Port of the API on the SUT.")
    health_path: str = Field("/api/health", description="Answers 200 when the system is ready.")
    health_timeout_s: float = Field(180.0, gt=0, description="How long it may take to become healthy.")
    api_service: str = Field("api", description="Compose service in which migrations and seed run.")
    migrate: tuple[str, ...] = Field(("npx", "prisma", "migrate", "deploy"), description="Migration command.")
    seed: tuple[str, ...] = Field(("npx", "prisma", "db", "seed"), description="Seed command; safe to repeat.")
    project: str = Field("ebit", description="Compose project name.")
    traced: tuple[str, ...] = Field(
        ("api", "auth", "bet", "rt", "worker"), description="Services that must show requests during the smoke."
    )


class Observability(Settings):
    """Where the run is watched. Empty addresses are taken from the Terraform outputs of the same name."""

    monitoring_url: str = Field("", description="Prometheus; empty = output monitoring_url.")
    grafana_url: str = Field("", description="Grafana; empty = output grafana_url.")
    jaeger_url: str = Field("", description="Jaeger; empty = output jaeger_url.")
    grafana_token: SecretStr = Field(SecretStr(""), description="Service account token with the Editor role.")
    dashboard_uid: str = Field("ebit-perf-test", description="Dashboard that shows the run.")


class MetricNames(Settings):
    """What the metrics are called here; checked before a run relies on them."""

    http_duration: str = Field("k6_http_req_duration_seconds", description="k6's request duration (native histogram).")
    http_requests: str = Field("k6_http_reqs_total", description="k6's request counter.")
    iteration_duration: str = Field("k6_iteration_duration_seconds", description="k6's iterations (native histogram).")
    dropped_iterations: str = Field(
        "k6_dropped_iterations_total",
        description="k6's counter of iterations of an arrival rate that had no free virtual user.",
    )
    ws_connecting: str = Field("k6_ws_connecting_seconds", description="k6's WebSocket handshake time.")
    ws_sessions: str = Field("k6_ws_sessions_total", description="k6's WebSocket sessions by status.")
    vus: str = Field("k6_vus", description="k6's virtual users.")
    span_calls: str = Field("traces_span_metrics_calls_total", description="Calls by service and span.")
    span_duration: str = Field(
        "traces_span_metrics_duration_milliseconds_bucket",
        description="Histogram of span durations; seconds when its name says so.",
    )
    db_span: str = Field(
        "prisma:(client|engine):(db_query|connection)",
        description="Regular expression of the database spans: the query, and the wait for a connection where it is a span of its own.",
    )
    queue_jobs: str = Field("bullmq_queue_jobs", description="Jobs by queue and state.")
    queue_wait_state: str = Field("wait", description="The state of jobs that wait.")
    container_cpu: str = Field("container_cpu_usage_seconds_total", description="CPU seconds by container.")
    container_quota: str = Field("container_spec_cpu_quota", description="CPU quota by container.")
    container_period: str = Field("container_spec_cpu_period", description="CPU period by container.")
    machine_cores: str = Field(
        "machine_cpu_cores", description="Cores of the SUT: the limit of containers without a quota."
    )
    container_memory: str = Field("container_memory_working_set_bytes", description="Memory by container.")


class Smoke(Settings):
    """The smoke test and its limits."""

    script: Path = Field(Path("tests-perf/k6/smoke.js"), description="k6 script, relative to the checkout.")
    vus: int = Field(50, ge=1, le=10_000, description="Virtual users Prometheus must have seen.")
    hold_s: float | None = Field(None, gt=0, le=3600, description="Seconds to run; empty = as the script says.")
    signin_p95_ms: float = Field(200.0, gt=0, description="Sign-in p95 must be below.")
    endpoints: tuple[str, ...] = Field(("signin", "bet", "history", "ws"), description="Scenarios that must run.")


class Ramp(Settings):
    """The ramp: which script, how much of it, how stages are held."""

    script: Path = Field(
        Path("tests-perf/profiles/stepped-ramp.js"), description="k6 script, relative to the checkout."
    )
    load_scale: float = Field(1.0, gt=0, le=1, description="Part of the script's virtual users.")
    time_scale: float = Field(1.0, gt=0, le=1, description="Part of the script's rises and holds.")
    approval_timeout_s: float = Field(
        1800.0,
        gt=0,
        le=86_400,
        description="Seconds to wait for the answer to a question (apply, ramp, stage, after a breach); then it is a halt.",
    )


class Users(Settings):
    """The load users and the script that makes them."""

    count: int = Field(10_000, ge=1, le=1_000_000, description="Users to seed.")
    script: Path = Field(Path("tests-perf/seed/seed-load-users.ts"), description="Relative to the checkout.")
    file: Path = Field(
        Path("tests-perf/k6/users.json"), description="What the script writes, relative to the checkout."
    )
    timeout_s: float = Field(900.0, gt=0, description="How long seeding may take.")
