"""The rehearsal's block values: all that makes a run a rehearsal."""

from __future__ import annotations

import getpass
from contextlib import suppress
from pathlib import Path

from prefect_aws import AwsClientParameters, AwsCredentials, S3Bucket
from pydantic import SecretStr

from blocks.load_profile import LoadProfile
from blocks.models.rules import DEFAULT_GUARD_RULES, StabilityRule
from blocks.models.settings import CostCheck, ExpectedPlan, Observability, Ramp, Services, Smoke, SshAccess, Users
from blocks.perf_environment import PerfEnvironment
from deployments.rehearsal import layout
from deployments.rehearsal.stack import Stack

BLOCK = "rehearsal"
# moto accepts any key; these are no secrets.
_KEY = "rehearsal"
# What the checkout's module makes.
_RESOURCES = 58
_BUCKET = "rampart-evidence"
# 10,000 virtual users of the script become 100, 42 minutes of rises and holds a good half a minute.
_LOAD, _TIME = 0.01, 1 / 60
# The system shares two cores with Prefect, Terraform and a browser: a stall of a second is the machine's, not its own.
_SIGNIN_WINDOW_S = 30.0
# Nothing boots here: what does not answer within half a minute is broken.
_READY_S = 30.0
# Instead of a day.
_COST_CHECK_S = 0.5


def make_bucket(stack: Stack) -> None:
    """Make the evidence's bucket; it stands for one that is there before any run and stays after it."""
    s3 = _credentials(stack).get_s3_client()
    # The blocks of a standing stack are saved again now and then.
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})


def save_rehearsal_blocks(stack: Stack) -> None:
    """Save the rehearsal's blocks, and the real load profile beside them."""
    ports, credentials = stack.ports, _credentials(stack)
    credentials.save("rehearsal", overwrite=True)
    LoadProfile().save("stepped-ramp", overwrite=True)
    _profile(ports).save(BLOCK, overwrite=True)
    _environment(stack, credentials, _evidence_store(credentials)).save(BLOCK, overwrite=True)


def _credentials(stack: Stack) -> AwsCredentials:
    return AwsCredentials(
        aws_access_key_id=_KEY,
        aws_secret_access_key=SecretStr(_KEY),
        region_name="eu-north-1",
        aws_client_parameters=AwsClientParameters(endpoint_url=f"http://{layout.LOCALHOST}:{stack.ports['aws']}"),
    )


def _profile(ports: dict[str, int]) -> LoadProfile:
    return LoadProfile(
        smoke=Smoke(hold_s=6.0),
        ramp=Ramp(load_scale=_LOAD, time_scale=_TIME, approval_timeout_s=900.0),
        script_environment={
            "RT_PORT": str(ports["rt"]),
            "WS_URL": f"ws://{layout.LOCALHOST}:{ports['rt']}",
            # A stage has one WebSocket user here: short sessions give the gate a handshake for every point.
            "WS_SESSION_S": "0.2",
            # The load generator has one core: a k6 that starts on two threads has all others wait for half a second.
            "GOMAXPROCS": "1",
        },
        users=Users(count=500),
        guard=tuple(
            rule.model_copy(update={"window_s": _SIGNIN_WINDOW_S}) if rule.metric == "p95_ms" else rule
            for rule in DEFAULT_GUARD_RULES
        ),
        gate=StabilityRule(window_s=5.0, step_s=1.0, min_points=4, floor_ms=100.0, relative_drift=1.0, floor_jobs=50.0),
    )


def _evidence_store(credentials: AwsCredentials) -> S3Bucket:
    store = S3Bucket(bucket_name=_BUCKET, bucket_folder="rehearsals", credentials=credentials)
    store.save("rehearsal", overwrite=True)
    return store


def _environment(stack: Stack, credentials: AwsCredentials, evidence_store: S3Bucket) -> PerfEnvironment:
    ports = stack.ports
    return PerfEnvironment(
        checkout=layout.CHECKOUT,
        terraform_parallelism=20,
        loadgen_k6_binary=Path("k6"),
        account_id=layout.ACCOUNT,
        aws=credentials,
        cost=CostCheck(after_s=_COST_CHECK_S),
        expected_plan=ExpectedPlan(adds=_RESOURCES),
        ssh=SshAccess(
            user=_login(),
            port=ports["ssh"],
            private_key=layout.KEYS / "id_ed25519",
            work_directory=str(layout.LOADGEN),
        ),
        ready_timeout_s=_READY_S,
        services=Services(
            compose_directory=str(layout.COMPOSE),
            api_port=ports["api"],
            migrate=("python", "-m", "ebit_api.migrate"),
            seed=("python", "-m", "ebit_api.seed"),
        ),
        observability=Observability(
            grafana_url=stack.grafana.url,
            grafana_token=SecretStr(stack.grafana_token),
            jaeger_url=stack.jaeger.url,
            dashboard_uid=stack.dashboard_uid,
        ),
        runs_folder=layout.RUNS,
        evidence_store=evidence_store,
    )


def _login() -> str:
    return getpass.getuser()
