"""Asking Cost Explorer."""

from __future__ import annotations

from datetime import date

import boto3
import pytest
from botocore.config import Config

from blocks.models.errors import NoData, Unavailable
from tasks.clients.costs import CostExplorer
from tests.integration.cloud.conftest import ACCOUNT, REGION, Cloud, free_port
from tests.integration.cost.conftest import answer, will_answer

pytestmark = pytest.mark.integration

DAYS = (date(2026, 1, 1), date(2026, 1, 3))


def _explorer(endpoint: str) -> CostExplorer:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test")
    return CostExplorer(session, REGION, endpoint)


def test_only_an_active_tag_is_active(fresh: Cloud) -> None:
    explorer = _explorer(fresh.endpoint)
    assert explorer.is_active("rampart_run_id")
    assert not explorer.is_active("somebody_elses")


def test_the_days_of_a_bill_are_added_up(cloud: Cloud) -> None:
    will_answer(cloud, answer("1.20", "0.30"), answer("9.0", estimated=True))
    explorer = _explorer(cloud.endpoint)
    by_tag = explorer.bill_of_tag(DAYS, "rampart_run_id", "run-1")
    by_region = explorer.bill_of_region(DAYS, ACCOUNT, REGION)
    assert (by_tag.usd, by_tag.estimated) == (1.5, False)
    assert (by_region.usd, by_region.estimated) == (9.0, True)


@pytest.mark.parametrize("nothing", [answer(), answer("0", "0.0")])
def test_no_cost_is_no_data(cloud: Cloud, nothing: dict[str, object]) -> None:
    will_answer(cloud, nothing)
    with pytest.raises(NoData, match="has no cost of the tag rampart_run_id=run-1"):
        _explorer(cloud.endpoint).bill_of_tag(DAYS, "rampart_run_id", "run-1")


def test_a_cost_explorer_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.clients.costs._CONFIG", Config(retries={"max_attempts": 0}))
    with pytest.raises(Unavailable, match="ce:list_cost_allocation_tags"):
        _explorer(f"http://127.0.0.1:{free_port()}").is_active("rampart_run_id")
