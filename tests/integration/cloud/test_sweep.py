import json
import time
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from blocks.models.errors import Failed, Refused
from tasks.clients.account import Account
from tasks.clients.sweep.resources import Outcome, Swept
from tasks.clients.sweep.sweeping import ORDER, find, sweep
from tests.integration.cloud.belongings import IMAGE, everything, make_one_of_each
from tests.integration.cloud.conftest import ACCOUNT, REGION, Cloud
from tests.integration.cloud.tampering import tampered
from tests.integration.cloud.terraform import Terraform
from tests.integration.cloud.test_terraform import RESOURCES, TAGS, UNTAGGABLE, left_over

pytestmark = pytest.mark.integration

RUN = "cycle"
OTHERS = {
    "another-runs": {"rampart_run_id": "cycle-2", "rampart_environment": "perf"},
    "nobodys": {},
    "under-another-key": {"run": RUN, "rampart_environment": "perf"},
    "in-other-letters": {"rampart_run_id": "Cycle"},
}


@cache
def session() -> boto3.Session:
    """One for all tests: a session reads the models of its services, a second for EC2's alone."""
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)


def account(endpoint: str) -> Account:
    return Account(session(), REGION, endpoint)


def outcomes(swept: tuple[Swept, ...]) -> Counter[Outcome]:
    return Counter(item.outcome for item in swept)


def taggable(state: str) -> list[str]:
    """Return the ids of what a Terraform state holds and AWS can tag; a role and its profile may share one."""
    return [
        str(instance["attributes"]["id"])
        for resource in json.loads(state)["resources"]
        for instance in resource["instances"]
        if resource["mode"] == "managed" and "tags_all" in instance["attributes"]
    ]


@pytest.mark.long
def test_all_of_an_apply_whose_state_was_lost_is_found_and_removed(fresh: Cloud, tmp_path: Path) -> None:
    terraform = Terraform(tmp_path, fresh, TAGS)
    before = everything(fresh)
    terraform.run("apply", "-auto-approve", "-parallelism=20")
    applied = taggable((terraform.folder / "terraform.tfstate").read_text(encoding="utf-8"))
    (terraform.folder / "terraform.tfstate").unlink()

    swept = sweep(account(fresh.endpoint), ACCOUNT, RUN)

    assert outcomes(swept) == {Outcome.DELETED: len(swept)}
    assert len(applied) == RESOURCES - sum(UNTAGGABLE.values())
    assert Counter(applied) - Counter(item.resource.id for item in swept) == {}
    assert left_over(fresh) == []
    assert everything(fresh) == before


def test_one_of_each_kind_goes_and_what_is_not_the_runs_stays_as_it_was(fresh: Cloud) -> None:
    for name, tags in OTHERS.items():
        make_one_of_each(fresh, name, tags)
    before = everything(fresh)
    make_one_of_each(fresh, "ours", TAGS)

    swept = sweep(account(fresh.endpoint), ACCOUNT, RUN)

    assert {item.resource.kind for item in swept} == {kind.name for kind in ORDER} - {"resource"} - {
        "security group rule"
    }
    assert outcomes(swept) == {Outcome.DELETED: len(swept)}, [str(item) for item in swept if item.left]
    assert everything(fresh) == before
    assert find(account(fresh.endpoint), ACCOUNT, RUN) == ()


def test_a_dry_run_lists_what_would_go_and_touches_nothing(fresh: Cloud) -> None:
    make_one_of_each(fresh, "ours", TAGS)
    before = everything(fresh)
    swept = sweep(account(fresh.endpoint), ACCOUNT, RUN, dry_run=True)
    assert outcomes(swept) == {Outcome.FOUND: len(swept)}
    assert tuple(item.resource for item in swept) == find(account(fresh.endpoint), ACCOUNT, RUN)
    assert everything(fresh) == before


def test_a_run_id_is_not_a_pattern(fresh: Cloud) -> None:
    make_one_of_each(fresh, "ours", TAGS)
    for run_id in ("*", "cycl?", "cycle*", ""):
        assert find(account(fresh.endpoint), ACCOUNT, run_id) == ()


@pytest.mark.long
def test_somebodys_instance_in_the_runs_network_stays_and_is_named_as_what_blocks_it(fresh: Cloud) -> None:
    vpc = make_one_of_each(fresh, "ours", TAGS)
    ec2 = fresh.client("ec2")
    subnet = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"][0]["SubnetId"]
    (theirs,) = ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1, SubnetId=subnet)["Instances"]

    swept = sweep(account(fresh.endpoint), ACCOUNT, RUN)

    left = {item.resource.id: item for item in swept if item.left}
    assert left.keys() == {vpc, subnet}
    for item in left.values():
        assert item.detail == (
            f"instance {theirs['InstanceId']} is in the way and does not carry the run's tag: it was not touched"
        )
    assert left[vpc].by_hand == f"aws ec2 delete-vpc --vpc-id {vpc} --region {REGION}"
    (still,) = ec2.describe_instances(InstanceIds=[theirs["InstanceId"]])["Reservations"][0]["Instances"]
    assert still["State"]["Name"] == "running"


@pytest.mark.long
def test_a_policy_that_somebody_elses_role_uses_stays(fresh: Cloud) -> None:
    make_one_of_each(fresh, "ours", TAGS)
    make_one_of_each(fresh, "theirs", {})
    policy = f"arn:aws:iam::{ACCOUNT}:policy/ours"
    fresh.client("iam").attach_role_policy(RoleName="theirs", PolicyArn=policy)
    (left,) = [item for item in sweep(account(fresh.endpoint), ACCOUNT, RUN) if item.left]
    assert left.resource.id == policy
    assert left.detail == "it is attached to role theirs, which the sweep leaves: it was not touched"


@pytest.mark.long
def test_the_runs_role_in_somebodys_instance_profile_stays_there(fresh: Cloud) -> None:
    make_one_of_each(fresh, "ours", TAGS)
    make_one_of_each(fresh, "theirs", {})
    iam = fresh.client("iam")
    iam.remove_role_from_instance_profile(InstanceProfileName="theirs", RoleName="theirs")
    iam.add_role_to_instance_profile(InstanceProfileName="theirs", RoleName="ours")

    left = {item.resource.kind: item.detail for item in sweep(account(fresh.endpoint), ACCOUNT, RUN) if item.left}

    assert left == {
        "IAM role": "it is in instance profile theirs, which does not carry the run's tag: it was not touched",
        "IAM policy": "it is attached to role ours, which the sweep leaves: it was not touched",
    }
    (role,) = iam.get_instance_profile(InstanceProfileName="theirs")["InstanceProfile"]["Roles"]
    assert role["RoleName"] == "ours"
    assert iam.list_role_policies(RoleName="ours")["PolicyNames"] == ["inline"]


@pytest.mark.long
def test_what_the_run_put_on_somebodys_network_is_not_taken_off_it(fresh: Cloud) -> None:
    ec2 = fresh.client("ec2")

    def tagged(kind: str) -> list[dict[str, Any]]:
        return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in TAGS.items()]}]

    vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.8.0.0/24")["Subnet"]["SubnetId"]
    (instance,) = ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1, SubnetId=subnet)["Instances"]
    theirs = instance["InstanceId"]
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=tagged("route-table"))["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    gateway = ec2.create_internet_gateway(TagSpecifications=tagged("internet-gateway"))["InternetGateway"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc)
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip"))["AllocationId"]
    ec2.associate_address(AllocationId=address, InstanceId=theirs)
    interface = ec2.create_network_interface(SubnetId=subnet, TagSpecifications=tagged("network-interface"))
    card = interface["NetworkInterface"]["NetworkInterfaceId"]
    ec2.attach_network_interface(NetworkInterfaceId=card, InstanceId=theirs, DeviceIndex=1)
    before = everything(fresh)

    swept = sweep(account(fresh.endpoint), ACCOUNT, RUN)

    users = {
        table: f"subnet {subnet}", gateway["InternetGatewayId"]: f"VPC {vpc}",
        address: f"instance {theirs}", card: f"instance {theirs}",
    }  # fmt: skip
    assert {item.resource.id: item.detail for item in swept if item.left} == {
        ours: f"{user} uses it and does not carry the run's tag: it was not touched" for ours, user in users.items()
    }
    assert everything(fresh) == before


def test_what_no_rule_deletes_is_reported(fresh: Cloud) -> None:
    topic = fresh.client("sns").create_topic(Name="t", Tags=[{"Key": "rampart_run_id", "Value": RUN}])["TopicArn"]
    (left,) = sweep(account(fresh.endpoint), ACCOUNT, RUN, patience_s=0)
    assert (left.outcome, left.resource.id) == (Outcome.LEFT, topic)
    assert left.detail == "the sweep does not know how to delete a sns:t"


@pytest.mark.long
def test_throttling_and_server_errors_that_pass_are_waited_for(fresh: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """With shorter pauses, and a Boto that tries twice instead of five times."""
    monkeypatch.setattr("tasks.clients.sweep.api._PAUSES_S", (0.1, 0.1))
    monkeypatch.setattr("tasks.clients.account._CONFIG", Config(retries={"max_attempts": 2, "mode": "standard"}))
    make_one_of_each(fresh, "ours", TAGS)
    bad = {"ec2:DescribeVpcs": (503, "RequestLimitExceeded"), "ecr:DeleteRepository": (500, "InternalError")}
    # Boto gives up after two; the sweep does not.
    left = {"ec2:DescribeVpcs": 5, "ecr:DeleteRepository": 1}

    def tamper(operation: str) -> tuple[int, str] | None:
        if left.get(operation, 0) > 0:
            left[operation] -= 1
            return bad[operation]
        return None

    with tampered(fresh.endpoint, tamper) as endpoint:
        swept = sweep(account(endpoint), ACCOUNT, RUN)
    assert left == dict.fromkeys(bad, 0)
    assert outcomes(swept) == {Outcome.DELETED: len(swept)}


@pytest.mark.long
@pytest.mark.parametrize(
    ("operation", "code", "kind"),
    [
        ("ec2:ReleaseAddress", "UnauthorizedOperation", "elastic address"),
        ("iam:DeleteRole", "DeleteConflict", "IAM role"),
        ("logs:DeleteLogGroup", "AccessDeniedException", "log group"),
    ],
)
def test_one_thing_that_cannot_be_deleted_does_not_keep_the_others(
    fresh: Cloud, operation: str, code: str, kind: str
) -> None:
    make_one_of_each(fresh, "ours", TAGS)
    with tampered(fresh.endpoint, lambda asked: (400, code) if asked == operation else None) as endpoint:
        swept = sweep(account(endpoint), ACCOUNT, RUN, patience_s=0.5)
    left = [item for item in swept if item.left]
    assert {item.resource.kind for item in left} == {kind}
    assert all(code in item.detail and item.by_hand.startswith("aws ") for item in left)
    assert {item.kind for item in find(account(fresh.endpoint), ACCOUNT, RUN)} == {kind}


@pytest.mark.long
def test_a_kind_that_cannot_be_looked_for_is_no_clean_sweep_and_does_not_keep_the_others(fresh: Cloud) -> None:
    make_one_of_each(fresh, "ours", TAGS)
    denied = (403, "AccessDenied")
    with tampered(fresh.endpoint, lambda asked: denied if asked == "iam:ListRoles" else None) as endpoint:
        swept = sweep(account(endpoint), ACCOUNT, RUN, patience_s=0.5)
        with pytest.raises(Failed, match="AWS refused iam:list_roles: AccessDenied"):
            find(account(endpoint), ACCOUNT, RUN)
    unseen = [item for item in swept if item.outcome is Outcome.UNSEEN]
    assert [(item.resource.kind, item.left) for item in unseen] == [("IAM role", True)]
    # The role that was not seen still uses the policy.
    assert {item.kind for item in find(account(fresh.endpoint), ACCOUNT, RUN)} == {"IAM role", "IAM policy"}


VANISHED = {
    "iam:ListRoleTags": (404, "NoSuchEntity"),
    "iam:GetInstanceProfile": (404, "NoSuchEntity"),
    "iam:ListPolicyTags": (404, "NoSuchEntity"),
    "ecr:ListTagsForResource": (400, "RepositoryNotFoundException"),
    "logs:ListTagsForResource": (400, "ResourceNotFoundException"),
    "elasticloadbalancing:DescribeTags": (400, "LoadBalancerNotFound"),
}


@pytest.mark.long
@pytest.mark.parametrize("operation", VANISHED)
def test_what_vanishes_before_its_tags_are_read_does_not_hide_its_kind(fresh: Cloud, operation: str) -> None:
    for name, tags in (("ours", TAGS), ("theirs", {})):
        make_one_of_each(fresh, name, tags)
    asked: list[str] = []

    def once(now: str) -> tuple[int, str] | None:
        asked.append(now)
        return VANISHED[operation] if now == operation and asked.count(now) == 1 else None

    with tampered(fresh.endpoint, once) as endpoint:
        found = set(find(account(endpoint), ACCOUNT, RUN))
    everything_ours = set(find(account(fresh.endpoint), ACCOUNT, RUN))
    assert asked.count(operation) > 1
    # Which of the two is asked for first is not fixed: what is said to have vanished may be ours.
    assert found <= everything_ours
    assert len(everything_ours - found) <= (0 if operation.startswith("elastic") else 1)


def test_a_kind_that_could_not_be_looked_for_is_looked_for_again(fresh: Cloud) -> None:
    asked: list[str] = []

    def once(operation: str) -> tuple[int, str] | None:
        asked.append(operation)
        return (400, "ServiceFailure") if operation == "iam:ListRoles" and asked.count(operation) == 1 else None

    with tampered(fresh.endpoint, once) as endpoint:
        assert sweep(account(endpoint), ACCOUNT, RUN) == ()
    assert asked.count("iam:ListRoles") == 2


def test_a_kind_that_is_forbidden_is_not_waited_for(fresh: Cloud) -> None:
    began = time.monotonic()
    with tampered(
        fresh.endpoint, lambda asked: (403, "AccessDenied") if asked == "iam:ListRoles" else None
    ) as endpoint:
        swept = sweep(account(endpoint), ACCOUNT, RUN, patience_s=300)
    assert outcomes(swept) == {Outcome.UNSEEN: 1}
    assert time.monotonic() - began < 60


def test_credentials_of_another_account_delete_nothing(fresh: Cloud) -> None:
    make_one_of_each(fresh, "ours", TAGS)
    before = everything(fresh)
    with pytest.raises(Refused, match=f"belong to account {ACCOUNT}; wanted is 123456789012. Nothing was deleted"):
        sweep(account(fresh.endpoint), "123456789012", RUN)
    assert everything(fresh) == before


def test_expired_credentials_are_said_and_nothing_is_called_clean(fresh: Cloud) -> None:
    make_one_of_each(fresh, "ours", TAGS)
    expired = (400, "ExpiredToken")
    with (
        tampered(fresh.endpoint, lambda _: expired) as endpoint,
        pytest.raises(
            Failed, match=r"The AWS credentials have expired \(sts:GetCallerIdentity: ExpiredToken\); load new"
        ),
    ):
        sweep(account(endpoint), ACCOUNT, RUN)
    seen: list[str] = []

    def later(operation: str) -> tuple[int, str] | None:
        seen.append(operation)
        return expired if "ec2:TerminateInstances" in seen else None

    with tampered(fresh.endpoint, later) as endpoint:
        swept: tuple[Any, ...] = sweep(account(endpoint), ACCOUNT, RUN, patience_s=0.5)
    assert Outcome.DELETED not in outcomes(swept)
    assert all("have expired" in item.detail for item in swept if item.left)
