"""Kinds of EC2 and its network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blocks.models.errors import Failed
from tasks.clients.sweep.api import Api, Blocked, Kind, as_mapping
from tasks.clients.sweep.resources import TAG, Resource, State

_GONE = {"terminated", "deleted"}
_GOING = {"shutting-down", "deleting"}


def describe(api: Api, what: str, name: str, value: str) -> list[dict[str, Any]]:
    """Return what ``describe_<what>`` lists under one filter and what is not gone."""
    collection = "Reservations" if what == "instances" else "".join(word.capitalize() for word in what.split("_"))
    items = api.every("ec2", f"describe_{what}", collection, Filters=[{"Name": name, "Values": [value]}])
    if what == "instances":
        items = [instance for reservation in items for instance in reservation["Instances"]]
    return [item for item in items if _state(item) not in _GONE]


def kind(  # noqa: PLR0913 - what there is to say of a kind
    name: str,
    what: str,
    identifier: str,
    delete: Callable[[Api, Resource], None],
    by_hand: str,
    *,
    arn: str | None = None,
    loosen: Callable[[Api, Resource], None] | None = None,
    keep: Callable[[dict[str, Any]], bool] = lambda _: False,
) -> Kind:
    """Return a kind of EC2.

    Args:
        name: its name.
        what: as in ``describe_<what>``.
        identifier: the field with its id.
        delete: asks for the deletion of one.
        by_hand: the command's part after ``aws ec2``.
        arn: as in ``ec2:<arn>/``, when it is not the name with dashes.
        loosen: called for each of the kind before any is deleted.
        keep: whether one came with the account or goes with its VPC, and is never deleted by itself.
    """

    def find(api: Api) -> dict[Resource, State]:
        return {
            Resource(name, item[identifier], _name(item)): _presence(item)
            for item in describe(api, what, f"tag:{TAG}", api.run_id)
            if api.owns(_tags(item)) and not keep(item)
        }

    command = f"aws ec2 {by_hand} --region {{region}}"
    return Kind(name, find, delete, command, (f"ec2:{arn or name.replace(' ', '-')}/",), loosen)


def _terminate(api: Api, resource: Resource) -> None:
    api.call("ec2", "terminate_instances", InstanceIds=[resource.id])


def _delete_nat(api: Api, resource: Resource) -> None:
    api.call("ec2", "delete_nat_gateway", NatGatewayId=resource.id)


def _delete_endpoint(api: Api, resource: Resource) -> None:
    answer = api.call("ec2", "delete_vpc_endpoints", VpcEndpointIds=[resource.id])
    for item in answer.get("Unsuccessful", ()):
        raise Failed(f"AWS refused ec2:delete_vpc_endpoints: {item['Error']['Code']} {item['Error']['Message']}")


def _disassociate_address(api: Api, resource: Resource) -> None:
    for address in describe(api, "addresses", "allocation-id", resource.id):
        _require_ours(api, _holders(api, "instance", address.get("InstanceId")), "instance")
        if association := address.get("AssociationId"):
            api.call("ec2", "disassociate_address", AssociationId=association)


def _release(api: Api, resource: Resource) -> None:
    api.call("ec2", "release_address", AllocationId=resource.id)


def _detach_interface(api: Api, resource: Resource) -> None:
    for interface in describe(api, "network_interfaces", "network-interface-id", resource.id):
        attachment = interface.get("Attachment", {})
        _require_ours(api, _holders(api, "instance", attachment.get("InstanceId")), "instance")
        if identifier := attachment.get("AttachmentId"):
            api.call("ec2", "detach_network_interface", AttachmentId=identifier, Force=True)


def _delete_interface(api: Api, resource: Resource) -> None:
    api.call("ec2", "delete_network_interface", NetworkInterfaceId=resource.id)


def _delete_volume(api: Api, resource: Resource) -> None:
    for volume in describe(api, "volumes", "volume-id", resource.id):
        for attachment in volume.get("Attachments", ()):
            _require_free(api, describe(api, "instances", "instance-id", attachment["InstanceId"]), "instance")
    api.call("ec2", "delete_volume", VolumeId=resource.id)


def _revoke_rule(api: Api, resource: Resource) -> None:
    for rule in describe(api, "security_group_rules", "security-group-rule-id", resource.id):
        direction = "egress" if rule["IsEgress"] else "ingress"
        api.call(
            "ec2", f"revoke_security_group_{direction}",
            GroupId=rule["GroupId"], SecurityGroupRuleIds=[resource.id],
        )  # fmt: skip


def _revoke_rules(api: Api, resource: Resource) -> None:
    """Take a group's rules away, so that groups that name each other can go in any order."""
    for rule in describe(api, "security_group_rules", "group-id", resource.id):
        _revoke_rule(api, Resource("security group rule", rule["SecurityGroupRuleId"]))


def _delete_group(api: Api, resource: Resource) -> None:
    _require_free(api, describe(api, "network_interfaces", "group-id", resource.id), "network interface")
    _require_free(api, describe(api, "security_groups", "ip-permission.group-id", resource.id), "security group")
    api.call("ec2", "delete_security_group", GroupId=resource.id)


def _disassociate_table(api: Api, resource: Resource) -> None:
    for table in describe(api, "route_tables", "route-table-id", resource.id):
        for association in table.get("Associations", ()):
            if association.get("Main"):
                continue
            _require_ours(api, _holders(api, "subnet", association.get("SubnetId")), "subnet")
            _require_ours(api, _holders(api, "internet gateway", association.get("GatewayId")), "internet gateway")
            api.call("ec2", "disassociate_route_table", AssociationId=association["RouteTableAssociationId"])


def _delete_table(api: Api, resource: Resource) -> None:
    api.call("ec2", "delete_route_table", RouteTableId=resource.id)


def _detach_gateway(api: Api, resource: Resource) -> None:
    for gateway in describe(api, "internet_gateways", "internet-gateway-id", resource.id):
        for attachment in gateway.get("Attachments", ()):
            _require_ours(api, _holders(api, "VPC", attachment["VpcId"]), "VPC")
            api.call(
                "ec2", "detach_internet_gateway", InternetGatewayId=resource.id, VpcId=attachment["VpcId"]
            )  # fmt: skip


def _delete_gateway(api: Api, resource: Resource) -> None:
    api.call("ec2", "delete_internet_gateway", InternetGatewayId=resource.id)


def _delete_subnet(api: Api, resource: Resource) -> None:
    _require_free(api, describe(api, "instances", "subnet-id", resource.id), "instance")
    _require_free(api, describe(api, "network_interfaces", "subnet-id", resource.id), "network interface")
    api.call("ec2", "delete_subnet", SubnetId=resource.id)


def _delete_vpc(api: Api, resource: Resource) -> None:
    _require_free(api, describe(api, "instances", "vpc-id", resource.id), "instance")
    _require_free(api, describe(api, "network_interfaces", "vpc-id", resource.id), "network interface")
    _require_free(api, describe(api, "subnets", "vpc-id", resource.id), "subnet")
    groups = [item for item in describe(api, "security_groups", "vpc-id", resource.id) if not _is_default(item)]
    _require_free(api, groups, "security group")
    _require_free(api, describe(api, "internet_gateways", "attachment.vpc-id", resource.id), "internet gateway")
    api.call("ec2", "delete_vpc", VpcId=resource.id)


def _delete_key(api: Api, resource: Resource) -> None:
    api.call("ec2", "delete_key_pair", KeyName=resource.id)


def _require_free(api: Api, occupants: list[dict[str, Any]], what: str) -> None:
    """Refuse to delete what somebody's things are in.

    Raises:
        Blocked: they are not the run's.
        Failed: they are the run's, or AWS's own, and go by themselves.
    """
    for item in occupants:
        identifier = next(item[key] for key in _IDENTIFIERS[what] if key in item)
        who = str(Resource(what, identifier, _name(item)))
        # AWS's own interfaces, of load balancers for example, go some minutes after what they belong to.
        if api.owns(_tags(item)) or item.get("RequesterManaged"):
            raise Failed(f"{who} is still in the way")
        raise Blocked(f"{who} is in the way and does not carry the run's tag: it was not touched")


def _require_ours(api: Api, holders: list[dict[str, Any]], what: str) -> None:
    """Refuse to take a thing of the run away from somebody's: that would change theirs.

    Raises:
        Blocked: a holder is not the run's.
    """
    for item in holders:
        if not api.owns(_tags(item)):
            who = Resource(what, item[_IDENTIFIERS[what][0]], _name(item))
            raise Blocked(f"{who} uses it and does not carry the run's tag: it was not touched")


def _holders(api: Api, what: str, identifier: str | None) -> list[dict[str, Any]]:
    """Return what there is of one id; nothing of none."""
    listed = f"{what.lower().replace(' ', '_')}s"
    return describe(api, listed, f"{what.lower().replace(' ', '-')}-id", identifier) if identifier else []


_IDENTIFIERS = {
    "instance": ("InstanceId",),
    "network interface": ("NetworkInterfaceId",),
    "subnet": ("SubnetId",),
    "security group": ("GroupId",),
    "internet gateway": ("InternetGatewayId",),
    "VPC": ("VpcId",),
}


def _state(item: dict[str, Any]) -> str:
    state = item.get("State", "")
    return str(state.get("Name", "") if isinstance(state, dict) else state).lower()


def _presence(item: dict[str, Any]) -> State:
    return State.GOING if _state(item) in _GOING else State.PRESENT


def _tags(item: dict[str, Any]) -> list[dict[str, str]]:
    # Interfaces have a name of their own for it.
    return list(item.get("Tags") or item.get("TagSet") or ())


def _name(item: dict[str, Any]) -> str:
    if "SecurityGroupRuleId" in item:
        return str(item["GroupId"])
    return as_mapping(_tags(item)).get("Name") or item.get("GroupName") or item.get("KeyName") or ""


def _is_default(item: dict[str, Any]) -> bool:
    return bool(item.get("IsDefault") or item.get("DefaultForAz") or item.get("GroupName") == "default")


def _is_main(item: dict[str, Any]) -> bool:
    return any(association.get("Main") for association in item.get("Associations", ()))


INSTANCE = kind("instance", "instances", "InstanceId", _terminate, "terminate-instances --instance-ids {id}")
NAT_GATEWAY = kind(
    "NAT gateway", "nat_gateways", "NatGatewayId", _delete_nat,
    "delete-nat-gateway --nat-gateway-id {id}", arn="natgateway",
)  # fmt: skip
ENDPOINT = kind(
    "VPC endpoint", "vpc_endpoints", "VpcEndpointId", _delete_endpoint,
    "delete-vpc-endpoints --vpc-endpoint-ids {id}", arn="vpc-endpoint",
)  # fmt: skip
ADDRESS = kind(
    "elastic address", "addresses", "AllocationId", _release,
    "release-address --allocation-id {id}", arn="elastic-ip", loosen=_disassociate_address,
)  # fmt: skip
INTERFACE = kind(
    "network interface", "network_interfaces", "NetworkInterfaceId", _delete_interface,
    "delete-network-interface --network-interface-id {id}", loosen=_detach_interface,
)  # fmt: skip
VOLUME = kind("volume", "volumes", "VolumeId", _delete_volume, "delete-volume --volume-id {id}")
RULE = kind(
    "security group rule", "security_group_rules", "SecurityGroupRuleId", _revoke_rule,
    "revoke-security-group-ingress --group-id {name} --security-group-rule-ids {id}",
)  # fmt: skip
GROUP = kind(
    "security group", "security_groups", "GroupId", _delete_group,
    "delete-security-group --group-id {id}", loosen=_revoke_rules, keep=_is_default,
)  # fmt: skip
ROUTE_TABLE = kind(
    "route table", "route_tables", "RouteTableId", _delete_table,
    "delete-route-table --route-table-id {id}", loosen=_disassociate_table, keep=_is_main,
)  # fmt: skip
INTERNET_GATEWAY = kind(
    "internet gateway", "internet_gateways", "InternetGatewayId", _delete_gateway,
    "delete-internet-gateway --internet-gateway-id {id}", loosen=_detach_gateway,
)  # fmt: skip
SUBNET = kind("subnet", "subnets", "SubnetId", _delete_subnet, "delete-subnet --subnet-id {id}", keep=_is_default)
VPC = kind("VPC", "vpcs", "VpcId", _delete_vpc, "delete-vpc --vpc-id {id}", arn="vpc", keep=_is_default)
KEY_PAIR = kind("key pair", "key_pairs", "KeyName", _delete_key, "delete-key-pair --key-name {id}")
