"""Load balancers and their target groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tasks.clients.sweep.api import Api, Gone, Kind
from tasks.clients.sweep.resources import Resource, State

# As many ARNs as one call for their tags takes.
_TAGS_AT_ONCE = 20


def _finder(kind: str, what: str, identifier: str, called: str) -> Callable[[Api], dict[Resource, State]]:
    def find(api: Api) -> dict[Resource, State]:
        collection = "".join(word.capitalize() for word in what.split("_"))
        items = {item[identifier]: item for item in api.every("elbv2", f"describe_{what}", collection)}
        arns = list(items)
        tags: dict[str, Any] = {}
        for start in range(0, len(arns), _TAGS_AT_ONCE):
            tags |= _tags(api, arns[start : start + _TAGS_AT_ONCE])
        return {Resource(kind, arn, items[arn][called]): State.PRESENT for arn in arns if api.owns(tags.get(arn, ()))}

    return find


def _tags(api: Api, arns: list[str]) -> dict[str, Any]:
    """Return tags by ARN; one that has vanished since it was listed keeps the others' from being told in the same call."""
    try:
        answer = api.call("elbv2", "describe_tags", ResourceArns=arns)
    except Gone:
        if len(arns) == 1:
            return {}
        return {arn: tags for one in arns for arn, tags in _tags(api, [one]).items()}
    return {item["ResourceArn"]: item["Tags"] for item in answer["TagDescriptions"]}


def _delete_listeners(api: Api, resource: Resource) -> None:
    for listener in api.every("elbv2", "describe_listeners", "Listeners", LoadBalancerArn=resource.id):
        api.call("elbv2", "delete_listener", ListenerArn=listener["ListenerArn"])


def _delete_balancer(api: Api, resource: Resource) -> None:
    api.call("elbv2", "delete_load_balancer", LoadBalancerArn=resource.id)


def _delete_target_group(api: Api, resource: Resource) -> None:
    api.call("elbv2", "delete_target_group", TargetGroupArn=resource.id)


LOAD_BALANCER = Kind(
    "load balancer",
    _finder("load balancer", "load_balancers", "LoadBalancerArn", "LoadBalancerName"),
    _delete_balancer,
    "aws elbv2 delete-load-balancer --region {region} --load-balancer-arn {id}",
    # Listeners and their rules go with it.
    tuple(
        f"elasticloadbalancing:{what}/{type_}/"
        for what in ("loadbalancer", "listener", "listener-rule")
        for type_ in ("app", "net", "gwy")
    ),
    _delete_listeners,
)
TARGET_GROUP = Kind(
    "target group",
    _finder("target group", "target_groups", "TargetGroupArn", "TargetGroupName"),
    _delete_target_group,
    "aws elbv2 delete-target-group --region {region} --target-group-arn {id}",
    ("elasticloadbalancing:targetgroup/",),
)
