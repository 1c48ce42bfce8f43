"""What the sweep finds and what it says of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# Everything a run creates carries this tag with the run's id.
TAG = "rampart_run_id"


@dataclass(frozen=True, order=True)
class Resource:
    """One thing in the account.

    Attributes:
        kind: what it is, in the words of its service.
        id: what its service knows it by: an id, a name or an ARN.
        name: what a person calls it; may be empty.
    """

    kind: str
    id: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.id}" + (f" ({self.name})" if self.name and self.name != self.id else "")


class State(StrEnum):
    """Whether a thing is there, or on its way out; what is gone is not listed."""

    PRESENT = "present"
    GOING = "going"


class Outcome(StrEnum):
    """What became of a thing."""

    FOUND = "found"  # looked for only
    DELETED = "deleted"  # its own service no longer knows it
    LEFT = "left"  # still there
    UNSEEN = "unseen"  # a kind could not be looked for


@dataclass(frozen=True)
class Swept:
    """A thing of the run, what was done, and when it is still there the command that removes it by hand."""

    resource: Resource
    outcome: Outcome
    detail: str = ""
    by_hand: str = ""

    @property
    def left(self) -> bool:
        """Whether somebody has to look after it."""
        return self.outcome in {Outcome.LEFT, Outcome.UNSEEN}

    def __str__(self) -> str:
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.resource} {self.outcome.value}{detail}" + (f"; by hand: {self.by_hand}" if self.by_hand else "")
