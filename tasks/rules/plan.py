"""Judging what Terraform plans to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from blocks.models.settings import ExpectedPlan
from blocks.models.verdict import Judgement, failed, passed
from tasks.rules.cost import Billable, billable_items
from tasks.rules.naming import name_some

_NAMED = 5


class PlanSummary(BaseModel):
    """What a plan does, without any value of it: values can be secret."""

    model_config = ConfigDict(frozen=True)

    adds: tuple[str, ...]
    changes: tuple[str, ...]
    destroys: tuple[str, ...]
    unchanged: tuple[str, ...] = ()
    """What the state holds already, and the plan leaves as it is."""
    untagged: tuple[str, ...]
    """Taggable resources whose planned tags lack the run's."""
    vpcs: int
    addresses: int
    instance_types: tuple[str, ...]
    """One entry an instance."""
    sut_types: tuple[str, ...]
    """Instance types of resources whose address names the SUT; all of them when none does."""
    billable: tuple[Billable, ...] = ()
    """What of it may cost money."""


def summarise_plan(plan: Mapping[str, Any], tags: Mapping[str, str]) -> PlanSummary:
    """Read ``terraform show -json PLAN``.

    Args:
        plan: Terraform's JSON.
        tags: the run's tags that every taggable resource has to show in ``tags_all``.
    """
    managed = [change for change in plan.get("resource_changes", []) if change.get("mode", "managed") == "managed"]
    adds = [change for change in managed if change["change"]["actions"] == ["create"]]
    kinds = Counter(change["type"] for change in adds)
    instances = [
        (change["address"], str(change["change"]["after"].get("instance_type")))
        for change in adds
        if change["type"] == "aws_instance"
    ]
    suts = [kind for address, kind in instances if "sut" in address]
    return PlanSummary(
        adds=_addresses(adds),
        changes=_addresses(change for change in managed if change["change"]["actions"] == ["update"]),
        destroys=_addresses(change for change in managed if "delete" in change["change"]["actions"]),
        unchanged=_addresses(change for change in managed if change["change"]["actions"] == ["no-op"]),
        untagged=_addresses(change for change in adds if _lacks(change["change"].get("after") or {}, tags)),
        vpcs=kinds["aws_vpc"],
        addresses=kinds["aws_eip"],
        instance_types=tuple(kind for _, kind in instances),
        sut_types=tuple(suts or [kind for _, kind in instances]),
        billable=billable_items(adds),
    )


def judge_plan(plan: PlanSummary, expected: ExpectedPlan) -> Judgement:
    """Judge a plan: about the expected number of adds, nothing changed or destroyed, everything tagged."""
    counts = f"{len(plan.adds)} to add, {len(plan.changes)} to change, {len(plan.destroys)} to destroy"
    if plan.changes or plan.destroys:
        return failed(
            f"{counts}; wanted 0 and 0: {name_some((*plan.destroys, *plan.changes), _NAMED)}. An earlier run may have left "
            "infrastructure: run the teardown deployment for it first."
        )
    if plan.unchanged:
        return failed(
            f"{counts}, but Terraform's state already holds {name_some(plan.unchanged, _NAMED)}; wanted is an empty state: what is "
            "in it would be destroyed with the run. Start the teardown deployment of the run that made it, or, if it was "
            "applied by hand, destroy it by hand."
        )
    if abs(len(plan.adds) - expected.adds) > expected.tolerance:
        return failed(
            f"{counts}; wanted {expected.adds} ± {expected.tolerance} to add: check the module, or expected_plan."
        )
    if plan.untagged:
        return failed(
            f"{counts}, but the run's tags are missing on {name_some(plan.untagged, _NAMED)}; the sweep finds things by tag: "
            "use the AWS provider 5.62 or newer."
        )
    return passed(
        f"{counts}; expected {expected.adds} ± {expected.tolerance}; every taggable resource has the run's tags."
    )


def _lacks(after: Mapping[str, Any], tags: Mapping[str, str]) -> bool:
    if "tags_all" not in after:
        return False
    planned = after["tags_all"] or {}
    return any(planned.get(key) != value for key, value in tags.items())


def _addresses(changes: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(sorted(str(change["address"]) for change in changes))
