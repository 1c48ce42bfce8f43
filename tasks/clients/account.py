"""The AWS account: identity, quotas, registries, what carries a tag."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from blocks.models.errors import Failed, Unavailable

_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 5, "mode": "standard"})
# EC2 states in which an instance still costs money or is about to.
_LIVE = {"pending", "running", "stopping", "stopped", "shutting-down"}


@dataclass(frozen=True)
class Identity:
    """Who the credentials belong to."""

    account_id: str
    arn: str


@dataclass(frozen=True)
class Usage:
    """How much of a quota there is and how much of it is used."""

    quota: float
    used: float


@dataclass(frozen=True)
class RegistryLogin:
    """Short-lived credentials of the image registry."""

    endpoint: str
    user: str
    password: str


class Account:
    """One account in one region.

    Args:
        session: credentials.
        region: the region.
        endpoint_url: another address for every service, or None for AWS itself.
    """

    def __init__(self, session: boto3.Session, region: str, endpoint_url: str | None) -> None:
        self._client: Callable[[str], Any] = lambda service: session.client(
            service, region_name=region, endpoint_url=endpoint_url, config=_CONFIG
        )
        self.region = region

    def identity(self) -> Identity:
        """Return the caller's identity."""
        with _sentences("sts:GetCallerIdentity"):
            answer = self._client("sts").get_caller_identity()
        return Identity(account_id=answer["Account"], arn=answer["Arn"])

    def quota(self, service: str, code: str) -> float:
        """Return a service quota's value."""
        with _sentences(f"servicequotas:GetServiceQuota {code}"):
            answer = self._client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)
        return float(answer["Quota"]["Value"])

    def vpcs(self) -> int:
        """Count the region's VPCs."""
        return len(self._all("describe_vpcs", "Vpcs"))

    def addresses(self) -> int:
        """Count the region's elastic addresses."""
        with _sentences("ec2:DescribeAddresses"):
            return len(self._client("ec2").describe_addresses()["Addresses"])

    def running_vcpus(self) -> int:
        """Count the vCPUs of the region's running instances."""
        types: list[str] = [
            instance["InstanceType"]
            for reservation in self._all("describe_instances", "Reservations")
            for instance in reservation["Instances"]
            if instance["State"]["Name"] in {"pending", "running"}
        ]
        counts = self.instance_types(sorted(set(types)))
        return sum(counts[name].vcpus for name in types)

    def instance_types(self, names: list[str]) -> Mapping[str, InstanceType]:
        """Return vCPUs and architecture of instance types."""
        if not names:
            return {}
        with _sentences("ec2:DescribeInstanceTypes"):
            answer = self._client("ec2").describe_instance_types(InstanceTypes=names)
        return {
            item["InstanceType"]: InstanceType(
                vcpus=int(item["VCpuInfo"]["DefaultVCpus"]),
                architecture=str(item["ProcessorInfo"]["SupportedArchitectures"][0]),
            )
            for item in answer["InstanceTypes"]
        }

    def host_keys(self, instance_id: str) -> str:
        """Return the host keys that cloud-init wrote to an instance's console, as known_hosts lines without a name."""
        with _sentences("ec2:GetConsoleOutput"):
            answer = self._client("ec2").get_console_output(InstanceId=instance_id)
        text = _console_text(str(answer.get("Output", "")))
        begin, end = "-----BEGIN SSH HOST KEY KEYS-----", "-----END SSH HOST KEY KEYS-----"
        return text.partition(begin)[2].partition(end)[0].strip()

    def registry_login(self) -> RegistryLogin:
        """Return credentials for pushing images."""
        with _sentences("ecr:GetAuthorizationToken"):
            data = self._client("ecr").get_authorization_token()["authorizationData"][0]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        return RegistryLogin(endpoint=data["proxyEndpoint"], user=user, password=password)

    def repositories(self) -> dict[str, str]:
        """Return the region's image repositories: name -> URI."""
        with _sentences("ecr:DescribeRepositories"):
            pages = self._client("ecr").get_paginator("describe_repositories").paginate()
            return {item["repositoryName"]: item["repositoryUri"] for page in pages for item in page["repositories"]}

    def image_digests(self, repository: str) -> dict[str, str]:
        """Return the images of a repository: tag -> digest."""
        with _sentences("ecr:DescribeImages"):
            answer = self._client("ecr").describe_images(repositoryName=repository)
        return {tag: image["imageDigest"] for image in answer["imageDetails"] for tag in image.get("imageTags", [])}

    def tagged(self, key: str, value: str) -> tuple[str, ...]:
        """Return what still exists with a tag: ARNs and EC2 ids; what is terminated does not count."""
        filters = [{"Name": f"tag:{key}", "Values": [value]}]
        ec2 = self._client("ec2")
        with _sentences("ec2:Describe*"):
            found = {
                str(item[identifier])
                for operation, collection, identifier in _EC2_KINDS
                for item in getattr(ec2, operation)(Filters=filters)[collection]
                if item.get("State") != "deleted"
            }
            found |= {
                instance["InstanceId"]
                for reservation in ec2.describe_instances(Filters=filters)["Reservations"]
                for instance in reservation["Instances"]
                if instance["State"]["Name"] in _LIVE
            }
        with _sentences("tag:GetResources"):
            pages = (
                self._client("resourcegroupstaggingapi")
                .get_paginator("get_resources")
                .paginate(TagFilters=[{"Key": key, "Values": [value]}])
            )
            arns = {item["ResourceARN"] for page in pages for item in page["ResourceTagMappingList"]}
        # The tagging API lags behind EC2, which was asked itself.
        return tuple(sorted(found | {arn for arn in arns if ":ec2:" not in arn}))

    def tagged_repositories(self, key: str, value: str) -> tuple[str, ...]:
        """Return the image repositories that carry a tag."""
        ecr = self._client("ecr")
        with _sentences("ecr:ListTagsForResource"):
            return tuple(
                sorted(
                    item["repositoryName"]
                    for page in ecr.get_paginator("describe_repositories").paginate()
                    for item in page["repositories"]
                    if {"Key": key, "Value": value}
                    in ecr.list_tags_for_resource(resourceArn=item["repositoryArn"])["tags"]
                )
            )

    def delete_repository(self, name: str) -> None:
        """Delete an image repository with its images."""
        with _sentences("ecr:DeleteRepository"):
            self._client("ecr").delete_repository(repositoryName=name, force=True)

    def _all(self, operation: str, collection: str) -> list[Any]:
        with _sentences(f"ec2:{operation}"):
            pages = self._client("ec2").get_paginator(operation).paginate()
            return [item for page in pages for item in page[collection]]


@dataclass(frozen=True)
class InstanceType:
    """What matters of an instance type."""

    vcpus: int
    architecture: str


_EC2_KINDS = (
    ("describe_vpcs", "Vpcs", "VpcId"),
    ("describe_subnets", "Subnets", "SubnetId"),
    ("describe_security_groups", "SecurityGroups", "GroupId"),
    ("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("describe_route_tables", "RouteTables", "RouteTableId"),
    ("describe_addresses", "Addresses", "AllocationId"),
    ("describe_volumes", "Volumes", "VolumeId"),
    ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    ("describe_key_pairs", "KeyPairs", "KeyPairId"),
    ("describe_nat_gateways", "NatGateways", "NatGatewayId"),
)


def _console_text(output: str) -> str:
    """Boto decodes the console's base64; servers that encode it twice are read all the same."""
    if "BEGIN SSH HOST KEY" in output:
        return output
    try:
        return base64.b64decode(output, validate=True).decode(errors="replace")
    except ValueError:
        return output


@contextmanager
def _sentences(call: str) -> Iterator[None]:
    """Turn boto's exceptions into sentences for the operator."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        message = error.response.get("Error", {}).get("Message", "")
        raise Failed(f"AWS refused {call}: {code} {message}".strip()) from error
    except BotoCoreError as error:
        raise Unavailable(f"AWS did not answer {call}: {error}") from error
