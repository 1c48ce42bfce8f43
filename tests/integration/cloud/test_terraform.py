from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cloud.conftest import Cloud
from tests.integration.cloud.terraform import MODULE, Terraform

pytestmark = pytest.mark.integration

TAGS = {"rampart_run_id": "cycle", "rampart_environment": "perf"}
RESOURCES = 58
# AWS has no tags on these; they go with what they belong to.
UNTAGGABLE = {
    "aws_ecr_lifecycle_policy": 6,
    "aws_eip_association": 3,
    "aws_iam_role_policy": 1,
    "aws_iam_role_policy_attachment": 1,
    "aws_route": 1,
    "aws_route_table_association": 2,
}
IMAGES = {"ebit-api-core", "ebit-api-auth", "ebit-api-bet", "ebit-api-rt", "ebit-api-worker", "ebit-fe"}


def managed(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [change for change in plan["resource_changes"] if change["mode"] == "managed"]


def left_over(cloud: Cloud) -> list[str]:
    ec2 = cloud.client("ec2")
    wanted = [{"Name": "tag:rampart_run_id", "Values": ["cycle"]}]
    tagged = ec2.describe_tags(Filters=[{"Name": "key", "Values": ["rampart_run_id"]}])["Tags"]
    alive = [
        instance["InstanceId"]
        for reservation in ec2.describe_instances(Filters=wanted)["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] != "terminated"
    ]
    # Terminated instances keep their tags for a while, in AWS too.
    others = [tag["ResourceId"] for tag in tagged if tag["ResourceType"] != "instance"]
    by_arn = cloud.client("resourcegroupstaggingapi").get_resources(
        TagFilters=[{"Key": "rampart_run_id", "Values": ["cycle"]}]
    )["ResourceTagMappingList"]
    arns = [item["ResourceARN"] for item in by_arn if ":instance/" not in item["ResourceARN"]]
    repositories = [item["repositoryName"] for item in cloud.client("ecr").describe_repositories()["repositories"]]
    roles = [item["RoleName"] for item in cloud.client("iam").list_roles()["Roles"]]
    groups = [item["logGroupName"] for item in cloud.client("logs").describe_log_groups()["logGroups"]]
    return alive + others + arns + repositories + roles + groups


@pytest.mark.long
def test_apply_makes_what_was_planned_and_destroy_leaves_nothing(fresh: Cloud, tmp_path: Path) -> None:
    terraform = Terraform(tmp_path, fresh, TAGS)
    changes = managed(terraform.plan(expected=2))
    assert [change["change"]["actions"] for change in changes] == [["create"]] * RESOURCES
    untagged = Counter(change["type"] for change in changes if "tags_all" not in change["change"]["after"])
    assert untagged == UNTAGGABLE
    for change in changes:
        if change["type"] not in UNTAGGABLE:
            tags = change["change"]["after"]["tags_all"]
            assert TAGS.items() <= tags.items(), change["address"]

    terraform.run("apply", "-json", "-parallelism=20", "p")
    outputs = terraform.outputs()
    assert outputs["monitoring_url"] == "http://127.0.0.1:9090"
    assert outputs["grafana_url"] == "http://127.0.0.1:3000"
    assert outputs["jaeger_url"] == "http://127.0.0.1:16686"
    assert outputs["sut_public_ip"] == "127.0.0.1"
    assert outputs["loadgen_public_ip"] == "127.0.0.2"
    assert outputs["ecr_registry"] == fresh.registry
    assert outputs["ecr_repository_urls"] == {name: f"{fresh.registry}/{name}" for name in IMAGES}
    assert managed(terraform.plan(expected=0)) != []
    assert left_over(fresh) != []

    terraform.run("destroy", "-auto-approve", "-parallelism=20")
    assert terraform.run("state", "list") == ""
    assert left_over(fresh) == []


@pytest.mark.long
def test_the_architecture_of_the_image_follows_the_instance_type(fresh: Cloud, tmp_path: Path) -> None:
    terraform = Terraform(tmp_path, fresh, TAGS, sut_instance_type="c7i.2xlarge", loadgen_count="2")
    plan = terraform.plan(expected=2)
    instances = {
        change["address"]: change["change"]["after"] for change in managed(plan) if change["type"] == "aws_instance"
    }
    images = fresh.client("ec2").describe_images(ImageIds=[item["ami"] for item in instances.values()])["Images"]
    architectures = {image["ImageId"]: image["Architecture"] for image in images}
    assert {address: architectures[item["ami"]] for address, item in instances.items()} == {
        "aws_instance.sut": "x86_64",
        "aws_instance.loadgen[0]": "arm64",
        "aws_instance.loadgen[1]": "arm64",
        "aws_instance.monitoring": "arm64",
    }


@pytest.mark.long
def test_a_plan_that_nobody_could_reach_or_everybody_is_refused(fresh: Cloud, tmp_path: Path) -> None:
    terraform = Terraform(tmp_path, fresh, TAGS)
    terraform.environment["TF_VAR_admin_cidrs"] = '["0.0.0.0/0"]'
    terraform.run("plan", expected=1)
    del terraform.environment["TF_VAR_admin_cidrs"]
    del terraform.environment["TF_VAR_detected_admin_cidr"]
    terraform.run("plan", expected=1)


def test_the_module_is_formatted_and_valid(fresh: Cloud, tmp_path: Path) -> None:
    terraform = Terraform(tmp_path, fresh, TAGS)
    terraform.run("fmt", "-check", "-recursive", str(MODULE))
    terraform.run("validate")
