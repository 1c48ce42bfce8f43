"""The janitor: what dead runs left is taken down and reported, whoever should have done it."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from blocks.models.errors import RampartError, Refused
from blocks.models.lease import LeaseState, Link
from flows.teardown import take_over
from tasks.lease import leased_environments, newest, run_ended, state_of
from tasks.run import Run, load_environment, open_dead_run
from tasks.unfinished import Unfinished, unfinished_runs, where_it_ended


@flow(name="janitor")
def janitor() -> State[Any]:
    """Look at every environment that was ever leased; finish what its dead runs left, and leave live ones alone.

    A lease that expired, whose run has ended, or that somebody edited into nonsense is taken over through a teardown.
    """
    finished: list[str] = []
    problems: list[str] = []
    for name in leased_environments():
        try:
            finished += _clean_up(name)
        except RampartError as error:
            problems.append(f"{name}: {error}")
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
        Refused: something is left that could not be removed.
    """
    dead = [item for item in unfinished_runs(run.environment, run.environment_name) if item.run_id != run.id]
    if link is not None and link.lease is not None and link.lease.run_id not in {item.run_id for item in dead}:
        dead.append(Unfinished(link.lease.run_id, run.profile_name, "it did not release its lease"))
    for item in dead:
        if run_ended(item.run_id):
            _finish(run.environment_name, item)
    left = [item.run_id for item in unfinished_runs(run.environment, run.environment_name) if item.run_id != run.id]
    left = [run_id for run_id in left if run_ended(run_id)]
    if left:
        raise Refused(
            f"Run {left[0]} left things that could not be removed; look at its report, and start its teardown before another run."
        )


def _clean_up(name: str) -> list[str]:
    """Finish the dead runs of an environment and return their ids."""
    link = newest(name)
    state, why = state_of(link)
    get_run_logger().info("%s: %s, %s", name, state.value, why)
    lease = link.lease if link else None
    busy = lease.run_id if lease and state in {LeaseState.HELD, LeaseState.KEPT} else ""
    dead = list(unfinished_runs(load_environment(name), name))
    if state is LeaseState.STALE and lease and lease.run_id not in {item.run_id for item in dead}:
        dead.append(Unfinished(lease.run_id, "", "it did not release its lease"))
    finished = []
    for item in dead:
        if item.run_id != busy and run_ended(item.run_id):
            _finish(name, item)
            finished.append(item.run_id)
    return finished


def _finish(environment: str, item: Unfinished) -> None:
    get_run_logger().warning("Run %s is finished now: %s", item.run_id, item.why)
    run = open_dead_run(item.run_id, environment, item.profile)
    if not run.journal.read()[0]:
        run.journal.append(
            "preflight",
            "run_opened",
            run_id=run.id,
            environment=environment,
            profile=run.profile_name,
            left_out=[],
            options={},
        )
    take_over(run, f"The run ended at {where_it_ended(run)} and was finished in its place: {item.why}.")
