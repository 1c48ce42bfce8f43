"""What a plan will cost, and how the real figure is judged by it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.models.record import Cost
from blocks.models.settings import CostCheck
from blocks.models.verdict import Verdict
from tasks.clients.costs import read_prices
from tasks.rules.cost import Billable, billable_items, days_of, estimate, judge_cost, judge_shared, not_known, shared

PRICES = read_prices()
RULE = CostCheck()


def _add(kind: str, **after: object) -> dict[str, Any]:
    return {"type": kind, "change": {"actions": ["create"], "after": after}}


def _host(kind: str = "c7g.2xlarge") -> dict[str, Any]:
    volume = {"volume_type": "gp3", "volume_size": 40}
    return _add("aws_instance", instance_type=kind, associate_public_ip_address=True, root_block_device=[volume])


def _named(adds: list[dict[str, Any]]) -> dict[str, float]:
    return {item.name: item.amount for item in billable_items(adds)}


def test_an_address_that_replaces_an_instances_own_is_paid_once() -> None:
    adds = [_host(), _host(), _add("aws_eip"), _add("aws_eip"), _add("aws_eip_association")]
    # Two of their own, two elastic ones, one of which takes the place of an own one.
    assert _named(adds)["public_ipv4"] == 3


def test_the_estimate_is_amount_times_price_times_hours() -> None:
    adds = [_host(), _host("c7g.large"), _add("aws_nat_gateway"), _add("aws_vpc"), _add("aws_ecr_repository")]
    cost = estimate(billable_items(adds), PRICES, "eu-north-1", 1.5)
    hourly = 0.3094 + 0.0774 + 0.046 + 2 * 0.005 + 80 * 0.0836 / 730
    assert cost.estimated_usd == round(hourly * 1.5, 2)
    assert (cost.unpriced, cost.hours) == ((), 1.5)
    for part in ("1 × c7g.2xlarge", "80 GB of gp3", "1.5 h", "eu-north-1", PRICES.date.isoformat(), PRICES.source):
        assert part in cost.basis


@pytest.mark.parametrize(
    ("resource", "named"),
    [
        (_add("aws_lb"), "aws_lb"),
        (_host("x99.large"), "x99.large"),
        (_add("aws_ebs_volume", type="io2", size=10), "io2"),
        (_add("aws_instance", instance_type="c7g.large"), "volume of unknown size"),
    ],
)
def test_what_the_table_does_not_know_makes_the_estimate_partial_and_is_named(
    resource: dict[str, Any], named: str
) -> None:
    cost = estimate(billable_items([_host(), resource]), PRICES, "eu-north-1", 1.0)
    assert cost.unpriced == (named,)
    assert cost.estimated_usd is not None
    assert cost.estimated_usd >= 0.31
    assert f"PARTIAL, not in the price table: {named}" in cost.basis


def test_another_regions_prices_are_not_used() -> None:
    cost = estimate(billable_items([_host()]), PRICES, "us-east-1", 1.0)
    assert cost.estimated_usd is None
    assert "the run is in us-east-1" in cost.basis


@given(st.floats(0.1, 48), st.integers(1, 20))
def test_twice_the_time_and_twice_the_hosts_cost_twice_as_much(hours: float, count: int) -> None:
    one = [Billable(per="instance_hour", name="c7g.large", amount=count)]
    two = [Billable(per="instance_hour", name="c7g.large", amount=2 * count)]
    first, longer, more = (
        estimate(items, PRICES, "eu-north-1", time).estimated_usd
        for items, time in ((one, hours), (one, 2 * hours), (two, hours))
    )
    assert first is not None
    assert [longer, more] == pytest.approx([2 * first, 2 * first], abs=0.02)


@pytest.mark.parametrize(
    ("usd", "stood_h", "verdict"),
    [
        (1.0, 0.1, Verdict.PASS),  # a short run is judged by the planned time
        (2.0, 1.5, Verdict.PASS),
        (2.01, 1.5, Verdict.FAIL),
        (3.9, 3.0, Verdict.PASS),  # it stood longer than planned, because somebody took their time
        (4.1, 3.0, Verdict.FAIL),
    ],
)
def test_a_cost_over_twice_the_estimate_of_the_time_it_stood_fails(
    usd: float, stood_h: float, verdict: Verdict
) -> None:
    judged = judge_cost(usd, "by the tag", Cost(estimated_usd=1.0, hours=1.5), stood_h, RULE)
    assert judged.verdict is verdict
    assert f"{usd:.2f} USD" in judged.detail
    assert "limit" in judged.detail


@pytest.mark.parametrize("cost", [Cost(), Cost(estimated_usd=0.2, hours=1.5, unpriced=("aws_lb",))])
def test_without_a_whole_estimate_the_expected_cost_is_the_measure(cost: Cost) -> None:
    assert judge_cost(2.9, "by the tag", cost, 1.0, RULE).verdict is Verdict.PASS
    assert judge_cost(3.1, "by the tag", cost, 1.0, RULE).verdict is Verdict.FAIL


def test_no_figure_is_pending_until_the_last_look_and_inconclusive_then() -> None:
    at = datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert [not_known("No cost yet.", look, at).verdict for look in (0, 1, 2)] == [Verdict.PENDING] * 3
    assert not_known("No cost yet.", 3, None).verdict is Verdict.INCONCLUSIVE
    assert "2026-11-25 12:00:00" in not_known("No cost yet.", 1, at).detail


def test_a_day_that_runs_shared_tells_nothing_of_one_of_them() -> None:
    judged = judge_shared(11.0, "of the whole account", ("run-2",))
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert "run-2" in judged.detail


def test_runs_share_a_day_when_their_days_overlap() -> None:
    noon = datetime(2026, 11, 25, 12, tzinfo=UTC)
    mine = days_of(noon, noon + timedelta(hours=1))
    assert mine == (date(2026, 11, 25), date(2026, 11, 26))
    others = {
        "before": days_of(noon - timedelta(days=1), noon - timedelta(hours=13)),
        "over midnight": days_of(noon - timedelta(hours=13), noon - timedelta(hours=11)),
        "same": days_of(noon, noon),
        "after": days_of(noon + timedelta(hours=12), noon + timedelta(hours=13)),
    }
    assert shared(mine, others) == ("over midnight", "same")


def test_the_price_table_knows_every_type_of_the_rehearsals_module() -> None:
    kinds = ("c7g.2xlarge", "c7g.large", "c7i.large")
    assert all(PRICES.usd_per_hour(Billable(per="instance_hour", name=kind, amount=1)) for kind in kinds)


def test_sizes_of_a_family_are_priced_in_proportion() -> None:
    sizes = {"large": 1, "xlarge": 2, "2xlarge": 4, "4xlarge": 8, "8xlarge": 16, "12xlarge": 24, "16xlarge": 32}
    for name, price in PRICES.instance_hour.items():
        family, _, size = name.partition(".")
        if size in sizes:
            assert price == pytest.approx(PRICES.instance_hour[f"{family}.large"] * sizes[size], rel=0.002)
