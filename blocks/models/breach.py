"""Why the load was stopped."""

from __future__ import annotations

from dataclasses import dataclass

from blocks.models.verdict import Verdict


@dataclass(frozen=True)
class Breached:
    """Why the load was stopped."""

    rule: str
    observed: str
    limit: str
    verdict: Verdict = Verdict.FAIL
    """INCONCLUSIVE when it says nothing about the system: a saturated load generator."""
    final: bool = False
    """Whether nobody may go on after it: the environment is on hold, or the run was cancelled."""

    def __str__(self) -> str:
        """The sentence for the operator."""
        return f"{self.rule}: observed {self.observed}, limit {self.limit}"
