"""Taking everything down: plain functions that work however the run ended, and may be called again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from typing import Any

from blocks.models.errors import Failed, RampartError
from blocks.models.verdict import Verdict, failed, passed
from tasks.account import account_of
from tasks.checks import PhaseStopped, check
from tasks.clients.sweep.resources import Swept
from tasks.clients.sweep.sweeping import find, sweep
from tasks.infrastructure import terraform_of
from tasks.load import stop_all_load
from tasks.run import Run

REPOSITORY = "image repository"


def tear_down(run: Run) -> None:
    """Stop all load, destroy with Terraform, and look for what is left by tag; every step is tried.

    Raises:
        PhaseStopped: something is left, or could not be looked for; the checks name it.
    """
    began = time.monotonic()
    problems: list[str] = []
    registries: list[str] = []
    swept: list[Swept] = []
    steps: tuple[Callable[[], None], ...] = (
        lambda: registries.extend(_registries(run)),
        lambda: _stop_load(run),
        lambda: _destroy(run),
        lambda: swept.extend(_sweep(run)),
        lambda: _judge_registries(run, swept),
        lambda: _judge_sweep(run, swept),
    )
    for step in steps:
        try:
            step()
        except (PhaseStopped, RampartError) as error:
            problems.append(str(error))
    _forget_secrets(run)
    record = run.record()
    destroyed = [
        event for event in run.journal.read()[0] if event.kind == "terraform" and event.data["operation"] == "destroy"
    ]
    run.journal.append(
        "teardown", "teardown",
        verdict=(Verdict.FAIL if problems else Verdict.PASS).value,
        destroyed=sum(event.data["destroyed"] for event in destroyed),
        leftover=[str(item.resource) for item in swept if item.left],
        ecr_deleted=sorted(set(registries) - {item.resource.id for item in swept if item.left}),
        seconds=round(time.monotonic() - began, 1),
    )  # fmt: skip
    if problems:
        raise PhaseStopped(f"{problems[0]} (run {record.run_id})")


def _forget_secrets(run: Run) -> None:
    """Delete what held secrets for the run's time: the registry's log-in and the saved plan."""
    shutil.rmtree(run.folder / "docker", ignore_errors=True)
    (run.folder / "terraform" / "plan.tfplan").unlink(missing_ok=True)


def _stop_load(run: Run) -> None:
    stopped = stop_all_load(run)
    if stopped:
        run.journal.append("teardown", "note", text=f"{stopped} k6 processes were still running and were stopped.")


def _destroy(run: Run) -> None:
    with check(run, "teardown.destroy") as checking:
        terraform = terraform_of(run)
        destroyed: list[str] = []

        def follow(event: dict[str, Any]) -> None:
            if event.get("type") == "apply_complete" and event["hook"]["action"] == "delete":
                destroyed.append(event["hook"]["resource"]["addr"])

        account_of(run).require(run.environment.account_id)
        terraform.destroy(run.id, follow)
        run.journal.append("teardown", "terraform", operation="destroy", destroyed=len(destroyed))
        left = terraform.state_addresses()
        if left:
            checking.judge(
                failed(f"Terraform's state still holds {', '.join(left[:5])}; run the teardown deployment again.")
            )
        else:
            checking.judge(passed(f"{len(destroyed)} resources destroyed; the state is empty"))


def _sweep(run: Run) -> tuple[Swept, ...]:
    swept = sweep(account_of(run), run.environment.account_id, run.id)
    run.journal.append(
        "teardown", "note",
        text=f"swept: {'; '.join(str(item) for item in swept) or 'Terraform left nothing'}",
    )  # fmt: skip
    return swept


def _judge_registries(run: Run, swept: Sequence[Swept]) -> None:
    with check(run, "teardown.registries") as checking:
        if left := _registries(run):
            raise Failed(
                f"{', '.join(left)} could not be deleted; remove: aws ecr delete-repository --force --repository-name …"
            )
        gone = [item.resource.id for item in swept if item.resource.kind == REPOSITORY]
        checking.judge(passed(f"none of the run's repositories is left; swept: {', '.join(gone) or 'nothing'}"))


def _judge_sweep(run: Run, swept: Sequence[Swept]) -> None:
    with check(run, "teardown.sweep") as checking:
        if left := [item for item in swept if item.left]:
            raise Failed(
                f"{len(left)} things of the run are left and cost money: {'; '.join(str(item) for item in left[:8])}"
            )
        if missed := find(account_of(run), run.environment.account_id, run.id):
            raise Failed(
                f"{len(missed)} things of the run appeared late: {', '.join(map(str, missed[:8]))}; start the teardown again."
            )
        checking.judge(passed(f"nothing carries the tag rampart_run_id={run.id}"))


def _registries(run: Run) -> list[str]:
    return [item.id for item in find(account_of(run), run.environment.account_id, run.id, REPOSITORY)]
