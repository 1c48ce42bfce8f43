"""The AWS account: who we are, what there is room for, what is left."""

from __future__ import annotations

import httpx
from prefect import task

from blocks.models.verdict import Judgement, failed, inconclusive, passed
from tasks.clients.account import Account, Identity, InstanceType, Usage
from tasks.rules.plan import PlanSummary
from tasks.run import Run


def account_of(run: Run) -> Account:
    """Return the account of the run's environment block."""
    environment = run.environment
    return Account(
        environment.aws.get_boto3_session(), environment.region, environment.aws.aws_client_parameters.endpoint_url
    )


@task(retries=2, retry_delay_seconds=2)
def read_identity(run: Run) -> Identity:
    """Ask STS who the credentials belong to."""
    return account_of(run).identity()


@task(retries=2, retry_delay_seconds=2)
def read_quotas(run: Run, plan: PlanSummary) -> tuple[tuple[str, float, Usage], ...]:
    """Return (what, need of the plan, quota and use of the region) for each quota."""
    account, codes = account_of(run), run.environment.quotas
    types = account.instance_types(sorted(set(plan.instance_types)))
    vcpus = sum(types[name].vcpus for name in plan.instance_types)
    return (
        ("VPCs", plan.vpcs, Usage(account.quota("vpc", codes.vpcs), account.vpcs())),
        ("elastic addresses", plan.addresses, Usage(account.quota("ec2", codes.addresses), account.addresses())),
        ("vCPUs", vcpus, Usage(account.quota("ec2", codes.vcpus), account.running_vcpus())),
    )


@task(retries=2, retry_delay_seconds=2)
def read_architecture(run: Run, instance_types: tuple[str, ...]) -> str:
    """Return the one architecture of instance types: ``arm64`` or ``x86_64``; several are named with a slash."""
    types: dict[str, InstanceType] = dict(account_of(run).instance_types(sorted(set(instance_types))))
    return "/".join(sorted({item.architecture for item in types.values()}))


def detect_address(run: Run) -> str | None:
    """Return the worker's public address, or None when the service does not tell."""
    try:
        answer = httpx.get(run.environment.address_service, timeout=5.0)
        answer.raise_for_status()
    except httpx.HTTPError:
        return None
    return answer.text.strip()


def judge_credentials(run: Run) -> Judgement:
    """Judge whether the credentials are valid for longer than the lease: the teardown needs them too."""
    minutes = run.environment.lease_minutes
    lasting = account_of(run).credentials_outlive(minutes * 60)
    if lasting is None:
        return inconclusive(
            f"The credentials are temporary and do not say when they end; wanted is longer than the lease of {minutes} min, because the "
            "teardown needs them too: use a role, a login profile or an access key, or set AWS_CREDENTIAL_EXPIRATION beside them."
        )
    if not lasting:
        return failed(
            f"The credentials end within the lease of {minutes} min; the teardown needs them too: load new ones, or lower "
            "lease_minutes of the environment block."
        )
    return passed(f"credentials valid for longer than the lease of {minutes} min")


def judge_identity(identity: Identity, account_id: str) -> Judgement:
    """Judge whether the account is the performance account."""
    if identity.account_id != account_id:
        return failed(
            f"The credentials belong to account {identity.account_id}; wanted is {account_id}: "
            "load the credentials of the performance account."
        )
    return passed(f"account {identity.account_id}, {identity.arn}")


def judge_quotas(rows: tuple[tuple[str, float, Usage], ...]) -> Judgement:
    """Judge whether there is room for every need."""
    short = [
        f"{what}: {need:g} needed, {use.quota - use.used:g} free of {use.quota:g}"
        for what, need, use in rows
        if need > use.quota - use.used
    ]
    if short:
        return failed("; ".join(short) + ". Ask for a higher quota, or remove what is not needed in the region.")
    return passed(
        "; ".join(
            f"{what}: {need:g} needed, {use.quota - use.used:g} free of {use.quota:g}" for what, need, use in rows
        )
    )
