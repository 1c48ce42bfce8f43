"""What a run costs: an estimate of the plan before apply, and the judgement of the real figure a day later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from blocks.models.record import Cost
from blocks.models.settings import CostCheck
from blocks.models.verdict import Judgement, Verdict, failed, inconclusive, passed

LAST_LOOK = 3
"""Cost Explorer is asked at 24, 48 and 72 h; by then its figures have settled, though a month's stay marked until its invoice."""

_HOURS_OF_A_MONTH = 730.0
Per = Literal["instance_hour", "volume_gb_month", "hour"]


class Frozen(BaseModel):
    """A value: compared by content, never changed."""

    model_config = ConfigDict(frozen=True)


class Billable(Frozen):
    """So much of something in a plan that may cost money."""

    per: Per
    name: str
    """An instance type, a volume type, or a resource type."""
    amount: float
    """How many; of volumes, GB."""


class FreeTypes(Frozen):
    """Resource types that add nothing to an estimate."""

    types: tuple[str, ...]
    by_use: tuple[str, ...]
    """They cost by what is stored or moved: cents in a run."""


class PriceTable(Frozen):
    """prices.toml: list prices of one region in US dollars."""

    region: str
    date: date
    source: str
    instance_hour: dict[str, float]
    volume_gb_month: dict[str, float]
    hour: dict[str, float]
    free: FreeTypes

    def usd_per_hour(self, item: Billable) -> float | None:
        """Return what an item costs in an hour; None when the table has no price of it."""
        if item.per == "hour" and item.name in {*self.free.types, *self.free.by_use}:
            return 0.0
        prices: dict[str, float] = getattr(self, item.per)
        price = prices.get(item.name)
        if price is None:
            return None
        return item.amount * (price / _HOURS_OF_A_MONTH if item.per == "volume_gb_month" else price)


class Bill(Frozen):
    """What Cost Explorer answered."""

    usd: float
    estimated: bool
    """Whether it still marks the figure as an estimate of its own."""


def billable_items(adds: Iterable[Mapping[str, Any]]) -> tuple[Billable, ...]:
    """Return what of a plan may cost money.

    Args:
        adds: those of Terraform's ``resource_changes`` that create something.
    """
    found: Counter[tuple[Per, str]] = Counter()
    public = 0
    for change in adds:
        kind, after = str(change["type"]), change["change"].get("after") or {}
        if kind == "aws_instance":
            found["instance_hour", str(after.get("instance_type"))] += 1
            public += bool(after.get("associate_public_ip_address"))
            # A root volume that the module does not size is the image's own.
            for volume in after.get("root_block_device") or [{}]:
                _add_volume(found, volume.get("volume_type"), volume.get("volume_size"))
            for volume in after.get("ebs_block_device") or []:
                _add_volume(found, volume.get("volume_type"), volume.get("volume_size"))
        elif kind == "aws_ebs_volume":
            _add_volume(found, after.get("type"), after.get("size"))
        elif kind == "aws_eip":
            public += 1
        else:
            # An instance gives its own address back when it is associated with another.
            public -= kind == "aws_eip_association"
            found["hour", kind] += 1
    if public > 0:
        found["hour", "public_ipv4"] = public
    return tuple(Billable(per=per, name=name, amount=amount) for (per, name), amount in sorted(found.items()))


def estimate(items: Sequence[Billable], table: PriceTable, region: str, hours: float) -> Cost:
    """Estimate what a plan costs while it stands.

    Returns:
        The cost with ``estimated_usd``, ``hours``, ``basis`` and ``unpriced``; without a figure in a region whose prices
        are not known.
    """
    if region != table.region:
        basis = f"not estimated: the prices are those of {table.region}, the run is in {region}; edit tasks/prices.toml"
        return Cost(basis=basis, hours=hours)
    priced = [(item, table.usd_per_hour(item)) for item in items]
    unpriced = tuple(item.name for item, usd in priced if usd is None)
    shown = ", ".join(
        f"{item.amount:g} {'GB of' if item.per == 'volume_gb_month' else '×'} {item.name}"
        for item, usd in priced
        if usd
    )
    partly = f"; PARTIAL, not in the price table: {', '.join(unpriced)}" if unpriced else ""
    return Cost(
        estimated_usd=round(sum(usd for _, usd in priced if usd) * hours, 2),
        hours=hours,
        unpriced=unpriced,
        basis=f"{shown or 'nothing that costs by the hour'} for {hours:g} h, without data transfer and tax; list prices of "
        f"{table.region} as of {table.date.isoformat()}, from {table.source}{partly}",
    )


def judge_cost(usd: float, how: str, cost: Cost, stood_h: float, rule: CostCheck) -> Judgement:
    """Judge the real figure by the estimate, carried on to the time the infrastructure really stood.

    Args:
        usd: the figure.
        how: what it is of, in words.
        cost: the estimate.
        stood_h: hours from the run's start to its end.
        rule: the limits.
    """
    hours = max(stood_h, rule.planned_hours)
    if cost.estimated_usd and not cost.unpriced:
        wanted, by = cost.estimated_usd / (cost.hours or rule.planned_hours), "estimated"
    else:
        wanted, by = rule.expected_usd / rule.planned_hours, "expected (the estimate is not complete)"
    limit = wanted * hours * rule.limit_factor
    seen = f"{usd:.2f} USD {how}; {wanted * hours:.2f} USD {by} for {hours:.1f} h, limit {limit:.2f} USD"
    if usd > limit:
        return failed(f"{seen}: look in Cost Explorer for what was left or what else was counted.")
    return passed(f"{seen}.")


def not_known(why: str, look: int, check_at: datetime | None) -> Judgement:
    """Return the judgement while there is no figure: due later, and INCONCLUSIVE after the last look."""
    if look >= LAST_LOOK or check_at is None:
        return inconclusive(f"{why} That was the last of {LAST_LOOK} looks: see Cost Explorer.")
    return Judgement(verdict=Verdict.PENDING, detail=f"{why} It is asked again at {check_at:%Y-%m-%d %H:%M:%S} UTC.")


def judge_shared(usd: float, how: str, others: Sequence[str]) -> Judgement:
    """Say that a whole day's cost cannot be told apart between runs."""
    return inconclusive(
        f"{usd:.2f} USD {how}, and run {', '.join(others[:3])} shared the time: this run's part is not known. "
        "Activate the tag rampart_run_id as a cost-allocation tag."
    )


def days_of(start: datetime, end: datetime) -> tuple[date, date]:
    """Return the first day (UTC) of a time and the day after its last, as Cost Explorer counts."""
    return start.date(), end.date() + timedelta(days=1)


def shared(days: tuple[date, date], others: Mapping[str, tuple[date, date]]) -> tuple[str, ...]:
    """Return which other runs had one of the days."""
    return tuple(sorted(name for name, (first, after) in others.items() if first < days[1] and days[0] < after))


def _add_volume(found: Counter[tuple[Per, str]], kind: str | None, size: float | None) -> None:
    if size is None:
        found["volume_gb_month", "volume of unknown size"] += 0
    else:
        found["volume_gb_month", kind or "volume of unknown type"] += int(size)
