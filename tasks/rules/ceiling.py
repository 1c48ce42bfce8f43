"""What a ramp has shown: the highest stage that was stable, and why it went no further."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from blocks.models.breach import Breached
from blocks.models.record import Breach, Ceiling, Record
from blocks.models.verdict import Judgement, Verdict, failed, inconclusive, passed
from tasks.rules.triage import doubt_of


@dataclass
class Ascent:
    """How far a ramp has come."""

    unit: Literal["vus", "rate"]
    amounts: dict[int, float] = field(default_factory=dict)
    """Virtual users, or iterations per second, of each stage that was stable, by its number."""
    window: tuple[datetime, datetime] | None = None
    """When the stage that was stable last was held: what triage compares with."""
    answers: list[str] = field(default_factory=list)
    """What was decided after each breach that was gone on from: resume or throttle."""
    probed: float | None = None
    """The highest amount above that stage that was stable too, when the ceiling was refined."""
    halted_at: int | None = None
    """The stage at whose release somebody halted."""
    stepped_down: bool = False
    """Whether somebody stepped down: from then on a person releases every stage."""
    stopped_as: Verdict | None = None
    """Verdict of the breach nobody went on from, whatever was tried after it; None when there is none."""
    failure: str = ""
    """Why the ramp was broken off; empty when it was not."""

    @property
    def stage(self) -> int:
        """The highest stage that was stable; 0 for none."""
        return max(self.amounts, default=0)

    @property
    def amount(self) -> float:
        """Its virtual users, or iterations per second."""
        return self.amounts.get(self.stage, 0.0)

    def stable(self, number: int, amount: float, window: tuple[datetime, datetime]) -> None:
        """Say that a stage was stable."""
        self.window = window
        self.amounts[number] = amount

    def stopped(self, verdict: Verdict, stage: int | None = None) -> None:
        """Say that a breach stopped the load; a FAIL stays one until the ramp is gone on with.

        Args:
            verdict: the breach's.
            stage: the stage it was in: it was not stable, whatever its gate said before, and none above it was. None when
                the breach says nothing of a stage: a hold, or a cancel.
        """
        if self.stopped_as is not Verdict.FAIL:
            self.stopped_as = verdict
        if stage is not None:
            self.amounts = {number: amount for number, amount in self.amounts.items() if number < stage}

    def went_on(self, answer: str) -> None:
        """Say that the ramp is gone on with after its breach."""
        self.answers.append(answer)
        self.stopped_as = None

    def refined(self, amount: float) -> None:
        """Say that a level above the highest stable stage was stable too."""
        self.probed = max(amount, self.probed or 0.0)


def ceiling_of(record: Record, ascent: Ascent, stages: int) -> Ceiling:
    """Document the ceiling with its reason.

    Args:
        record: the run so far.
        ascent: how far the ramp came.
        stages: how many stages the script has.
    """
    breach = _unanswered(record, ascent)
    halted = next((item for item in reversed(record.decisions) if item.answer == "halt"), None)
    if breach is not None:
        reason = (
            f"stage {breach.stage or '-'} was stopped: {breach.rule}: observed {breach.observed}, limit {breach.limit}"
        )
    elif ascent.halted_at is not None and halted is not None:
        reason = f"{halted.by} halted after stage {ascent.halted_at}"
    elif ascent.failure:
        reason = f"the ramp was broken off, so it may be higher: {ascent.failure}"
    elif ascent.stage == stages:
        reason = f"the highest stage of the script was stable; the system may bear more than its {stages} stages"
    else:
        reason = f"stage {ascent.stage} was the highest that was stable"
    throttled = ascent.answers.count("throttle")
    if throttled:
        reason += f"; with {throttled} throttled scenario(s)"
    if ascent.probed is not None:
        reason += f"; refined: {ascent.probed:g} {ascent.unit} was stable"
    known = ascent.stage > 0
    return Ceiling(
        stage=ascent.stage if known else None,
        vus=round(ascent.probed or ascent.amount) if known and ascent.unit == "vus" else None,
        reason=reason,
    )


def judge_abort(record: Record, ascent: Ascent, looks: int) -> Judgement:
    """Judge ``ramp.abort``: what the guard stopped, and whether the ramp went on from it to its end.

    A ramp that was broken off is an ERROR: what the guard would have seen later is not known. A breach before it stays.

    Args:
        record: the run so far.
        ascent: how far the ramp came, and why no further.
        looks: how often the guard looked.
    """
    if ascent.stopped_as is not None:
        last = _unanswered(record, ascent)
        seen = f"{last.rule}: observed {last.observed}, limit {last.limit}" if last else "the load was stopped"
        doubt = doubt_of(last.triage) if last and ascent.stopped_as is Verdict.INCONCLUSIVE else ""
        if doubt:
            seen += f"; {doubt}"
        then = f"; then: {ascent.failure}" if ascent.failure else ""
        detail = f"{seen}; load off {_seconds_to_stop(last)} after it was seen{then}"
        return Judgement(verdict=ascent.stopped_as, detail=detail)
    if ascent.failure and ascent.halted_at is None:
        where = f"after stage {ascent.stage}" if ascent.stage else "before a stage was stable"
        return Judgement(verdict=Verdict.ERROR, detail=f"the ramp was broken off {where}: {ascent.failure}")
    if record.breaches:
        names = ", ".join(breach.rule for breach in record.breaches)
        said = f"{len(record.breaches)} breach(es) stopped the load ({names}) and were gone on from: {', '.join(ascent.answers)}"
        if "throttle" in ascent.answers:
            return Judgement(
                verdict=Verdict.INCONCLUSIVE, detail=f"{said}; a throttled ramp is not the ramp that was asked for."
            )
        return passed(said)
    return passed(f"the guard looked {looks} times and had nothing to stop")


def judge_gates(record: Record, window_s: float) -> Judgement:
    """Judge ``ramp.gate``: the worst of the stages' gates as they were judged last."""
    judged = [stage for stage in record.stages if stage.gate is not None]
    if not judged:
        return failed("No stage was judged: none was held for its whole look.")
    for wanted in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        bad = next((stage for stage in judged if stage.gate and stage.gate.verdict is wanted), None)
        if bad is not None and bad.gate is not None:
            return Judgement(verdict=wanted, detail=f"stage {bad.number}: {bad.gate.reason}")
    return passed(f"{len(judged)} stages judged over {window_s:g} s each, all flat")


def judge_probe(look: Judgement | None, breach: Breached | None) -> Judgement:
    """Judge a probe of a refined ceiling: by the breach that stopped it, else by the gate's look at it.

    INCONCLUSIVE says nothing of the level: a saturated load generator, a hold, a cancel, or a look with too few points.

    Args:
        look: what the gate said; None when the probe was not held for its look.
        breach: what stopped it; None when nothing did.
    """
    if breach is not None:
        return Judgement(verdict=Verdict.INCONCLUSIVE if breach.final else breach.verdict, detail=str(breach))
    return look or inconclusive("it was not held for the gate's look")


def _unanswered(record: Record, ascent: Ascent) -> Breach | None:
    """Return the first breach that was not gone on from: those of a refined ceiling's probes come after it."""
    later = record.breaches[len(ascent.answers) :]
    return later[0] if later else None


def _seconds_to_stop(breach: Breach | None) -> str:
    if breach is None or breach.stopped is None:
        return "an unknown time"
    return f"{(breach.stopped - breach.detected).total_seconds():.1f} s"
