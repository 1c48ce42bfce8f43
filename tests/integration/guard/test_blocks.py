"""What an operator reads when a block holds what cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.models.errors import Refused
from blocks.perf_environment import PerfEnvironment
from tasks.run import open_run

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def environment(prefect: str, tmp_path: Path) -> None:  # noqa: ARG001 - its server has to run
    PerfEnvironment(
        checkout=tmp_path, account_id="123456789012", aws=AwsCredentials(), runs_folder=tmp_path / "runs"
    ).save("guarded", overwrite=True)


def _profile_with(**rule: object) -> None:
    """Save a profile whose first rule was changed past our models, as the API lets anybody."""
    LoadProfile().save("guarded", overwrite=True)
    with get_client(sync_client=True) as client:
        document = client.read_block_document_by_name("guarded", LoadProfile.get_block_type_slug())
        data = dict(document.data)
        data["guard"][0].update(rule)
        client.update_block_document(
            document.id,
            BlockDocumentUpdate(block_schema_id=document.block_schema_id, data=data, merge_existing_data=False),
        )


def test_a_rule_on_an_unknown_metric_is_a_sentence_with_a_near_name() -> None:
    _profile_with(metric="p95")
    with pytest.raises(
        Refused,
        match=r"LoadProfile block 'guarded' cannot be used: guard\.0\.metric is 'p95': .*did you mean 'p95_ms'\?",
    ):
        open_run("r", "guarded", "guarded")


def test_a_limit_of_zero_is_a_sentence() -> None:
    _profile_with(limit=0)
    with pytest.raises(Refused, match=r"guard\.0\.limit is 0: input should be greater than 0\."):
        open_run("r", "guarded", "guarded")


def test_a_block_that_does_not_exist_is_said_to_be_missing() -> None:
    with pytest.raises(Refused, match="There is no LoadProfile block named 'nobody'"):
        open_run("r", "guarded", "nobody")


def test_a_good_profile_is_loaded() -> None:
    _profile_with(limit=450.0)
    assert open_run("r", "guarded", "guarded").profile.guard[0].limit == 450
