"""The kill matrix sees whatever a run can leave."""

from __future__ import annotations

import boto3
import pytest

from tasks.clients.account import Account
from tasks.clients.sweep.resources import Resource
from tasks.clients.sweep.sweeping import ORDER, find, sweep
from tests.integration.cloud.belongings import make_one_of_each
from tests.integration.cloud.conftest import ACCOUNT, REGION, Cloud
from tests.killmatrix.belongings import left_in

pytestmark = pytest.mark.integration

RUN = "cycle"
TAGS = {"rampart_run_id": RUN, "rampart_environment": "perf"}


def account(cloud: Cloud) -> Account:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    return Account(session, REGION, cloud.endpoint)


def made(cloud: Cloud) -> tuple[Resource, ...]:
    """Make one of each kind that the sweep deletes, and return them."""
    vpc = make_one_of_each(cloud, "ours", TAGS)
    ec2 = cloud.client("ec2")
    group = ec2.create_security_group(GroupName="third", Description="d", VpcId=vpc)["GroupId"]
    rule = ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}],
    )["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    ec2.create_tags(Resources=[group, rule], Tags=[{"Key": key, "Value": value} for key, value in TAGS.items()])
    found = find(account(cloud), ACCOUNT, RUN)
    assert {item.kind for item in found} == {kind.name for kind in ORDER} - {"resource"}
    return found


@pytest.mark.long
def test_one_of_each_kind_is_named_and_nothing_after_the_sweep(fresh: Cloud) -> None:
    before = left_in(fresh.client, RUN)
    unnamed = [str(item) for item in made(fresh) if not any(item.id in name for name in left_in(fresh.client, RUN))]
    assert (before, unnamed) == ([], [])
    sweep(account(fresh), ACCOUNT, RUN)
    assert left_in(fresh.client, RUN) == []


def test_a_kind_of_ec2_that_no_call_was_made_for_is_named_by_its_tag(fresh: Cloud) -> None:
    ec2 = fresh.client("ec2")
    volume = ec2.create_volume(AvailabilityZone="eu-north-1a", Size=1)["VolumeId"]
    tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    snapshot = ec2.create_snapshot(
        VolumeId=volume, TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}]
    )["SnapshotId"]  # fmt: skip
    (left,) = left_in(fresh.client, RUN)
    assert left.endswith(f":snapshot/{snapshot}")
