"""Whose the resources in Terraform's state are: a teardown destroys only what its own run applied."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict


class StateHolds(BaseModel):
    """What a state holds, without any value of it but ids: values can be secret."""

    model_config = ConfigDict(frozen=True)

    resources: int
    """Managed resources, of any kind."""
    addresses: tuple[str, ...]
    """The same as Terraform names them, such as ``module.data["eu"].aws_db_instance.main[0]``; each once."""
    untagged: int
    """Those that can be tagged and carry no run's tag: no run made them."""
    runs: frozenset[str]
    """The runs whose tag ``rampart_run_id`` is on some of them."""
    ids: frozenset[str]
    """Type and id of each that can be tagged, such as ``aws_vpc vpc-1``: a tag can be taken off, an id stays."""


class Ownership(StrEnum):
    """What a state is to a run."""

    NOTHING = "nothing"
    """It holds nothing of the run, and there is nothing to destroy."""
    OWN = "own"
    """All of it is the run's."""
    SHARED = "shared"
    """The run's and another run's resources."""
    OTHERS = "others"
    """Somebody else's."""


def read_state(state: Mapping[str, Any]) -> StateHolds:
    """Read what ``terraform state pull`` prints; empty before the first apply."""
    managed = [resource for resource in state.get("resources", ()) if resource.get("mode") == "managed"]
    instances: list[tuple[str, Mapping[str, Any]]] = [
        (str(resource.get("type", "")), instance.get("attributes") or {})
        for resource in managed
        for instance in resource.get("instances", ())
    ]
    # A resource that cannot be tagged has no tags_all; one without tags has an empty one.
    taggable = [(kind, item) for kind, item in instances if isinstance(item.get("tags_all"), Mapping)]
    runs = [str(item["tags_all"].get("rampart_run_id") or "") for _, item in taggable]
    return StateHolds(
        resources=len(instances),
        addresses=tuple(dict.fromkeys(address for resource in managed for address in _addresses(resource))),
        untagged=runs.count(""),
        runs=frozenset(filter(None, runs)),
        ids=frozenset(f"{kind} {item['id']}" for kind, item in taggable if item.get("id")),
    )


def still_standing(holds: StateHolds, made: Collection[str]) -> tuple[str, ...]:
    """Return what a run made and nobody tagged since: somebody who applies by hand takes the run's tags off.

    The sweep, which goes by tag, cannot see it. What carries another run's tag is that run's to destroy.

    Args:
        holds: what the state holds.
        made: ``StateHolds.ids`` as they were after the run's apply.
    """
    return tuple(sorted(holds.ids.intersection(made))) if not holds.runs else ()


def judge_state(holds: StateHolds, run_id: str, *, applied: bool) -> tuple[Ownership, str]:
    """Say whose a state is, and why.

    Args:
        holds: what the state holds.
        run_id: the run that is taken down.
        applied: whether an apply of this run was ever started.
    """
    count = f"{holds.resources} resource{'' if holds.resources == 1 else 's'}"
    own = run_id in holds.runs
    if holds.resources == 0:
        return Ownership.NOTHING, "the state is empty" if applied else "this run applied nothing; the state is empty"
    if not applied and not own:
        return Ownership.NOTHING, f"this run applied nothing; the state holds {count}, not of its own"
    if others := sorted(holds.runs - {run_id}):
        return Ownership.SHARED if own else Ownership.OTHERS, (
            f"Terraform's state holds resources of run {', '.join(others)}, not only of run {run_id}; "
            f"nothing was destroyed by Terraform. Take {'that run' if len(others) == 1 else 'those runs'} down first."
        )
    if holds.untagged and not own:
        return Ownership.OTHERS, (
            f"Terraform's state holds {count}, and none carries the tag of run {run_id}; nothing was destroyed by "
            "Terraform. Somebody applied them by hand: destroy them with Terraform, or move them to a state of their own."
        )
    return Ownership.OWN, f"the {count} in the state are this run's"


def _addresses(resource: Mapping[str, Any]) -> Iterator[str]:
    """Name the instances of a resource; one that waits to be replaced has the address of its successor."""
    name = ".".join(filter(None, (resource.get("module"), resource["type"], resource["name"])))
    for instance in resource.get("instances", ()):
        key = instance.get("index_key")
        yield name if key is None else f"{name}[{json.dumps(key, ensure_ascii=False)}]"
