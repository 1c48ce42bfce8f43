"""What a judgement can say, and how several fold into one."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Verdict(StrEnum):
    """The outcome of a check or of a run. No data is never PASS."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    """It could not be judged."""
    ERROR = "ERROR"
    """The judging itself failed."""
    NOT_RUN = "NOT_RUN"
    """Not reached, or left out by the run's form."""
    PENDING = "PENDING"
    """Due later (the cost check only)."""


# design: ERROR > FAIL > INCONCLUSIVE > PASS; NOT_RUN counts as INCONCLUSIVE.
_SEVERITY = {
    Verdict.PASS: 0,
    Verdict.INCONCLUSIVE: 1,
    Verdict.NOT_RUN: 1,
    Verdict.FAIL: 2,
    Verdict.ERROR: 3,
}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Fold verdicts into the worst one; PENDING does not count, nothing to judge is INCONCLUSIVE."""
    counted = [verdict for verdict in verdicts if verdict is not Verdict.PENDING]
    if not counted:
        return Verdict.INCONCLUSIVE
    top = max(counted, key=_SEVERITY.__getitem__)
    return Verdict.INCONCLUSIVE if top is Verdict.NOT_RUN else top


class Judgement(BaseModel):
    """A verdict with the sentence that quotes what was seen and what was wanted."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    detail: str

    @property
    def passed(self) -> bool:
        """Whether the verdict is PASS."""
        return self.verdict is Verdict.PASS


def worse(first: Judgement, second: Judgement) -> Judgement:
    """Fold two judgements of one check: the worse verdict, and both sentences when it is the same."""
    if worst([first.verdict, second.verdict]) is first.verdict:
        both = f"{first.detail}; {second.detail}" if first.verdict is second.verdict else first.detail
        return first.model_copy(update={"detail": both})
    return second


def passed(detail: str) -> Judgement:
    """Return a PASS with its sentence."""
    return Judgement(verdict=Verdict.PASS, detail=detail)


def failed(detail: str) -> Judgement:
    """Return a FAIL with its sentence."""
    return Judgement(verdict=Verdict.FAIL, detail=detail)


def inconclusive(detail: str) -> Judgement:
    """Return an INCONCLUSIVE with its sentence."""
    return Judgement(verdict=Verdict.INCONCLUSIVE, detail=detail)
