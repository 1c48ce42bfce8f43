"""The chain of leases: which link is the newest, and what it means.

A chain is the Prefect variables ``rampart_lease_<environment>_<epoch>``. Creating a variable is the only atomic act
there: whoever creates epoch n+1 owns it. Links are never reused, so a process that slept through a takeover finds
that its epoch is not the newest any more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from blocks.models.lease import Lease, LeaseState, Link

RunState = Literal["alive", "ended", "unknown"]
"""What Prefect says of a lease's run: ended = its flow run has a final state or does not exist."""


def variable_name(environment: str, epoch: int) -> str:
    """Return the name of a link's variable."""
    return f"rampart_lease_{environment}_{epoch}"


def environment_of(variable: str) -> str | None:
    """Return the environment a variable is a lease of; None when it is none."""
    found = re.fullmatch(r"rampart_lease_(.+)_(\d+)", variable)
    return found[1] if found else None


def newest_link(environment: str, variables: Mapping[str, object]) -> Link | None:
    """Return the newest link of an environment's chain among all variables; None when there is none."""
    pattern = re.compile(rf"rampart_lease_{re.escape(environment)}_(\d+)")
    epochs = [int(found[1]) for name in variables if (found := pattern.fullmatch(name)) and int(found[1]) > 0]
    if not epochs:
        return None
    epoch = max(epochs)
    return read_link(epoch, variables[variable_name(environment, epoch)])


def read_link(epoch: int, value: object) -> Link:
    """Read a link; what somebody wrote into it by hand may be nonsense."""
    try:
        return Link(
            epoch=epoch, lease=Lease.model_validate_json(value) if isinstance(value, str) else Lease(**_mapping(value))
        )
    except (ValidationError, TypeError) as error:
        first = str(error).splitlines()[0]
        return Link(epoch=epoch, lease=None, problem=f"its value is not a lease ({first})")


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"wanted is an object, it is {type(value).__name__}")
    return value


def judge_link(link: Link | None, now: datetime, run: RunState) -> tuple[LeaseState, str]:
    """Say what the newest link means for somebody else, and why.

    Args:
        link: the newest link.
        now: the time, UTC.
        run: what Prefect says of the link's run.
    """
    if link is None:
        return LeaseState.FREE, "there was no lease"
    if link.lease is None:
        return LeaseState.STALE, f"lease {link.epoch} counts as expired: {link.problem}"
    return _judge(link.lease, now, run)


def _judge(lease: Lease, now: datetime, run: RunState) -> tuple[LeaseState, str]:
    until = f"until {lease.expires:%Y-%m-%d %H:%M} UTC"
    if lease.released is not None:
        return LeaseState.FREE, f"run {lease.run_id} released it at {lease.released:%Y-%m-%d %H:%M:%S} UTC"
    if lease.expires <= now:
        return LeaseState.STALE, f"the lease of run {lease.run_id} lasted {until}"
    if lease.purpose == "run" and run == "ended":
        return LeaseState.STALE, f"run {lease.run_id} has ended without releasing its lease"
    held = {
        "run": f"run {lease.run_id} holds it {until}",
        "kept": f"what the failed run {lease.run_id} made is kept {until}",
        "teardown": f"run {lease.run_id} is being taken down since {lease.taken:%H:%M:%S} UTC",
    }
    return LeaseState.KEPT if lease.purpose == "kept" else LeaseState.HELD, held[lease.purpose]


def with_leftover(lease: Lease, leftover: Sequence[str], most: int) -> Lease:
    """Return a lease that names as much of what is left as fits; the record names everything.

    Args:
        lease: the lease, which names nothing yet.
        leftover: what a teardown could not remove.
        most: how many bytes its JSON may have; Prefect refuses a longer variable.
    """
    full = lease.model_copy(update={"leftover": tuple(leftover)})
    while full.leftover and len(full.model_dump_json().encode()) > most:
        full = full.model_copy(update={"leftover": full.leftover[:-1]})
    return full
