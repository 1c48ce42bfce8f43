"""Tags of EC2 resources: of all that exist and of nothing else, as a sweep for leftovers needs it.

moto keeps the tags of what was deleted, and its tagging API leaves out addresses, key pairs and group rules. For the tags of
one resource it looks through all tags of all resources, at each description of each: that is most of the time of an apply.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from moto.core.resource_tagging import TaggedResource
from moto.ec2.models import EC2Backend
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.tags import TagBackend
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix

from deployments.rehearsal.cloud.patching import replace

# Kinds of ids whose resources are looked up; the tags of all others are shown as moto has them.
KNOWN_PREFIXES = frozenset({"eipalloc", "eni", "i", "igw", "key", "rtb", "sg", "sgr", "subnet", "vol", "vpc"})


def install() -> None:
    """Make `DescribeTags` and the tagging API's `GetResources` show what exists."""
    original_describe = TagBackend.describe_tags
    original_iterate = EC2Backend.iter_tagged_resources

    def describe_tags(backend: EC2Backend, filters: dict[str, list[str]] | None = None) -> list[dict[str, str]]:
        existing = {resource.arn.rsplit("/", 1)[-1] for resource in _resources(backend, original_iterate)}
        return [
            tag
            for tag in original_describe(backend, filters)
            if tag["resource_id"] in existing or tag["resource_id"].split("-")[0] not in KNOWN_PREFIXES
        ]

    def iter_tagged_resources(backend: EC2Backend) -> Iterator[TaggedResource]:
        return _resources(backend, original_iterate)

    def get_tags(resource: Any) -> list[dict[str, str]]:  # noqa: ANN401 - any of moto's, which share no type with an id
        kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(resource.id), "") if resource.id else ""
        return [
            {"resource_id": resource.id, "key": key, "value": value, "resource_type": kind}
            for key, value in dict(resource.ec2_backend.tags.get(resource.id, {})).items()
        ]

    replace(TaggedEC2Resource, "get_tags", get_tags)
    replace(TagBackend, "describe_tags", describe_tags)
    replace(EC2Backend, "iter_tagged_resources", iter_tagged_resources)


def _resources(
    backend: EC2Backend, original: Callable[[EC2Backend], Iterator[TaggedResource]]
) -> Iterator[TaggedResource]:
    groups = [group for by_id in list(backend.groups.values()) for group in list(by_id.values())]
    rules = [rule for group in groups for rule in [*group.ingress_rules, *group.egress_rules]]
    return chain(
        _listed(backend, original),
        _tagged(backend, "elastic-ip", list(backend.addresses)),
        _tagged(backend, "key-pair", list(backend.key_pairs.values())),
        _tagged(backend, "security-group-rule", rules),
    )


def _listed(backend: EC2Backend, original: Callable[[EC2Backend], Iterator[TaggedResource]]) -> list[TaggedResource]:
    """List moto's own, again when another request changed them meanwhile: Terraform makes many at once."""
    while True:
        try:
            return list(original(backend))
        except RuntimeError:
            continue


def _tagged(backend: EC2Backend, kind: str, resources: list[Any]) -> Iterator[TaggedResource]:
    for resource in resources:
        yield TaggedResource(
            arn=f"arn:{backend.partition}:ec2:{backend.region_name}:{backend.account_id}:{kind}/{resource.id}",
            tags=dict(backend.tags.get(resource.id, {})),
            resource_type=f"ec2:{kind}",
        )
