"""What things cost: the price table that comes with Rampart, and AWS Cost Explorer."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from blocks.models.errors import Failed, NoData, Unavailable
from tasks.rules.cost import Bill, PriceTable

_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 5, "mode": "standard"})
# Credits, refunds and taxes are of the account; what a run used is the rest.
_NOT_USAGE = {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Credit", "Refund", "Tax"]}}}


def read_prices() -> PriceTable:
    """Return tasks/prices.toml."""
    return PriceTable.model_validate(tomllib.loads((files("tasks") / "prices.toml").read_text()))


class CostExplorer:
    """Cost Explorer of an account; each question costs 0.01 USD.

    Args:
        session: credentials.
        region: region of the client; Cost Explorer itself has one address for all regions.
        endpoint_url: another address, or None for AWS itself.
    """

    def __init__(self, session: boto3.Session, region: str, endpoint_url: str | None) -> None:
        self._client: Any = session.client("ce", region_name=region, endpoint_url=endpoint_url, config=_CONFIG)

    def is_active(self, tag: str) -> bool:
        """Tell whether costs are kept by a tag.

        Raises:
            Failed, Unavailable: Cost Explorer refused or did not answer.
        """
        answer = self._ask("list_cost_allocation_tags", TagKeys=[tag], Status="Active", Type="UserDefined")
        return any(item["TagKey"] == tag for item in answer["CostAllocationTags"])

    def bill_of_tag(self, days: tuple[date, date], tag: str, value: str) -> Bill:
        """Return what carries a tag cost on some days.

        Args:
            days: the first day, and the day after the last.
            tag: the tag's key.
            value: the tag's value.

        Raises:
            NoData: there is no cost of it.
            Failed, Unavailable: Cost Explorer refused or did not answer.
        """
        return self._bill(days, {"Tags": {"Key": tag, "Values": [value]}}, f"the tag {tag}={value}")

    def bill_of_region(self, days: tuple[date, date], account_id: str, region: str) -> Bill:
        """Return what an account cost in a region on some days; raises as `bill_of_tag`."""
        account = {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": [account_id]}}
        place = {"Dimensions": {"Key": "REGION", "Values": [region]}}
        return self._bill(days, {"And": [account, place, _NOT_USAGE]}, f"account {account_id} in {region}")

    def _bill(self, days: tuple[date, date], of: Mapping[str, Any], what: str) -> Bill:
        period = {"Start": days[0].isoformat(), "End": days[1].isoformat()}
        answer = self._ask(
            "get_cost_and_usage", TimePeriod=period, Granularity="DAILY", Metrics=["UnblendedCost"], Filter=of
        )
        results = answer["ResultsByTime"]
        usd = sum(float(result["Total"].get("UnblendedCost", {}).get("Amount", 0.0)) for result in results)
        # What ran cost something: nothing means that it is not known yet.
        if usd <= 0:
            raise NoData(f"Cost Explorer has no cost of {what} from {days[0]} until before {days[1]} yet.")
        return Bill(usd=round(usd, 4), estimated=any(bool(result["Estimated"]) for result in results))

    def _ask(self, operation: str, **question: Any) -> dict[str, Any]:  # noqa: ANN401 - boto's arguments
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**question)
        except ClientError as error:
            told = error.response.get("Error", {})
            raise Failed(
                f"AWS refused ce:{operation}: {told.get('Code', 'unknown')} {told.get('Message', '')}".strip()
            ) from error
        except BotoCoreError as error:
            raise Unavailable(f"AWS did not answer ce:{operation}: {error}") from error
        return answer
