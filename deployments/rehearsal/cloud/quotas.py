"""Service quotas of the account: the three that a perf environment can run into, and moto's own list for VPCs."""

import json
import os
from dataclasses import dataclass
from typing import Any

from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.models import ServiceQuotasBackend
from moto.servicequotas.resources.default_quotas.vpc import VPC_DEFAULT_QUOTAS
from moto.servicequotas.responses import ServiceQuotasResponse

from deployments.rehearsal.cloud.patching import add, replace


@dataclass(frozen=True)
class Quota:
    """One quota.

    Attributes:
        service: Service code, such as `ec2`.
        service_name: The service's name in AWS's console.
        code: Quota code, such as `L-0263D0A3`.
        name: The quota's name in AWS's console.
        default: What AWS gives a new account.
        applied: What this account has.
        variable: Environment variable that replaces `applied`.
    """

    service: str
    service_name: str
    code: str
    name: str
    default: float
    applied: float
    variable: str

    def value(self) -> float:
        """Return the applied value, or the number given in the environment.

        Raises:
            ValueError: The environment variable holds no number.
        """
        return float(os.environ.get(self.variable, self.applied))


EC2_NAME = "Amazon Elastic Compute Cloud (Amazon EC2)"
VPC_NAME = "Amazon Virtual Private Cloud (Amazon VPC)"

# Codes, names and defaults: AWS's service quota pages. Applied: VPCs and addresses as in a new account, vCPUs raised
# as an account must have them raised that runs a load test (the default of 5 does not start one c7g.2xlarge).
QUOTAS = (
    Quota("vpc", VPC_NAME, "L-F678F1CE", "VPCs per Region", 5, 5, "REHEARSAL_QUOTA_VPC"),
    Quota("ec2", EC2_NAME, "L-0263D0A3", "EC2-VPC Elastic IPs", 5, 5, "REHEARSAL_QUOTA_EIP"),
    Quota(
        "ec2",
        EC2_NAME,
        "L-1216C47A",
        "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
        5,
        64,
        "REHEARSAL_QUOTA_VCPU",
    ),
)


def install() -> None:
    """Make `GetServiceQuota`, `ListServiceQuotas` and `ListAWSDefaultServiceQuotas` answer for VPC and EC2.

    Raises:
        ValueError: An environment variable that replaces a quota holds no number.
    """
    values = {quota.code: quota.value() for quota in QUOTAS}

    def quotas_of(backend: ServiceQuotasBackend, service: str, *, defaults: bool) -> list[dict[str, Any]]:
        ours = [
            _answer(backend, quota, quota.default if defaults else values[quota.code])
            for quota in QUOTAS
            if quota.service == service
        ]
        if not ours:
            raise NoSuchResource
        named = {quota["QuotaCode"] for quota in ours}
        others = VPC_DEFAULT_QUOTAS if service == "vpc" else []
        return ours + [quota for quota in others if quota["QuotaCode"] not in named]

    def get_service_quota(backend: ServiceQuotasBackend, service_code: str, quota_code: str) -> dict[str, Any]:
        for quota in quotas_of(backend, service_code, defaults=False):
            if quota["QuotaCode"] == quota_code:
                return quota
        raise NoSuchResource

    def list_defaults(backend: ServiceQuotasBackend, service_code: str) -> list[dict[str, Any]]:
        return quotas_of(backend, service_code, defaults=True)

    def list_service_quotas(response: ServiceQuotasResponse) -> str:
        service = str(json.loads(response.body).get("ServiceCode"))
        return json.dumps({"Quotas": quotas_of(response.backend, service, defaults=False)})

    replace(ServiceQuotasBackend, "get_service_quota", get_service_quota)
    replace(ServiceQuotasBackend, "list_aws_default_service_quotas", list_defaults)
    add(ServiceQuotasResponse, "list_service_quotas", list_service_quotas)


def _answer(backend: ServiceQuotasBackend, quota: Quota, value: float) -> dict[str, Any]:
    arn = f"arn:aws:servicequotas:{backend.region_name}:{backend.account_id}:{quota.service}/{quota.code}"
    return {
        "ServiceCode": quota.service,
        "ServiceName": quota.service_name,
        "QuotaArn": arn,
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
