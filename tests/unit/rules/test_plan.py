"""What Terraform plans to do, and whether that is wanted."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.models.settings import ExpectedPlan
from blocks.models.verdict import Verdict
from tasks.rules.plan import PlanSummary, judge_plan, summarise_plan

_TAGS = {"rampart_run_id": "r1", "rampart_environment": "perf"}


def _change(address: str, *actions: str, **after: object) -> dict[str, Any]:
    kind = address.split(".")[-2]
    return {"address": address, "type": kind, "mode": "managed", "change": {"actions": list(actions), "after": after}}


def _tagged(address: str, *actions: str, **after: object) -> dict[str, Any]:
    return _change(address, *actions, tags_all=dict(_TAGS), **after)


def _summary(adds: int = 58, **more: tuple[str, ...]) -> PlanSummary:
    parts: dict[str, Any] = {
        "changes": (),
        "destroys": (),
        "untagged": (),
        "instance_types": (),
        "sut_types": (),
        **more,
    }
    return PlanSummary(adds=tuple(f"r.n{number}" for number in range(adds)), vpcs=1, addresses=1, **parts)


def test_adds_changes_and_destroys_are_told_apart() -> None:
    plan = summarise_plan(
        {
            "resource_changes": [
                _tagged("aws_vpc.main", "create"),
                _tagged("aws_eip.b", "create"),
                _tagged("aws_eip.a", "create"),
                _tagged("aws_subnet.x", "update"),
                _tagged("aws_subnet.y", "delete", "create"),
                _tagged("aws_subnet.z", "delete"),
                _tagged("aws_subnet.same", "no-op"),
                {**_tagged("data.aws_ami.latest", "read"), "mode": "data"},
            ]
        },
        _TAGS,
    )
    assert plan.adds == ("aws_eip.a", "aws_eip.b", "aws_vpc.main")
    assert plan.changes == ("aws_subnet.x",)
    assert plan.destroys == ("aws_subnet.y", "aws_subnet.z")
    assert plan.unchanged == ("aws_subnet.same",)
    assert (plan.vpcs, plan.addresses) == (1, 2)


def test_what_may_cost_money_is_in_the_summary() -> None:
    host = _tagged("aws_instance.sut", "create", instance_type="c7g.large", root_block_device=[{"volume_size": 8}])
    gone = _tagged("aws_nat_gateway.old", "delete")
    plan = summarise_plan({"resource_changes": [host, gone]}, _TAGS)
    assert [(item.name, item.amount) for item in plan.billable] == [("c7g.large", 1), ("volume of unknown type", 8)]


def test_a_replacement_counts_as_a_destroy_in_either_order() -> None:
    plan = summarise_plan({"resource_changes": [_tagged("aws_eip.a", "create", "delete")]}, _TAGS)
    assert plan.destroys == ("aws_eip.a",)
    assert plan.adds == ()


def test_missing_or_foreign_tags_are_named_and_what_cannot_be_tagged_is_not() -> None:
    plan = summarise_plan(
        {
            "resource_changes": [
                _tagged("aws_eip.good", "create"),
                _change("aws_eip.bare", "create", tags_all=None),
                _change("aws_eip.other", "create", tags_all={**_TAGS, "rampart_run_id": "another"}),
                _change("aws_route.default", "create"),
            ]
        },
        _TAGS,
    )
    assert plan.untagged == ("aws_eip.bare", "aws_eip.other")


def test_the_suts_instance_types_are_those_of_its_resources() -> None:
    changes = [
        _tagged("aws_instance.sut", "create", instance_type="c7g.4xlarge"),
        _tagged("aws_instance.loadgen", "create", instance_type="c7g.2xlarge"),
    ]
    plan = summarise_plan({"resource_changes": changes}, _TAGS)
    assert sorted(plan.instance_types) == ["c7g.2xlarge", "c7g.4xlarge"]
    assert plan.sut_types == ("c7g.4xlarge",)
    assert summarise_plan({"resource_changes": changes[1:]}, _TAGS).sut_types == ("c7g.2xlarge",)


@pytest.mark.parametrize(("adds", "verdict"), [(52, "FAIL"), (53, "PASS"), (58, "PASS"), (63, "PASS"), (64, "FAIL")])
def test_the_tolerance_is_inclusive_on_both_sides(adds: int, verdict: str) -> None:
    judged = judge_plan(_summary(adds), ExpectedPlan(adds=58, tolerance=5))
    assert judged.verdict is Verdict(verdict)
    assert f"{adds} to add" in judged.detail
    assert "58 ± 5" in judged.detail


@pytest.mark.parametrize("kind", ["changes", "destroys"])
def test_a_plan_that_changes_or_destroys_fails_and_names_it(kind: str) -> None:
    judged = judge_plan(_summary(58, **{kind: ("aws_vpc.main",)}), ExpectedPlan())
    assert judged.verdict is Verdict.FAIL
    assert "aws_vpc.main" in judged.detail


def test_a_state_that_holds_something_already_fails_though_nothing_of_it_would_change() -> None:
    judged = judge_plan(_summary(unchanged=("tls_private_key.by_hand",)), ExpectedPlan())
    assert judged.verdict is Verdict.FAIL
    assert "already holds tls_private_key.by_hand; wanted is an empty state" in judged.detail


def test_a_plan_without_the_runs_tags_fails_and_shortens_a_long_list() -> None:
    judged = judge_plan(_summary(untagged=tuple(f"aws_eip.n{number}" for number in range(7))), ExpectedPlan())
    assert judged.verdict is Verdict.FAIL
    assert "aws_eip.n4 and 2 more" in judged.detail


def test_no_changes_at_all_is_not_what_was_expected() -> None:
    assert judge_plan(summarise_plan({}, _TAGS), ExpectedPlan()).verdict is Verdict.FAIL
