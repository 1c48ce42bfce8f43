"""Who may keep an environment's infrastructure, and until when."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Lease(BaseModel):
    """One link of an environment's chain of leases; the newest link counts. It holds ids and times only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str = Field(min_length=1)
    """The run whose infrastructure it is about."""
    owner: str = Field(min_length=1)
    """Tells the process that took it from any other; nobody else renews it."""
    host: str = ""
    """The machine of that process: there the lock of the run's ending tells whether it lives."""
    taken: AwareDatetime
    expires: AwareDatetime
    """Until when the infrastructure may be kept; later the janitor takes it down."""
    purpose: Literal["run", "kept", "teardown"] = "run"
    """run: its flow run works. kept: it failed, and a person looks at what is left of it. teardown: it is taken down."""
    released: AwareDatetime | None = None
    """When a clean sweep was confirmed: nothing is left."""
    leftover: tuple[str, ...] = ()
    """What a teardown could not remove."""


class Link(BaseModel):
    """A place in the chain: its epoch, and its lease unless somebody wrote nonsense there."""

    model_config = ConfigDict(frozen=True)

    epoch: int = Field(ge=1)
    lease: Lease | None
    problem: str = ""
    """Why the value could not be read; such a lease counts as expired."""


class LeaseState(StrEnum):
    """What the newest link means for somebody else."""

    FREE = "free"
    """Nobody has infrastructure: there was no lease, or the last one was released."""
    HELD = "held"
    """A live run or a teardown has it."""
    KEPT = "kept"
    """A failed run's infrastructure is kept for a person."""
    STALE = "stale"
    """It expired, its run is dead, or it is nonsense: it may be taken over, through a teardown."""
