"""Judging a drill: did guard, triage, decision and teardown do what the matrix says. Pure: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from blocks.models.event import Event
from deployments.rehearsal.drills.faults import DECISIONS, UNKNOWN, Drill
from deployments.rehearsal.drills.note import Change, Note


class DrillResult(BaseModel):
    """drill.json, beside the run's record.json; fields are only ever added."""

    model_config = ConfigDict(frozen=True)

    drill: str
    seed: int
    run_id: str
    injected_row: str | None
    """The row; of several faults joined with ' + '; None when nothing was injected."""
    injected_stage: int | None
    injected_at: datetime | None
    changes: tuple[Change, ...] = ()
    """The settings of the services before and after."""
    burners: int = 0
    detected_row: str | None
    """The row ranked first, or 'unknown' when none matched; None without a triage."""
    matched_rows: tuple[str, ...] = ()
    """Every row that matched, ranked."""
    breach: str | None
    """The guard's or the gate's sentence."""
    detected_at: datetime | None
    seconds_to_detected: float | None
    """From the switch of the fault to the breach."""
    seconds_to_stopped: float | None
    """From the switch of the fault to the moment at which no k6 was left."""
    decision: str | None
    reached_stage: int | None
    """The highest stage that was held after the decision; None when none was."""
    record_verdict: str
    """The verdict of the run itself: a drill that halts as it should has a run that FAILed."""
    verdict: Literal["PASS", "FAIL"]
    reason: str


class Course(BaseModel):
    """What the journal says about the first breach and what came of it."""

    model_config = ConfigDict(frozen=True)

    breach: Event | None = None
    stopped: Event | None = None
    rows: tuple[dict[str, Any], ...] = ()
    """Of the first triage, ranked."""
    triaged: bool = False
    decision: Event | None = None
    reached_stage: int | None = None
    again: Event | None = None
    """The breach that stopped the load after the decision."""

    @property
    def matched(self) -> tuple[str, ...]:
        """The rows that matched."""
        return tuple(row["row"] for row in self.rows if row["matched"])

    @property
    def detected_row(self) -> str | None:
        """The row ranked first."""
        return detected(self.rows) if self.triaged else None

    @property
    def stage(self) -> int:
        """The stage of the breach; 0 when there was none."""
        return int(self.breach.data.get("stage") or 0) if self.breach else 0


def detected(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the row that is ranked first, or 'unknown' when none matched."""
    return next((str(row["row"]) for row in rows[:1] if row["matched"]), UNKNOWN)


def course_of(events: Sequence[Event]) -> Course:
    """Follow the journal from the first breach to what came after the decision."""
    breach = _next(events, "breach")
    if breach is None:
        return Course()
    later = events[events.index(breach) :]
    triage = _next(later, "triage")
    decision = _next(later[later.index(triage) :], "decision") if triage else None
    after = later[later.index(decision) :] if decision else ()
    held = [int(event.data["number"]) for event in after if event.kind == "stage_steady"]
    return Course(
        breach=breach, stopped=_next(later, "load_stopped"), rows=tuple(triage.data["rows"]) if triage else (),
        triaged=triage is not None, decision=decision, reached_stage=max(held, default=None),
        again=_next(after, "breach"),
    )  # fmt: skip


def judge_drill(  # noqa: PLR0913, PLR0917 - all that is left of a drill
    drill: Drill, seed: int, run_id: str, note: Note | None, events: Sequence[Event], record: Mapping[str, Any]
) -> DrillResult:
    """Judge a drill by what was injected, the run's journal and its record.

    Args:
        drill: the drill.
        seed: its seed.
        run_id: its run.
        note: what the injector did; None when it did nothing.
        events: the run's journal.
        record: the run's record.json; empty when it was not written.
    """
    course = course_of(events)
    detected_at = _time(course.breach, "detected")
    stopped_at = _time(course.stopped, "stopped")
    injected_at = note.injected_at if note else None
    wrong = [*_about_course(drill, note, course, record), *_about_teardown(record)]
    return DrillResult(
        drill=drill.name,
        seed=seed,
        run_id=run_id,
        injected_row=" + ".join(note.rows) or None if note else None,
        injected_stage=note.stage if note else None,
        injected_at=injected_at,
        changes=note.changes if note else (),
        burners=note.burners if note else 0,
        detected_row=course.detected_row,
        matched_rows=course.matched,
        breach=_sentence(course.breach),
        detected_at=detected_at,
        seconds_to_detected=_seconds(injected_at, detected_at),
        seconds_to_stopped=_seconds(injected_at, stopped_at),
        decision=str(course.decision.data["answer"]) if course.decision else None,
        reached_stage=course.reached_stage,
        record_verdict=str(record.get("verdict", "none")),
        verdict="FAIL" if wrong else "PASS",
        reason=" ".join(wrong) or "Guard, triage, decision and teardown did what the matrix says.",
    )


def _about_course(drill: Drill, note: Note | None, course: Course, record: Mapping[str, Any]) -> list[str]:
    if note is None:
        return [
            f"Nothing was injected: the run did not hold the stage it was to happen in ({record.get('reason', 'no record')})."
        ]
    if note.rows != drill.rows:
        return [f"Injected was {', '.join(note.rows) or 'nothing'}, wanted {', '.join(drill.rows) or 'nothing'}."]
    if not drill.faults:
        return _about_control(course, record)
    if course.breach is None:
        return ["The fault was not detected: there was no breach."]
    # Its line is written when the load is off.
    if datetime.fromisoformat(course.breach.data["detected"]) < note.injected_at:
        return [f"The run was stopped before the fault was injected: {_sentence(course.breach)}."]
    return [*_about_rows(drill, course), *_about_decision(drill, course, record)]


def _about_control(course: Course, record: Mapping[str, Any]) -> list[str]:
    wrong = []
    if course.breach is not None:
        wrong.append(f"Nothing was injected, and the load was stopped: {_sentence(course.breach)}.")
    if record.get("verdict") != "PASS":
        wrong.append(
            f"Nothing was injected, and the run is {record.get('verdict', 'without a record')}: {record.get('reason', '')}"
        )
    return wrong


def _about_rows(drill: Drill, course: Course) -> list[str]:
    wrong = [] if course.stopped else ["The load was not stopped."]
    if not course.triaged:
        return [*wrong, "There was no triage."]
    verdicts = {row["row"]: row["verdict"] for row in course.rows}
    first = course.detected_row
    if drill.renamed:
        blind = [row for row in drill.rows if verdicts.get(row) != "inconclusive"]
        wrong += [f"{row} is '{verdicts.get(row, 'missing')}'; without its metric it is inconclusive." for row in blind]
        if first != UNKNOWN:
            wrong.append(
                f"{first} was ranked first; the row that explains the breach could not be read, so it is {UNKNOWN}."
            )
        return wrong
    if first not in drill.rows:
        wrong.append(f"{first} was ranked first; injected was {', '.join(drill.rows)}.")
    missed = [row for row in drill.rows if row not in course.matched]
    return [*wrong, *(f"{row} was injected and did not match." for row in missed)]


def _about_decision(drill: Drill, course: Course, record: Mapping[str, Any]) -> list[str]:
    if course.decision is None:
        return ["Nothing was decided."]
    wanted, given = DECISIONS.get(course.detected_row or UNKNOWN), course.decision.data["answer"]
    wrong = [] if given == wanted else [f"The decision was {given}; the matrix says {wanted}."]
    if given == "halt":
        if not record.get("ceiling", {}).get("reason"):
            wrong.append("The ceiling is not documented.")
        if "k6-saturated" in drill.rows:
            wrong += _about_saturation(course, record)
    elif (course.reached_stage or 0) <= course.stage:
        wrong.append(f"After the decision the next stage, {course.stage + 1}, was not reached.")
    if given != "halt" and record.get("verdict") in {None, "FAIL", "ERROR"}:
        wrong.append(f"The run went on, and is {record.get('verdict', 'without a record')}: {record.get('reason', '')}")
    if course.again is not None:
        wrong.append(f"After the decision the load was stopped again: {_sentence(course.again)}.")
    return wrong


def _about_saturation(course: Course, record: Mapping[str, Any]) -> list[str]:
    gates = [stage.get("gate") or {} for stage in record.get("stages", ()) if stage["number"] == course.stage]
    wrong = []
    if not any(gate.get("verdict") == "INCONCLUSIVE" for gate in gates):
        wrong.append(f"Stage {course.stage} is not INCONCLUSIVE although the load generator was saturated.")
    if not any(row["subjects"] for row in course.rows[:1]):
        wrong.append("Triage does not name the load generator.")
    return wrong


def _about_teardown(record: Mapping[str, Any]) -> list[str]:
    teardown = record.get("teardown") or {}
    wrong = []
    if teardown.get("verdict") != "PASS":
        wrong.append(f"Teardown is {teardown.get('verdict', 'missing')}.")
    if teardown.get("leftover"):
        wrong.append(f"Left over: {', '.join(teardown['leftover'])}.")
    return wrong


def _next(events: Sequence[Event], kind: str) -> Event | None:
    return next((event for event in events if event.kind == kind), None)


def _time(event: Event | None, field: str) -> datetime | None:
    return datetime.fromisoformat(event.data[field]) if event else None


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 2) if start and end else None


def _sentence(breach: Event | None) -> str | None:
    return "{rule}: observed {observed}, limit {limit}".format(**breach.data) if breach else None
