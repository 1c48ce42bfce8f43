"""The AWS account: identity, quotas, registries."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from blocks.models.errors import Failed, Refused, Unavailable

_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 5, "mode": "standard"})
# What AWS answers to credentials that it does not take, in the words of its services.
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
UNKNOWN = {"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException"}


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

    Attributes:
        client: returns a service's boto client.
        region: the region.
    """

    def __init__(self, session: boto3.Session, region: str, endpoint_url: str | None) -> None:
        # A client reads its service's whole model, which takes a second of CPU for EC2's; it may be used by several threads.
        self.client: Callable[[str], Any] = cache(
            lambda service: session.client(service, region_name=region, endpoint_url=endpoint_url, config=_CONFIG)
        )
        self.region = region
        self._session = session

    def credentials_outlive(self, seconds: float) -> bool | None:
        """Say whether the credentials are valid for so many seconds more; None when they do not tell.

        Those of a role or a login renew themselves; those in the environment end when AWS_CREDENTIAL_EXPIRATION says.
        Any other session token does not say when it ends.
        """
        credentials = self._session.get_credentials()
        if isinstance(credentials, RefreshableCredentials):
            return credentials.method != "env" or not credentials.refresh_needed(refresh_in=round(seconds))
        return None if credentials is not None and credentials.token else True

    def identity(self) -> Identity:
        """Return the caller's identity."""
        with sentences("sts:GetCallerIdentity"):
            answer = self.client("sts").get_caller_identity()
        return Identity(account_id=answer["Account"], arn=answer["Arn"])

    def require(self, account_id: str) -> None:
        """Refuse to go on with credentials of another account; nothing is deleted before this was asked.

        Raises:
            Refused: they belong to another account.
        """
        found = self.identity()
        if found.account_id != account_id:
            raise Refused(
                f"The credentials belong to account {found.account_id}; wanted is {account_id}. Nothing was deleted: "
                "load the credentials of the performance account and start the teardown again."
            )

    def quota(self, service: str, code: str) -> float:
        """Return a service quota's value."""
        with sentences(f"servicequotas:GetServiceQuota {code}"):
            answer = self.client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)
        return float(answer["Quota"]["Value"])

    def vpcs(self) -> int:
        """Count the region's VPCs."""
        return len(self._all("describe_vpcs", "Vpcs"))

    def addresses(self) -> int:
        """Count the region's elastic addresses."""
        with sentences("ec2:DescribeAddresses"):
            return len(self.client("ec2").describe_addresses()["Addresses"])

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
        with sentences("ec2:DescribeInstanceTypes"):
            answer = self.client("ec2").describe_instance_types(InstanceTypes=names)
        return {
            item["InstanceType"]: InstanceType(
                vcpus=int(item["VCpuInfo"]["DefaultVCpus"]),
                architecture=str(item["ProcessorInfo"]["SupportedArchitectures"][0]),
            )
            for item in answer["InstanceTypes"]
        }

    def host_keys(self, instance_id: str) -> str:
        """Return the host keys that cloud-init wrote to an instance's console, as known_hosts lines without a name.

        Empty until cloud-init has written them.
        """
        with sentences("ec2:GetConsoleOutput"):
            text = _console_text(str(self._console(instance_id).get("Output", "")))
        begin, end = "-----BEGIN SSH HOST KEY KEYS-----", "-----END SSH HOST KEY KEYS-----"
        return text.partition(begin)[2].partition(end)[0].strip()

    def registry_login(self) -> RegistryLogin:
        """Return credentials for pushing images."""
        with sentences("ecr:GetAuthorizationToken"):
            data = self.client("ecr").get_authorization_token()["authorizationData"][0]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        return RegistryLogin(endpoint=data["proxyEndpoint"], user=user, password=password)

    def repositories(self) -> dict[str, str]:
        """Return the region's image repositories: name -> URI."""
        with sentences("ecr:DescribeRepositories"):
            pages = self.client("ecr").get_paginator("describe_repositories").paginate()
            return {item["repositoryName"]: item["repositoryUri"] for page in pages for item in page["repositories"]}

    def image_digests(self, repository: str) -> dict[str, str]:
        """Return the images of a repository: tag -> digest."""
        with sentences("ecr:DescribeImages"):
            answer = self.client("ecr").describe_images(repositoryName=repository)
        return {tag: image["imageDigest"] for image in answer["imageDetails"] for tag in image.get("imageTags", [])}

    def _console(self, instance_id: str) -> dict[str, Any]:
        """Ask for the console as it is now; without Latest it is minutes old, or empty, but older instance types know no other."""
        ec2 = self.client("ec2")
        try:
            answer: dict[str, Any] = ec2.get_console_output(InstanceId=instance_id, Latest=True)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "UnsupportedOperation":
                raise
            answer = ec2.get_console_output(InstanceId=instance_id)
        return answer

    def _all(self, operation: str, collection: str) -> list[Any]:
        with sentences(f"ec2:{operation}"):
            pages = self.client("ec2").get_paginator(operation).paginate()
            return [item for page in pages for item in page[collection]]


@dataclass(frozen=True)
class InstanceType:
    """What matters of an instance type."""

    vcpus: int
    architecture: str


def _console_text(output: str) -> str:
    """Boto decodes the console's base64; servers that encode it twice are read all the same."""
    if "BEGIN SSH HOST KEY" in output:
        return output
    try:
        return base64.b64decode(output, validate=True).decode(errors="replace")
    except ValueError:
        return output


@contextmanager
def sentences(call: str) -> Iterator[None]:
    """Turn boto's exceptions into sentences for the operator."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        message = error.response.get("Error", {}).get("Message", "")
        if code in EXPIRED:
            raise Failed(
                f"The AWS credentials have expired ({call}: {code}); load new ones into the AwsCredentials block and start this again."
            ) from error
        if code in UNKNOWN:
            raise Failed(
                f"AWS does not know the credentials ({call}: {code}); load those of the performance account into the AwsCredentials block."
            ) from error
        raise Failed(f"AWS refused {call}: {code} {message}".strip()) from error
    except (BotoCoreError, ResponseParserError) as error:
        raise Unavailable(f"AWS did not answer {call}: {' '.join(str(error).split())[:200]}") from error
