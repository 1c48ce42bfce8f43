"""The cost check against a real Prefect server: scheduled once, asked until the figure is final, record amended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun

from blocks.models.record import Check, Record
from blocks.models.verdict import Verdict
from flows.cost import cost_check
from tasks.clients.journal import Journal
from tasks.cost import estimate_cost, note_inactive_tag, schedule_cost_check
from tasks.report import render_run
from tasks.rules.cost import billable_items
from tasks.rules.plan import PlanSummary
from tasks.run import Run
from tests.integration.cloud.conftest import Cloud
from tests.integration.cost.conftest import answer, will_answer

pytestmark = pytest.mark.integration


@pytest.fixture
def deployment(prefect: str) -> Iterator[None]:
    assert prefect
    with get_client(sync_client=True) as client:
        made = client.create_deployment(client.create_flow(cost_check), "cost-check")
        yield
        client.delete_deployment(made)


@pytest.fixture
def finished(run: Run) -> Run:
    """A run that provisioned something and was closed."""
    return _finish(run)


def _finish(run: Run, journal: Journal | None = None) -> Run:
    host = {"instance_type": "c7g.large", "root_block_device": [{"volume_type": "gp3", "volume_size": 40}]}
    plan = PlanSummary(
        adds=("aws_instance.sut",), changes=(), destroys=(), untagged=(), vpcs=0, addresses=0, instance_types=(), sut_types=(),
        billable=billable_items([{"type": "aws_instance", "change": {"after": host}}]),
    )  # fmt: skip
    (run.evidence / "plan.json").write_text(plan.model_dump_json())
    kept = journal or run.journal
    kept.append("preflight", "run_opened", run_id=run.id, environment="costs", profile="costs", left_out=[], options={})
    estimate_cost(run)
    kept.append("provision", "decision", asked="Apply?", answer="go", by="Ada", waited_seconds=1.0)
    return run


def _cost(record: Record) -> Check:
    return next(item for item in record.checks if item.id == "report.cost")


def _scheduled(run: Run) -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        return [
            item for item in client.read_flow_runs() if item.parameters.get("run_id") == run.id and item.deployment_id
        ]


def _look(run: Run, number: int) -> Record:
    cost_check(run.id, "costs", "costs", number, return_state=True)
    return run.record()


@pytest.mark.usefixtures("deployment")
def test_the_check_is_scheduled_once_and_due_later(finished: Run) -> None:
    for _ in range(2):
        schedule_cost_check(finished)
    (scheduled,) = _scheduled(finished)
    assert scheduled.parameters == {
        "run_id": finished.id, "environment": "costs", "profile": "costs", "look": 1,
    }  # fmt: skip
    record = finished.record()
    assert _cost(record).verdict is Verdict.PENDING
    assert record.cost.check_at is not None
    assert record.cost.check_at == scheduled.expected_start_time
    assert record.cost.check_at > datetime.now(UTC) + timedelta(minutes=55)


def test_without_the_deployment_the_note_says_how_to_start_it_by_hand(finished: Run) -> None:
    schedule_cost_check(finished)
    (note,) = finished.record().notes
    assert f"prefect deployment run cost-check/cost-check --param run_id={finished.id}" in note
    assert _cost(finished.record()).verdict is Verdict.PENDING


@pytest.mark.usefixtures("deployment")
def test_a_run_that_provisioned_nothing_has_no_cost_check(run: Run) -> None:
    run.journal.append("preflight", "run_opened", run_id=run.id, environment="costs", profile="costs", left_out=[])
    schedule_cost_check(run)
    assert (_scheduled(run), _cost(run.record()).verdict) == ([], Verdict.NOT_RUN)


@pytest.mark.usefixtures("deployment")
def test_the_figure_is_asked_for_again_while_it_is_estimated_and_amends_record_and_report(
    finished: Run, cloud: Cloud
) -> None:
    schedule_cost_check(finished)
    closed = finished.journal.append("report", "run_closed")
    will_answer(cloud, answer("0.11", estimated=True))
    first = _look(finished, 1)
    assert (_cost(first).verdict, first.cost.actual_usd, first.cost.provisional) == (Verdict.PENDING, 0.11, True)
    assert sorted(item.parameters["look"] for item in _scheduled(finished)) == [1, 2]
    will_answer(cloud, answer("0.12"))
    second = _look(finished, 2)
    assert (_cost(second).verdict, second.cost.actual_usd, second.cost.provisional) == (Verdict.PASS, 0.12, False)
    assert second.cost.actual_basis.startswith("by the tag rampart_run_id")
    assert (second.cost.estimated_usd, second.cost.check_at, second.ended) == (0.12, None, closed.at)
    written = json.loads((finished.folder / "record.json").read_text())
    assert written["cost"]["actual_usd"] == 0.12
    page = (finished.folder / "report.html").read_bytes()
    assert b"0.12" in page
    assert render_run(finished.folder).read_bytes() == page


@pytest.mark.usefixtures("deployment")
def test_a_figure_that_stays_estimated_is_judged_at_the_last_look(finished: Run, cloud: Cloud) -> None:
    will_answer(cloud, answer("0.12", estimated=True))
    record = _look(finished, 3)
    assert (_cost(record).verdict, record.cost.provisional) == (Verdict.PASS, True)
    assert "until the month's invoice" in _cost(record).detail
    assert _scheduled(finished) == []


def test_a_cost_far_above_the_estimate_fails_the_check(finished: Run, cloud: Cloud) -> None:
    will_answer(cloud, answer("7.5"))
    record = _look(finished, 1)
    assert (_cost(record).verdict, record.verdict) == (Verdict.FAIL, Verdict.FAIL)


@pytest.mark.parametrize(("number", "verdict"), [(1, Verdict.PENDING), (3, Verdict.INCONCLUSIVE)])
@pytest.mark.usefixtures("deployment")
def test_no_figure_is_never_a_pass(finished: Run, cloud: Cloud, number: int, verdict: Verdict) -> None:
    will_answer(cloud, answer(), answer())
    record = _look(finished, number)
    assert (_cost(record).verdict, record.cost.actual_usd) == (verdict, None)


@pytest.mark.usefixtures("deployment")
def test_an_active_tag_is_waited_for_before_the_whole_account_counts(finished: Run, cloud: Cloud) -> None:
    will_answer(cloud, answer(), answer("0.13"))
    assert (_cost(_look(finished, 1)).verdict, finished.record().cost.actual_usd) == (Verdict.PENDING, None)
    will_answer(cloud, answer(), answer("0.13"))
    last = _look(finished, 3)
    assert (_cost(last).verdict, last.cost.actual_usd) == (Verdict.PASS, 0.13)


def _neighbour(run: Run, **opened: Any) -> None:
    folder = run.environment.runs_folder / str(uuid4())
    folder.mkdir()
    journal = Journal(folder / "journal.jsonl")
    journal.append("preflight", "run_opened", run_id=folder.name, environment="costs", profile="costs", **opened)
    journal.append("provision", "decision", asked="Apply?", answer="go", by="Ada", waited_seconds=1.0)


@pytest.mark.parametrize("shared", [False, True])
def test_the_accounts_day_counts_only_when_no_other_run_shared_it(
    finished: Run, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    monkeypatch.setattr("tasks.cost.TAG", "never_activated")
    if shared:
        _neighbour(finished)
    # The first answer is that of the tag.
    will_answer(cloud, answer(), answer("0.13"))
    record = _look(finished, 1)
    assert record.cost.actual_usd == 0.13
    assert "of the WHOLE account" in record.cost.actual_basis
    assert _cost(record).verdict is (Verdict.INCONCLUSIVE if shared else Verdict.PASS)


def test_a_tag_that_is_active_is_no_note_and_a_silent_cost_explorer_is_one(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_inactive_tag(finished)
    assert finished.record().notes == ()
    monkeypatch.setattr("tasks.cost.TAG", "never_activated")
    note_inactive_tag(finished)
    (note,) = finished.record().notes
    assert "never_activated is not active as a cost-allocation tag" in note


def test_the_estimate_is_in_the_record_before_apply(finished: Run) -> None:
    cost = finished.record().cost
    assert cost.estimated_usd == 0.12
    assert "1 × c7g.large" in cost.basis
    assert Path(finished.folder / "journal.jsonl").read_text().count('"kind": "cost"') == 1
