"""Taking everything down: plain functions that work however the run ended, and may be called again."""

from __future__ import annotations

import shutil
import time
from typing import Any

from blocks.models.errors import Failed, RampartError
from blocks.models.verdict import Verdict, failed, passed
from tasks.account import account_of
from tasks.checks import PhaseStopped, check
from tasks.infrastructure import terraform_of
from tasks.load import stop_all_load
from tasks.run import Run

# What is being deleted may still be listed for this long.
_SETTLE_S = 60.0
_SETTLE_POLL_S = 1.0


def tear_down(run: Run) -> None:
    """Stop all load, destroy with Terraform, and look for what is left by tag; every step is tried.

    Raises:
        PhaseStopped: something is left, or could not be looked for; the checks name it.
    """
    began = time.monotonic()
    problems: list[str] = []
    registries = _registries(run)
    for step in (_stop_load, _destroy, _delete_registries, _sweep):
        try:
            step(run)
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
        leftover=_leftover(run),
        ecr_deleted=sorted(set(registries) - set(_registries(run))),
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

        if terraform.state_addresses():
            terraform.destroy(follow)
        run.journal.append("teardown", "terraform", operation="destroy", destroyed=len(destroyed))
        left = terraform.state_addresses()
        if left:
            checking.judge(
                failed(f"Terraform's state still holds {', '.join(left[:5])}; run the teardown deployment again.")
            )
        else:
            checking.judge(passed(f"{len(destroyed)} resources destroyed; the state is empty"))


def _delete_registries(run: Run) -> None:
    with check(run, "teardown.registries") as checking:
        account = account_of(run)
        ours = account.tagged_repositories("rampart_run_id", run.id)
        for name in ours:
            account.delete_repository(name)
        left = account.tagged_repositories("rampart_run_id", run.id)
        if left:
            checking.judge(
                failed(
                    f"{', '.join(left)} could not be deleted; remove: aws ecr delete-repository --force --repository-name …"
                )
            )
        else:
            checking.judge(passed(f"none of the run's repositories is left; swept: {', '.join(ours) or 'nothing'}"))


def _sweep(run: Run) -> None:
    with check(run, "teardown.sweep") as checking:
        deadline = time.monotonic() + _SETTLE_S
        while (left := _leftover(run)) and time.monotonic() < deadline:
            time.sleep(_SETTLE_POLL_S)
        if left:
            raise Failed(
                f"{len(left)} things of the run are left: {', '.join(left[:8])}; delete them by hand: they cost money."
            )
        checking.judge(passed(f"nothing carries the tag rampart_run_id={run.id}"))


def _leftover(run: Run) -> list[str]:
    return [*account_of(run).tagged("rampart_run_id", run.id), *_registries(run)]


def _registries(run: Run) -> list[str]:
    return list(account_of(run).tagged_repositories("rampart_run_id", run.id))
