"""Where a run is: in the account, region and module of its plan, whatever its block says by now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.perf_environment import PerfEnvironment
from tasks.run import Run, lay_out
from tasks.run import _where_it_was_planned as where_it_was_planned


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "checkout" / "module").mkdir(parents=True)
    block = PerfEnvironment(
        checkout=tmp_path / "checkout", terraform_directory=Path("module"), region="eu-north-1",
        account_id="210987654321", aws=AwsCredentials(aws_access_key_id="old"), runs_folder=tmp_path,
    )  # fmt: skip
    made = Run("run-1", "perf", "stepped", block, LoadProfile())
    made.folder.mkdir()
    lay_out(made)
    return made


def edited(run: Run) -> Run:
    """The run, as it is opened after somebody changed its block."""
    change = {
        "checkout": run.folder, "terraform_directory": Path("elsewhere"), "region": "us-east-1",
        "account_id": "123456789012", "aws": AwsCredentials(aws_access_key_id="renewed"),
    }  # fmt: skip
    return replace(run, environment=run.environment.model_copy(update=change))


def test_what_was_planned_is_looked_for_where_it_was_planned_with_the_credentials_of_today(run: Run) -> None:
    run.journal.append("preflight", "terraform", operation="plan", adds=1)
    environment = where_it_was_planned(edited(run)).environment
    assert (environment.region, environment.account_id) == ("eu-north-1", "210987654321")
    assert environment.checkout / environment.terraform_directory == run.environment.checkout / "module"
    assert environment.aws.aws_access_key_id == "renewed"


def test_a_checkout_that_was_moved_is_where_the_block_says_now(run: Run) -> None:
    run.journal.append("preflight", "terraform", operation="plan", adds=1)
    (run.environment.checkout / "module").rmdir()
    environment = where_it_was_planned(edited(run)).environment
    assert (environment.region, environment.checkout) == ("eu-north-1", run.folder)


def test_a_block_that_was_wrong_is_put_right_as_long_as_nothing_was_planned(run: Run) -> None:
    assert where_it_was_planned(edited(run)) == edited(run)


def test_without_the_blocks_it_was_started_with_a_run_uses_those_of_today(run: Run) -> None:
    run.journal.append("preflight", "terraform", operation="plan", adds=1)
    (run.folder / "blocks.json").write_text("{")
    assert where_it_was_planned(edited(run)) == edited(run)
