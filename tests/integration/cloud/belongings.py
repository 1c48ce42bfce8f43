"""One of each kind of thing that the sweep knows, as a run or a person may have it."""

import json
from typing import Any

from tests.integration.cloud.conftest import Cloud

# One of those that moto has.
IMAGE = "ami-12c6146b"
_ASSUME = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
_ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:List*", "Resource": "*"}]}


def make_one_of_each(cloud: Cloud, name: str, tags: dict[str, str]) -> str:
    """Make everything, connected as it would be, and return the VPC's id."""
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]

    def tagged(kind: str) -> dict[str, Any]:
        return {"TagSpecifications": [{"ResourceType": kind, "Tags": pairs}]} if pairs else {}

    ec2 = cloud.client("ec2")
    vpc = str(ec2.create_vpc(CidrBlock="10.7.0.0/16", **tagged("vpc"))["Vpc"]["VpcId"])
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{number}.0/24", AvailabilityZone=zone, **tagged("subnet"))[
            "Subnet"
        ]["SubnetId"]
        for number, zone in enumerate(["eu-north-1a", "eu-north-1b"])
    ]
    gateway = ec2.create_internet_gateway(**tagged("internet-gateway"))["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc, **tagged("route-table"))["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnets[0])
    groups = [
        ec2.create_security_group(GroupName=f"{name}-{side}", Description="d", VpcId=vpc, **tagged("security-group"))[
            "GroupId"
        ]
        for side in ("left", "right")
    ]
    for one, other in (groups, groups[::-1]):
        rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": other}]}
        ec2.authorize_security_group_ingress(GroupId=one, IpPermissions=[rule])
    interface = ec2.create_network_interface(SubnetId=subnets[0], Groups=[groups[0]], **tagged("network-interface"))
    ec2.create_key_pair(KeyName=name, **tagged("key-pair"))
    instance = ec2.run_instances(
        ImageId=IMAGE, MinCount=1, MaxCount=1, SubnetId=subnets[0], SecurityGroupIds=groups, KeyName=name,
        **tagged("instance"),
    )["Instances"][0]["InstanceId"]  # fmt: skip
    ec2.attach_network_interface(
        NetworkInterfaceId=interface["NetworkInterface"]["NetworkInterfaceId"], InstanceId=instance, DeviceIndex=1
    )
    ec2.create_volume(AvailabilityZone="eu-north-1a", Size=1, **tagged("volume"))
    for _ in range(2):
        address = ec2.allocate_address(Domain="vpc", **tagged("elastic-ip"))["AllocationId"]
    ec2.associate_address(AllocationId=address, InstanceId=instance)
    nat = ec2.allocate_address(Domain="vpc", **tagged("elastic-ip"))["AllocationId"]
    ec2.create_nat_gateway(SubnetId=subnets[1], AllocationId=nat, **tagged("natgateway"))
    ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName="com.amazonaws.eu-north-1.s3", VpcEndpointType="Gateway", **tagged("vpc-endpoint")
    )

    balancing = cloud.client("elbv2")
    also = {"Tags": pairs} if pairs else {}
    balancer = balancing.create_load_balancer(Name=name, Subnets=subnets, SecurityGroups=[groups[1]], **also)
    target = balancing.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc, **also)
    balancing.create_listener(
        LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"], Protocol="HTTP", Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target["TargetGroups"][0]["TargetGroupArn"]}],
    )  # fmt: skip

    cloud.client("ecr").create_repository(repositoryName=name, tags=pairs)
    cloud.client("logs").create_log_group(logGroupName=f"/{name}", tags=tags)

    iam = cloud.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_ASSUME), Tags=pairs)
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(_ALLOW))
    policy = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(_ALLOW), Tags=pairs)["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=json.dumps(_ALLOW), SetAsDefault=True)
    iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    iam.create_instance_profile(InstanceProfileName=name, Tags=pairs)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return vpc


def everything(cloud: Cloud) -> dict[str, Any]:
    """Return the account as its services describe it, without what is terminated."""
    ec2, iam, balancing = cloud.client("ec2"), cloud.client("iam"), cloud.client("elbv2")
    kinds = {
        "vpcs": "Vpcs", "subnets": "Subnets", "internet_gateways": "InternetGateways", "route_tables": "RouteTables",
        "security_groups": "SecurityGroups", "security_group_rules": "SecurityGroupRules",
        "network_interfaces": "NetworkInterfaces", "key_pairs": "KeyPairs", "volumes": "Volumes",
        "addresses": "Addresses", "vpc_endpoints": "VpcEndpoints", "nat_gateways": "NatGateways",
    }  # fmt: skip
    found = {
        what: [item for item in getattr(ec2, f"describe_{what}")()[collection] if item.get("State") != "deleted"]
        for what, collection in kinds.items()
    }
    return found | {
        "instances": [
            instance
            for reservation in ec2.describe_instances()["Reservations"]
            for instance in reservation["Instances"]
            if instance["State"]["Name"] != "terminated"
        ],
        "balancers": balancing.describe_load_balancers()["LoadBalancers"],
        "target groups": balancing.describe_target_groups()["TargetGroups"],
        "repositories": cloud.client("ecr").describe_repositories()["repositories"],
        "log groups": cloud.client("logs").describe_log_groups()["logGroups"],
        "roles": [
            (role, iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"],
             iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"])
            for role in iam.list_roles()["Roles"]
        ],
        "policies": iam.list_policies(Scope="Local")["Policies"],
        "profiles": iam.list_instance_profiles()["InstanceProfiles"],
    }  # fmt: skip
