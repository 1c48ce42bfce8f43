"""The janitor: what dead runs left is taken down and reported, whoever should have done it."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from blocks.models.errors import RampartError, Refused
from blocks.models.event import opening
from blocks.models.lease import LeaseState, Link
from flows.teardown import take_over
from tasks.lease import is_renewed, leased_environments, newest, run_ended, state_of
from tasks.log import run_logger
from tasks.rules.record import where_it_ended
from tasks.run import Run, load_environment, open_dead_run
from tasks.unfinished import Unfinished, missing, unfinished_runs


@flow(name="janitor")
def janitor() -> State[Any]:
    """Look at every environment that was ever leased; finish what its dead runs left, and leave live ones alone.

    A lease that expired, whose run has ended, or that somebody edited into nonsense is taken over through a teardown.
    """
    finished: list[str] = []
    problems: list[str] = []
    for name in leased_environments():
        try:
            done, left = _clean_up(name)
        except Exception as error:  # noqa: BLE001 - the other environments are looked at all the same, and it is named
            problems.append(f"{name}: {_said(error)}")
        else:
            finished += done
            problems += [f"{name}: {problem}" for problem in left]
    for problem in problems:
        get_run_logger().error("%s", problem)
    if problems:
        return Failed(message=" ".join(problems))
    return Completed(message=f"finished: {', '.join(finished)}" if finished else "nothing was left by any run")


def clear(run: Run, link: Link | None) -> None:
    """Finish what dead runs left in an environment before another run begins there.

    Args:
        run: the run that wants to begin.
        link: the stale lease.

    Raises:
        Refused: the lease's run or another unfinished one is not over, or something is left that could not be removed.
    """
    lease = link.lease if link is not None else None
    if lease is not None and not run_ended(lease.run_id):
        raise Refused(
            f"The lease of {run.environment_name} lasted until {lease.expires:%Y-%m-%d %H:%M} UTC, but its run "
            f"{lease.run_id} is not over in Prefect. Wait for it, cancel it, or start its teardown."
        )
    dead = [item for item in unfinished_runs(run.environment, run.environment_name) if item.run_id != run.id]
    # A lease of nonsense names no run: any run that lives may be its own.
    if alive := next((item for item in dead if not run_ended(item.run_id)), None):
        raise Refused(
            f"The lease of {run.environment_name} does not count any more, but run {alive.run_id} is not over in Prefect. "
            "Wait for it, cancel it, or start its teardown."
        )
    if lease is not None and lease.run_id not in {item.run_id for item in dead}:
        dead.append(Unfinished(lease.run_id, run.profile_name, "it did not release its lease"))
    _, problems = _finish_all(run.environment_name, dead)
    if problems:
        raise Refused(
            f"Before another run begins in {run.environment_name}: {problems[0]} Look at that run's report, and start its teardown."
        )


def _clean_up(name: str) -> tuple[list[str], list[str]]:
    """Finish the dead runs of an environment; return the ids of those that are finished, and what is wrong with others."""
    link = newest(name)
    state, why = state_of(link)
    get_run_logger().info("%s: %s, %s", name, state.value, why)
    lease = link.lease if link else None
    busy = lease.run_id if lease and state in {LeaseState.HELD, LeaseState.KEPT} else ""
    dead = list(unfinished_runs(load_environment(name), name))
    expired = lease.run_id if lease and state is LeaseState.STALE else ""
    if expired and expired not in {item.run_id for item in dead}:
        dead.append(Unfinished(expired, "", "it did not release its lease"))
    over = _over([item for item in dead if item.run_id != busy])
    # A lease that ran out is over, whatever Prefect says of its run, unless its process only could not reach Prefect.
    late = [item for item in dead if item.run_id == expired and item not in over]
    if late and link is not None and not is_renewed(name, link):
        over += late
    # What the lease's run made costs money now; older ones were tried when they died.
    return _finish_all(name, sorted(over, key=lambda item: item.run_id != expired))


def _over(dead: list[Unfinished]) -> list[Unfinished]:
    """Return those whose run has ended in Prefect."""
    return [item for item in dead if run_ended(item.run_id)]


def _finish_all(environment: str, dead: list[Unfinished]) -> tuple[list[str], list[str]]:
    """Finish dead runs, whatever happens to one; return the finished ids, and a sentence for each other."""
    finished, problems = [], []
    for item in dead:
        try:
            left = _finish(environment, item)
        except Exception as error:  # noqa: BLE001 - the others are finished all the same, and it is named
            run_logger().warning("Run %s could not be finished", item.run_id, exc_info=True)
            left = _said(error)
        if left:
            problems.append(f"Run {item.run_id} is not finished: {left}".rstrip(".") + ".")
        else:
            finished.append(item.run_id)
    return finished, problems


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, RampartError) else f"{type(error).__name__}: {error}"


def _finish(environment: str, item: Unfinished) -> str:
    """Finish a run and return what is still to be done for it."""
    run_logger().warning("Run %s is finished now: %s", item.run_id, item.why)
    run = open_dead_run(item.run_id, environment, item.profile)
    if opening(run.journal.read()[0]) is None:
        run.journal.append(
            "preflight",
            "run_opened",
            run_id=run.id,
            environment=environment,
            profile=run.profile_name,
            left_out=[],
            options={},
        )
    take_over(
        run,
        f"The run ended at {where_it_ended(run.journal.read()[0])} and was finished in its place: {item.why}.",
        "janitor",
    )
    return missing(run)
