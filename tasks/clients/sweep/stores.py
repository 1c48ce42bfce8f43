"""Image repositories, log groups, and whatever else the tagging API knows of."""

from __future__ import annotations

from collections.abc import Sequence

from blocks.models.errors import Failed
from tasks.clients.sweep.api import Api, Kind
from tasks.clients.sweep.resources import TAG, Resource, State


def _find_repositories(api: Api) -> dict[Resource, State]:
    items = {
        item["repositoryArn"]: item["repositoryName"]
        for item in api.every("ecr", "describe_repositories", "repositories")
    }
    tagged = api.tagged(items, lambda arn: api.call("ecr", "list_tags_for_resource", resourceArn=arn)["tags"])
    return {Resource("image repository", items[arn]): State.PRESENT for arn, _ in tagged}


def _delete_repository(api: Api, resource: Resource) -> None:
    # Its images go with it.
    api.call("ecr", "delete_repository", repositoryName=resource.id, force=True)


def _find_log_groups(api: Api) -> dict[Resource, State]:
    # Here the ARN of a group ends in ":*"; its tags are asked for without.
    items = {
        item["arn"].removesuffix(":*"): item["logGroupName"]
        for item in api.every("logs", "describe_log_groups", "logGroups")
    }
    tagged = api.tagged(items, lambda arn: api.call("logs", "list_tags_for_resource", resourceArn=arn)["tags"])
    return {Resource("log group", items[arn]): State.PRESENT for arn, _ in tagged}


def _delete_log_group(api: Api, resource: Resource) -> None:
    api.call("logs", "delete_log_group", logGroupName=resource.id)


REPOSITORY = Kind(
    "image repository", _find_repositories, _delete_repository,
    "aws ecr delete-repository --region {region} --force --repository-name {id}", ("ecr:repository/",),
)  # fmt: skip
LOG_GROUP = Kind(
    "log group", _find_log_groups, _delete_log_group,
    "aws logs delete-log-group --region {region} --log-group-name {id}", ("logs:log-group:",),
)  # fmt: skip


def others(kinds: Sequence[Kind]) -> Kind:
    """Return what the tagging API lists and none of these kinds is: it is reported, not deleted."""
    known = tuple(prefix for kind in kinds for prefix in kind.arns)

    def find(api: Api) -> dict[Resource, State]:
        mapped = api.every(
            "resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList",
            TagFilters=[{"Key": TAG, "Values": [api.run_id]}],
        )  # fmt: skip
        return {
            Resource("resource", item["ResourceARN"]): State.PRESENT
            for item in mapped
            if api.owns(item["Tags"]) and not _what(item["ResourceARN"]).startswith(known)
        }

    def delete(api: Api, resource: Resource) -> None:  # noqa: ARG001 - the shape of a kind
        # Not for good: the tagging API goes on listing for a while what was deleted.
        raise Failed(f"the sweep does not know how to delete a {_what(resource.id).partition('/')[0]}")

    return Kind("resource", find, delete, "delete {id} with its own service, or in the AWS console", ())


def _what(arn: str) -> str:
    """Return an ARN's service and resource: ``ec2:vpc/vpc-1``."""
    _, _, service, _, _, resource = arn.split(":", 5)
    return f"{service}:{resource}"
