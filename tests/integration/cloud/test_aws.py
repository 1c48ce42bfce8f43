import time

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.integration.cloud.conftest import ACCOUNT, HOST_KEY, Cloud

pytestmark = pytest.mark.integration

QUICK_S = 5


def test_the_caller_belongs_to_the_given_account(cloud: Cloud) -> None:
    assert cloud.client("sts").get_caller_identity()["Account"] == ACCOUNT


@pytest.mark.parametrize(
    ("service", "code", "value"), [("vpc", "L-F678F1CE", 5), ("ec2", "L-0263D0A3", 7), ("ec2", "L-1216C47A", 64)]
)
def test_the_three_quotas_answer_and_the_environment_replaces_one(
    cloud: Cloud, service: str, code: str, value: float
) -> None:
    quotas = cloud.client("service-quotas")
    quota = quotas.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]
    assert quota["Value"] == value
    listed = {item["QuotaCode"]: item["Value"] for item in quotas.list_service_quotas(ServiceCode=service)["Quotas"]}
    assert listed[code] == value


def test_the_default_is_not_the_applied_value(cloud: Cloud) -> None:
    defaults = cloud.client("service-quotas").list_aws_default_service_quotas(ServiceCode="ec2")["Quotas"]
    assert {item["QuotaCode"]: item["Value"] for item in defaults} == {"L-0263D0A3": 5, "L-1216C47A": 5}


@pytest.mark.parametrize(("service", "code"), [("ec2", "L-00000000"), ("nosuch", "L-F678F1CE")])
def test_a_quota_that_does_not_exist_is_an_error_at_once(cloud: Cloud, service: str, code: str) -> None:
    began = time.monotonic()
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        cloud.client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)
    assert time.monotonic() - began < QUICK_S


def test_elastic_addresses_lead_here_and_are_told_apart_by_their_ids(fresh: Cloud) -> None:
    ec2 = fresh.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    instances = [
        item["InstanceId"]
        for item in ec2.run_instances(ImageId=image, MinCount=2, MaxCount=2, SubnetId=subnet)["Instances"]
    ]
    addresses = [ec2.allocate_address(Domain="vpc") for _ in instances]
    assert [address["PublicIp"] for address in addresses] == ["127.0.0.1", "127.0.0.1"]
    for address, instance in zip(addresses, instances, strict=True):
        ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance)
    ec2.release_address(AllocationId=addresses[1]["AllocationId"])
    (left,) = ec2.describe_addresses()["Addresses"]
    assert left["AllocationId"] == addresses[0]["AllocationId"]
    assert left["InstanceId"] == instances[0]


def test_an_instance_has_the_loopback_address_and_the_groups_of_its_interface(fresh: Cloud) -> None:
    ec2 = fresh.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=subnet["VpcId"])["GroupId"]
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    interface = {
        "DeviceIndex": 0,
        "SubnetId": subnet["SubnetId"],
        "AssociatePublicIpAddress": True,
        "Groups": [group],
    }
    started = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, NetworkInterfaces=[interface])["Instances"][0]
    found = ec2.describe_instances(InstanceIds=[started["InstanceId"]])["Reservations"][0]["Instances"][0]
    assert found["PublicIpAddress"] == "127.0.0.1"
    assert [item["GroupId"] for item in found["SecurityGroups"]] == [group]


def test_the_console_of_an_instance_holds_the_host_keys(fresh: Cloud) -> None:
    ec2 = fresh.client("ec2")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    lines = ec2.get_console_output(InstanceId=instance)["Output"].splitlines()
    begin = lines.index("-----BEGIN SSH HOST KEY KEYS-----")
    assert lines[begin + 1 : begin + 3] == [HOST_KEY, "-----END SSH HOST KEY KEYS-----"]


@pytest.mark.parametrize(("family", "architecture"), [("c7g.2xlarge", "arm64"), ("c7i.2xlarge", "x86_64")])
def test_instance_types_tell_their_architecture_and_vcpus(cloud: Cloud, family: str, architecture: str) -> None:
    (found,) = cloud.client("ec2").describe_instance_types(InstanceTypes=[family])["InstanceTypes"]
    assert found["ProcessorInfo"]["SupportedArchitectures"] == [architecture]
    assert found["VCpuInfo"]["DefaultVCpus"] == 8


def test_the_active_cost_tags_are_those_of_the_environment(cloud: Cloud) -> None:
    costs = cloud.client("ce")
    asked = costs.list_cost_allocation_tags(TagKeys=["rampart_run_id", "other"], Status="Active")
    assert [tag["TagKey"] for tag in asked["CostAllocationTags"]] == ["rampart_run_id"]
    assert costs.list_cost_allocation_tags(Status="Inactive")["CostAllocationTags"] == []


def test_seeded_costs_are_what_cost_explorer_answers(fresh: Cloud) -> None:
    period = {"Start": "2026-01-01", "End": "2026-01-02"}
    day = {"TimePeriod": period, "Total": {"UnblendedCost": {"Amount": "1.5", "Unit": "USD"}}, "Groups": []}
    seed = {"account_id": ACCOUNT, "results": [{"ResultsByTime": [day | {"Estimated": False}]}]}
    httpx.post(f"{fresh.endpoint}/moto-api/static/ce/cost-and-usage-results", json=seed).raise_for_status()
    answer = fresh.client("ce").get_cost_and_usage(TimePeriod=period, Granularity="DAILY", Metrics=["UnblendedCost"])
    assert answer["ResultsByTime"][0]["Total"]["UnblendedCost"]["Amount"] == "1.5"


def test_tags_are_found_while_their_resource_exists_and_not_after_it_was_deleted(fresh: Cloud) -> None:
    ec2 = fresh.client("ec2")
    tagging = fresh.client("resourcegroupstaggingapi")
    specification = {"ResourceType": "elastic-ip", "Tags": [{"Key": "rampart_run_id", "Value": "r"}]}
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=[specification])["AllocationId"]

    def found() -> tuple[list[str], list[str]]:
        tags = ec2.describe_tags(Filters=[{"Name": "key", "Values": ["rampart_run_id"]}])["Tags"]
        mapped = tagging.get_resources(TagFilters=[{"Key": "rampart_run_id", "Values": ["r"]}])
        return [tag["ResourceId"] for tag in tags], [item["ResourceARN"] for item in mapped["ResourceTagMappingList"]]

    arn = f"arn:aws:ec2:eu-north-1:{ACCOUNT}:elastic-ip/{address}"
    assert found() == ([address], [arn])
    ec2.release_address(AllocationId=address)
    assert found() == ([], [])
