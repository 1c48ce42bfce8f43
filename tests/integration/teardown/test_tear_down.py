"""Taking a run down with the real Terraform: what is destroyed, and when it is said to be clean."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import VariableCreate

from blocks.models.errors import Failed
from blocks.models.lease import Lease, LeaseState
from tasks.checks import PhaseStopped
from tasks.infrastructure import terraform_of
from tasks.lease import newest, state_of, take
from tasks.rules.lease import variable_name
from tasks.run import Run
from tasks.teardown import tear_down
from tasks.unfinished import is_clean

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]


def state_file(run: Run) -> Path:
    return run.environment.checkout / "module" / "terraform.tfstate"


def applied_by_the_run(run: Run) -> None:
    terraform = terraform_of(run)
    terraform.init()
    terraform.plan()
    terraform.apply(lambda _: None)


def lease_of(run: Run) -> tuple[LeaseState, Lease]:
    link = newest(run.environment_name)
    assert link is not None
    assert link.lease is not None
    return state_of(link)[0], link.lease


def last(run: Run, kind: str, **data: str) -> dict[str, Any]:
    events = run.journal.read()[0]
    return next(event.data for event in reversed(events) if event.kind == kind and data.items() <= event.data.items())


def test_a_run_that_applied_nothing_leaves_what_somebody_applied_by_hand(run: Run) -> None:
    assert take(run, None, 10) is not None
    module = run.environment.checkout / "module"
    for command in ("init", "apply -auto-approve"):
        subprocess.run(["terraform", *command.split()], cwd=module, check=True, capture_output=True)
    before = state_file(run).read_bytes()
    tear_down(run)
    assert state_file(run).read_bytes() == before
    destroy = last(run, "check", id="teardown.destroy")
    assert (destroy["verdict"], destroy["detail"]) == (
        "PASS", "this run applied nothing; the state holds 1 resource, not of its own",
    )  # fmt: skip
    assert is_clean(run.journal.read()[0])
    assert lease_of(run)[0] is LeaseState.FREE


def test_a_run_is_clean_only_when_terraforms_state_is_empty_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.clients.terraform._PAUSES_S", ())
    assert take(run, None, 10) is not None
    applied_by_the_run(run)
    with pytest.raises(PhaseStopped, match=r"teardown\.destroy"):
        tear_down(run)
    assert last(run, "check", id="teardown.sweep")["verdict"] == "PASS"
    left = "terraform_data.host in Terraform's state"
    assert last(run, "teardown")["leftover"] == [left]
    assert not is_clean(run.journal.read()[0])
    state, lease = lease_of(run)
    assert (state, lease.leftover) == (LeaseState.STALE, (left,))
    # What the janitor does a quarter of an hour later.
    (run.environment.checkout / "module" / "may-go").touch()
    tear_down(run)
    assert is_clean(run.journal.read()[0])
    assert lease_of(run)[0] is LeaseState.FREE


def test_what_a_sweep_could_not_see_is_named_in_the_record_and_the_lease(run: Run) -> None:
    assert take(run, None, 10) is not None
    elsewhere = replace(run, environment=run.environment.model_copy(update={"account_id": "123456789012"}))
    with pytest.raises(PhaseStopped, match=r"wanted is 123456789012\. Nothing was deleted"):
        tear_down(elsewhere)
    assert (last(run, "teardown")["leftover"], last(run, "teardown")["ecr_deleted"]) == (
        ["what the sweep could not see"],
        [],
    )
    state, lease = lease_of(run)
    assert (state, lease.leftover) == (LeaseState.STALE, ("what the sweep could not see",))


def test_what_terraform_could_not_destroy_is_destroyed_again_after_the_sweep(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.clients.terraform._PAUSES_S", ())
    module = run.environment.checkout / "module" / "main.tf"
    only_once = "|| { touch ${self.input}/may-go; exit 1; }"
    module.write_text(module.read_text().replace('/may-go"', f'/may-go {only_once}"'))
    assert take(run, None, 10) is not None
    applied_by_the_run(run)
    tear_down(run)
    assert last(run, "check", id="teardown.destroy")["verdict"] == "PASS"
    assert last(run, "note")["text"].startswith("Destroyed again after the sweep: teardown.destroy: terraform destroy")
    assert (last(run, "teardown")["verdict"], last(run, "teardown")["leftover"]) == ("PASS", [])
    assert lease_of(run)[0] is LeaseState.FREE


def test_what_the_run_made_is_left_over_although_an_apply_by_hand_took_its_tags_off(run: Run) -> None:
    assert take(run, None, 10) is not None
    applied_by_the_run(run)
    made = "aws_vpc vpc-1"
    run.journal.append("provision", "terraform", operation="apply", made=2, addresses=[], ids=[made])
    state = json.loads(state_file(run).read_text())
    state["serial"] += 1
    vpc = {"schema_version": 1, "attributes": {"id": "vpc-1", "tags_all": {}}, "sensitive_attributes": []}
    provider = 'provider["registry.terraform.io/hashicorp/aws"]'
    state["resources"].append(
        {"mode": "managed", "type": "aws_vpc", "name": "main", "provider": provider, "instances": [vpc]}
    )
    state_file(run).write_text(json.dumps(state))
    with pytest.raises(PhaseStopped, match=r"teardown\.destroy: Terraform's state holds 2 resources, and none carries"):
        tear_down(run)
    assert last(run, "check", id="teardown.sweep")["verdict"] == "PASS"
    assert last(run, "teardown")["leftover"] == [f"{made} in Terraform's state, without the run's tag"]
    assert not is_clean(run.journal.read()[0])
    assert lease_of(run)[0] is LeaseState.STALE


def test_beside_another_machines_teardown_nothing_is_destroyed_swept_or_judged(run: Run) -> None:
    applied_by_the_run(run)
    elsewhere = Lease(
        run_id=run.id, owner="o", host="elsewhere", taken=datetime.now(UTC),
        expires=datetime.now(UTC) + timedelta(minutes=10), purpose="teardown",
    )  # fmt: skip
    with get_client(sync_client=True) as client:
        value = elsewhere.model_dump(mode="json")
        client.create_variable(VariableCreate(name=variable_name(run.environment_name, 1), value=value))
    with pytest.raises(
        Failed, match=r"Another machine takes this run down: .* Wait for it, or start teardown again later"
    ):
        tear_down(run)
    assert {event.kind for event in run.journal.read()[0]} == {"run_opened"}
    assert lease_of(run)[1] == elsewhere
