"""What an account still holds of a run, as each service describes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_TAG = "rampart_run_id"
# Kinds of EC2 by the word in their ARN: operation, collection, id.
_EC2 = {
    "vpc": ("describe_vpcs", "Vpcs", "VpcId"),
    "subnet": ("describe_subnets", "Subnets", "SubnetId"),
    "internet-gateway": ("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    "natgateway": ("describe_nat_gateways", "NatGateways", "NatGatewayId"),
    "vpc-endpoint": ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    "route-table": ("describe_route_tables", "RouteTables", "RouteTableId"),
    "security-group": ("describe_security_groups", "SecurityGroups", "GroupId"),
    "security-group-rule": ("describe_security_group_rules", "SecurityGroupRules", "SecurityGroupRuleId"),
    "network-interface": ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    "volume": ("describe_volumes", "Volumes", "VolumeId"),
    "key-pair": ("describe_key_pairs", "KeyPairs", "KeyName"),
    "elastic-ip": ("describe_addresses", "Addresses", "AllocationId"),
}
_GONE = {"deleted", "terminated"}


def left_in(client: Callable[[str], Any], run_id: str) -> list[str]:
    """Return the ids of what is left of a run; nobody else uses the account, so that some kinds are listed without a tag.

    Args:
        client: returns a service's boto client.
        run_id: the run, as its tag says.
    """
    ec2, iam, balancing = client("ec2"), client("iam"), client("elbv2")
    instances = [item for found in ec2.describe_instances()["Reservations"] for item in found["Instances"]]
    found = [item["InstanceId"] for item in instances if item["State"]["Name"] not in _GONE]
    for operation, collection, identifier in _EC2.values():
        items = getattr(ec2, operation)()[collection]
        found += [item[identifier] for item in items if _is_of(item, run_id) and item.get("State") not in _GONE]
    found += [item["VpcId"] for item in ec2.describe_vpcs()["Vpcs"] if not item["IsDefault"]]
    found += [item["KeyName"] for item in ec2.describe_key_pairs()["KeyPairs"]]
    found += [item["AllocationId"] for item in ec2.describe_addresses()["Addresses"]]
    found += [item["LoadBalancerArn"] for item in balancing.describe_load_balancers()["LoadBalancers"]]
    found += [item["TargetGroupArn"] for item in balancing.describe_target_groups()["TargetGroups"]]
    found += [item["repositoryName"] for item in client("ecr").describe_repositories()["repositories"]]
    found += [item["RoleName"] for item in iam.list_roles()["Roles"] if not item["Path"].startswith("/aws-")]
    found += [item["InstanceProfileName"] for item in iam.list_instance_profiles()["InstanceProfiles"]]
    found += [item["Arn"] for item in iam.list_policies(Scope="Local")["Policies"]]
    found += [arn for arn in _tagged(client, run_id) if not _was_asked(arn)]
    return sorted(set(found))


def _tagged(client: Callable[[str], Any], run_id: str) -> list[str]:
    pages = client("resourcegroupstaggingapi").get_paginator("get_resources")
    query = {"TagFilters": [{"Key": _TAG, "Values": [run_id]}]}
    return [item["ResourceARN"] for page in pages.paginate(**query) for item in page["ResourceTagMappingList"]]


def _is_of(item: dict[str, Any], run_id: str) -> bool:
    tags = item.get("Tags") or item.get("TagSet") or ()
    return {"Key": _TAG, "Value": run_id} in tags


def _was_asked(arn: str) -> bool:
    """Whether EC2's own describe call answered for it: the tagging API goes on naming what is terminated."""
    _, _, service, _, _, what = arn.split(":", 5)
    return service == "ec2" and what.partition("/")[0] in {"instance", *_EC2}
