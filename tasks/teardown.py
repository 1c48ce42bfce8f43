"""Taking everything down: plain functions that work however the run ended, without Prefect, and may be called again."""

from __future__ import annotations

import contextlib
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from blocks.models.errors import Failed, RampartError, Refused, Unavailable
from blocks.models.lease import LeaseState, Link
from blocks.models.verdict import Verdict, failed, passed
from tasks.account import account_of
from tasks.checks import PhaseStopped, check
from tasks.clients.sweep.resources import Outcome, Resource, Swept
from tasks.clients.sweep.sweeping import find, sweep
from tasks.clients.terraform import apply_was_started
from tasks.infrastructure import terraform_of
from tasks.lease import (
    TEARDOWN_MINUTES,
    Held,
    give_up,
    held_by_this_process,
    newest,
    release,
    renewing,
    require_lease,
    state_of,
    take,
)
from tasks.load import stop_all_load
from tasks.log import run_logger
from tasks.rules.ownership import Ownership, still_standing
from tasks.run import Run, give_back_reserve
from tasks.unfinished import is_clean

_REPOSITORY = "image repository"
# Several may take a stale lease at once; one wins each epoch.
_TAKE_TRIES = 5
# A plan that is interrupted ends when AWS has answered what it asked last.
_PLAN_S = 60.0


def tear_down(run: Run) -> None:
    """Stop all load, destroy with Terraform, and sweep what is left by tag; every step is tried.

    Raises:
        PhaseStopped: something is left, or could not be looked for; the checks name it.
        Failed: another machine takes the run down; nothing was done beside it.
    """
    began = time.monotonic()
    give_back_reserve(run)
    problems: list[str] = []
    with _leased(run) as ours:
        _try(run, problems, _stop_load)
        registries = _try(run, problems, _registries) or []
        undestroyed: list[str] = []
        _try(run, undestroyed, _destroy if ours else _leave_state_alone)
        swept: tuple[Swept, ...] | None = _try(run, problems, _sweep)
        _try(run, problems, lambda run: _judge_registries(run, swept or ()))
        left = [str(item.resource) for item in swept or () if item.left]
        gone = _try(run, problems, lambda run: _judge_sweep(run, swept, left)) is not None
        if not gone and not left:
            left.append("what the sweep could not see")
        in_state: tuple[str, ...] | None = _try(run, problems, _left_in_state)
        if ours and gone and in_state:
            # The sweep deleted what Terraform could not; it looks again, and its state forgets what is gone.
            run.journal.append("teardown", "note", text=f"Destroyed again after the sweep: {'; '.join(undestroyed)}")
            undestroyed.clear()
            _try(run, undestroyed, _destroy)
            in_state = _try(run, problems, _left_in_state)
        problems[:0] = undestroyed
        _forget_secrets(run)
        destroyed = [
            event
            for event in run.journal.read()[0]
            if event.kind == "terraform" and event.data["operation"] == "destroy"
        ]
        left += ["Terraform's state, which could not be read"] if in_state is None else list(in_state)
        # Tags alone do not tell: not every resource can be tagged.
        clean = gone and not left
        run.journal.append(
            "teardown", "teardown",
            verdict=(Verdict.FAIL if problems else Verdict.PASS).value,
            clean=clean,
            destroyed=sum(event.data["destroyed"] for event in destroyed),
            leftover=left,
            ecr_deleted=_deleted_registries(registries, swept),
            seconds=round(time.monotonic() - began, 1),
        )  # fmt: skip
        _end_lease(run, left, clean=clean)
    if problems:
        raise PhaseStopped(f"{problems[0]} (run {run.id})")


def release_forgotten(run: Run) -> None:
    """Release the lease of a run that was taken down completely while Prefect was silent; no other run's is touched.

    Raises:
        Unavailable: Prefect does not answer.
    """
    link = newest(run.environment_name)
    if link is None or link.lease is None or link.lease.run_id != run.id or state_of(link)[0] is not LeaseState.STALE:
        return
    if take(run, link, TEARDOWN_MINUTES, "teardown") is not None:
        release(run)


def list_left(run: Run) -> list[Resource]:
    """List what carries the run's tag; nothing is deleted."""
    return [item.resource for item in sweep(account_of(run), run.environment.account_id, run.id, dry_run=True)]


def _try(run: Run, problems: list[str], step: Callable[[Run], Any]) -> Any:  # noqa: ANN401 - whatever the step returns
    """Work off a step; what goes wrong in it keeps no other step, and is not swallowed."""
    try:
        return step(run)
    except (PhaseStopped, RampartError) as error:
        problems.append(str(error))
    except Exception as error:  # noqa: BLE001 - named in the problems; the other steps are still tried
        run_logger().exception("A step of the teardown failed")
        problems.append(f"{step.__name__.strip('_')} failed: {type(error).__name__}: {error}")
    return None


@contextlib.contextmanager
def _leased(run: Run) -> Iterator[bool]:
    """Hold the lease of the run's environment while it is taken down; yields whether Terraform's state is this run's.

    The run's own process holds it already. Anybody else takes the next epoch, so that the run's process, should it
    still live, makes nothing more. While Prefect does not answer, the lock of the run's ending alone serialises.

    Raises:
        Failed: another machine's teardown holds it, or others are quicker each time.
    """
    if _holds(run):
        yield True
        return
    try:
        held = _take_over(run)
    except Refused as refusal:
        run.journal.append("teardown", "note", text=str(refusal))
        yield False
        return
    except Unavailable as error:
        run.journal.append("teardown", "note", text=f"Taken down without a lease: {error}")
        yield True
        return
    with renewing(held):
        yield True


def _holds(run: Run) -> bool:
    """Whether this process holds the newest epoch; while Prefect is silent, as far as it knows."""
    try:
        require_lease(run)
    except Refused:
        return False
    except Unavailable:
        return held_by_this_process(run) is not None
    return True


def _still_holds(run: Run) -> None:
    """See right before something is deleted that nobody else took this over.

    Raises:
        Refused: somebody did.
    """
    with contextlib.suppress(Unavailable):
        if held_by_this_process(run) is not None:
            require_lease(run)


def _take_over(run: Run) -> Held:
    for _ in range(_TAKE_TRIES):
        link = newest(run.environment_name)
        state, why = state_of(link)
        if link is not None and link.lease is not None and link.lease.run_id != run.id and state is not LeaseState.FREE:
            raise Refused(
                f"Terraform's state belongs to another run ({why}), so it is left alone; what carries the tag of run {run.id} is deleted."
            )
        if state is LeaseState.HELD and link is not None and _taken_down_elsewhere(link):
            raise Failed(f"Another machine takes this run down: {why}. Wait for it, or start teardown again later.")
        held = take(run, link, TEARDOWN_MINUTES, "teardown")
        if held is not None:
            if state is LeaseState.STALE:
                run.journal.append("teardown", "note", text=f"The lease was taken over: {why}.")
            return held
    raise Failed(f"The lease of {run.environment_name} was taken by others {_TAKE_TRIES} times; start teardown again.")


def _taken_down_elsewhere(link: Link) -> bool:
    """Whether another machine's teardown holds the lease; one of this machine would hold the lock of the run's ending."""
    return link.lease is not None and link.lease.purpose == "teardown" and link.lease.host != platform.node()


def _end_lease(run: Run, left: list[str], *, clean: bool) -> None:
    try:
        if clean:
            release(run)
        else:
            give_up(run, tuple(left))
    except Unavailable as error:
        run.journal.append(
            "teardown", "note", text=f"The lease could not be released: {error} The janitor releases it."
        )


def _forget_secrets(run: Run) -> None:
    """Delete what held secrets for the run's time: the registry's log-in and the saved plan."""
    shutil.rmtree(run.folder / "docker", ignore_errors=True)
    (run.folder / "terraform" / "plan.tfplan").unlink(missing_ok=True)


def _stop_load(run: Run) -> None:
    stopped = stop_all_load(run)
    if stopped:
        run.journal.append("teardown", "note", text=f"{stopped} k6 processes were still running and were stopped.")


def _leave_state_alone(run: Run) -> None:
    if is_clean(run.journal.read()[0]):
        return
    with check(run, "teardown.destroy") as checking:
        if apply_was_started(run.folder / "terraform"):
            checking.judge(
                failed("Terraform's state is another run's and was left alone; the sweep deletes by this run's tag.")
            )
        else:
            checking.judge(passed("this run applied nothing; Terraform's state is another run's and was left alone"))


def _destroy(run: Run) -> None:
    with check(run, "teardown.destroy") as checking:
        _still_holds(run)
        terraform = terraform_of(run)
        if not apply_was_started(terraform.work):
            # A plan whose process died still holds the state's lock.
            terraform.adopt(lambda _: None, _PLAN_S)
            owner, why = terraform.ownership(run.id)
            if owner is Ownership.NOTHING:
                checking.judge(passed(why))
                return
        destroyed: list[str] = []

        def follow(event: dict[str, Any]) -> None:
            if event.get("type") == "apply_complete" and event["hook"]["action"] == "delete":
                destroyed.append(event["hook"]["resource"]["addr"])

        terraform.destroy(run.id, follow, before=lambda: account_of(run).require(run.environment.account_id))
        run.journal.append("teardown", "terraform", operation="destroy", destroyed=len(destroyed))
        left = terraform.state_addresses()
        if left:
            checking.judge(
                failed(f"Terraform's state still holds {', '.join(left[:5])}; run the teardown deployment again.")
            )
        else:
            checking.judge(passed(f"{len(destroyed)} resources destroyed; the state is empty"))


def _left_in_state(run: Run) -> tuple[str, ...]:
    """Return what Terraform's state still holds of a run that applied."""
    if not apply_was_started(run.folder / "terraform"):
        return ()
    terraform = terraform_of(run)
    owner, _ = terraform.ownership(run.id)
    if owner is Ownership.OTHERS:
        stripped = still_standing(terraform.state_holds(), _made(run))
        return tuple(f"{item} in Terraform's state, without the run's tag" for item in stripped)
    if owner is Ownership.NOTHING:
        return ()
    return tuple(f"{address} in Terraform's state" for address in terraform.state_addresses())


def _made(run: Run) -> tuple[str, ...]:
    """Return type and id of what the run's apply left in the state; nothing once all of it was seen to be gone."""
    events = run.journal.read()[0]
    if is_clean(events):
        return ()
    applies = [event for event in events if event.kind == "terraform" and event.data["operation"] == "apply"]
    return tuple(applies[-1].data.get("ids", ())) if applies else ()


def _sweep(run: Run) -> tuple[Swept, ...]:
    _still_holds(run)
    swept = sweep(account_of(run), run.environment.account_id, run.id)
    text = f"Swept: {'; '.join(str(item) for item in swept) or 'Terraform left nothing'}."
    run.journal.append("teardown", "note", text=text)
    return swept


def _judge_registries(run: Run, swept: Sequence[Swept]) -> None:
    with check(run, "teardown.registries") as checking:
        if left := _registries(run):
            raise Failed(
                f"{', '.join(left)} could not be deleted; remove: aws ecr delete-repository --force --repository-name …"
            )
        gone = [item.resource.id for item in swept if item.resource.kind == _REPOSITORY]
        checking.judge(passed(f"none of the run's repositories is left; swept: {', '.join(gone) or 'nothing'}"))


def _deleted_registries(registries: Sequence[str], swept: Sequence[Swept] | None) -> list[str]:
    """Return which repositories the sweep's look at them did not find any more; none when it could not look."""
    seen = [item for item in swept or () if item.resource.kind == _REPOSITORY and item.left]
    if swept is None or any(item.outcome is Outcome.UNSEEN for item in seen):
        return []
    return sorted(set(registries) - {item.resource.id for item in seen})


def _judge_sweep(run: Run, swept: Sequence[Swept] | None, named: list[str]) -> bool:
    """Judge what is left; returns only when nothing is. What appeared late is added to what is named."""
    with check(run, "teardown.sweep") as checking:
        if swept is None:
            raise Failed("The account could not be swept, so nobody knows what is left; start the teardown again.")
        if left := [item for item in swept if item.left]:
            raise Failed(
                f"{len(left)} things of the run are left and cost money: {'; '.join(str(item) for item in left[:8])}"
            )
        if missed := find(account_of(run), run.environment.account_id, run.id):
            named += map(str, missed)
            raise Failed(
                f"{len(missed)} things of the run appeared late: {', '.join(map(str, missed[:8]))}; start the teardown again."
            )
        checking.judge(passed(f"nothing carries the tag rampart_run_id={run.id}"))
    return True


def _registries(run: Run) -> list[str]:
    return [item.id for item in find(account_of(run), run.environment.account_id, run.id, _REPOSITORY)]
