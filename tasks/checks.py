"""Working off the checklist: each check is journaled with its verdict, whatever happens in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from blocks.models.checklist import CHECKS
from blocks.models.errors import NoData, RampartError
from blocks.models.verdict import Judgement, Verdict
from tasks.artifacts import show_checklist
from tasks.run import Run


class PhaseStopped(Exception):
    """A check did not pass and the phase cannot go on without it; the sentence is the check's."""


class Checking:
    """A check while it is being made; the phase sets its judgement."""

    def __init__(self) -> None:
        self.judgement: Judgement | None = None
        self.evidence: list[Path] = []

    def judge(self, judgement: Judgement, *evidence: Path) -> None:
        """Say how it went, with the files that show it."""
        self.judgement = judgement
        self.evidence.extend(evidence)


@contextmanager
def check(run: Run, check_id: str, *, needed: bool = True) -> Iterator[Checking]:
    """Make one check of the checklist.

    A sentence raised inside becomes the check's verdict: FAIL for a no, INCONCLUSIVE for no data, ERROR for a bug.

    Args:
        run: the run.
        check_id: id of the checklist.
        needed: whether the phase ends when the check does not pass.

    Raises:
        PhaseStopped: it was needed and did not pass.
    """
    item = CHECKS[check_id]
    started, began = datetime.now(UTC), time.monotonic()
    checking = Checking()
    try:
        yield checking
        judgement = checking.judgement or Judgement(verdict=Verdict.ERROR, detail="The check ended without a verdict.")
    except RampartError as error:
        verdict = Verdict.INCONCLUSIVE if isinstance(error, NoData) else Verdict.FAIL
        judgement = Judgement(verdict=verdict, detail=str(error))
    except PhaseStopped:
        raise
    except Exception as error:
        _write(
            run,
            item.phase,
            check_id,
            Judgement(verdict=Verdict.ERROR, detail=f"{type(error).__name__}: {error}"),
            started,
            began,
            [],
        )
        raise
    _write(run, item.phase, check_id, judgement, started, began, checking.evidence)
    if needed and not judgement.passed:
        raise PhaseStopped(f"{check_id}: {judgement.detail}")


def stop_unless_passed(run: Run, phase: str) -> None:
    """End a phase whose checks were all made but did not all pass.

    Raises:
        PhaseStopped: names the first check that did not pass.
    """
    for item in run.record().checks:
        if item.phase == phase and item.implemented and item.verdict not in {Verdict.PASS, Verdict.PENDING}:
            raise PhaseStopped(f"{item.id}: {item.detail}")


def _write(  # noqa: PLR0913, PLR0917 - a line of the journal has this many fields
    run: Run, phase: str, check_id: str, judgement: Judgement, started: datetime, began: float, evidence: list[Path]
) -> None:
    run.journal.append(
        phase,
        "check",
        id=check_id,
        verdict=judgement.verdict.value,
        detail=judgement.detail,
        evidence=[run.relative(file) for file in evidence],
        started=started.isoformat(),
        seconds=round(time.monotonic() - began, 3),
    )
    show_checklist(run)
