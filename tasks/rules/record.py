"""Folding a journal into the record: record = fold(journal), whoever wrote the lines and however the run ended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from blocks.models.checklist import CHECKLIST, PHASES, ChecklistItem
from blocks.models.errors import NoData
from blocks.models.event import Event, opening
from blocks.models.record import (
    Breach,
    Ceiling,
    Check,
    Comparison,
    Cost,
    Decision,
    EndpointNumbers,
    Gate,
    Limit,
    Record,
    Recording,
    SegmentRun,
    SeriesFile,
    Stage,
    Teardown,
    Unfinished,
)
from blocks.models.verdict import Verdict, worst
from tasks.rules.triage import doubt_of

_GOING_ON = {"resume", "throttle"}
_ENDINGS = {"collect", "teardown", "report"}
_BAD = {Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE}


def fold(events: Iterable[Event], unreadable_lines: int = 0) -> Record:
    """Make the record of a run.

    Args:
        events: the journal, in the order of its lines.
        unreadable_lines: how many lines could not be read; kept in the record.

    Raises:
        NoData: the journal does not hold the opening of a run.
    """
    known = tuple(events)
    opened = opening(known)
    if opened is None:
        raise NoData("The journal has no line that opens a run; without it there is no record to make.")
    left_out = frozenset(opened.data.get("left_out", ()))
    unfinished = find_unfinished(known)
    breaches = _breaches(known)
    decisions = tuple(Decision(**{**event.data, "answered": event.at}) for event in known if event.kind == "decision")
    halted = _halted(breaches, decisions)
    not_reached = f"Not reached: {_why_not_reached(known, unfinished, halted)}"
    checks = tuple(_check(item, known, left_out, not_reached) for item in CHECKLIST)
    verdict, reason = _verdict(checks, left_out, breaches, halted, _ended_by(breaches, decisions))
    closed = _last(known, "run_closed")
    return Record(
        run_id=opened.data["run_id"],
        environment=opened.data["environment"],
        started=opened.at,
        ended=closed.at if closed else None,
        verdict=verdict,
        reason=reason,
        ceiling=_ceiling(known),
        checks=checks,
        stages=_stages(known),
        segments=_segments(known),
        breaches=breaches,
        decisions=decisions,
        limits=tuple(Limit(**rule) for rule in _merged(known, "limits").get("rules", ())),
        series=_series(known),
        recording=_recording(known),
        unfinished=unfinished,
        teardown=_teardown(known),
        cost=_cost(known),
        comparison=_comparison(known),
        versions={str(event.data["name"]): str(event.data["version"]) for event in known if event.kind == "version"},
        links=_merged(known, "links"),
        facts={key: str(value) for key, value in _merged(known, "fact").items()},
        notes=tuple(str(event.data["text"]) for event in known if event.kind == "note"),
        smoke=_merged(known, "smoke"),
        unreadable_lines=unreadable_lines,
    )


def unimplemented(record: Record) -> int:
    """Count the checks that are not verified yet."""
    return sum(not check.implemented for check in record.checks)


def where_it_ended(events: Iterable[Event]) -> str:
    """Return where a run ended early: the first check without a verdict of the phase that did not end, or of the next one."""
    known = tuple(events)
    if open_phase := find_unfinished(known):
        return open_phase.check or f"the end of its {open_phase.phase} phase"
    opened = opening(known)
    behind = {event.phase for event in known if event.kind == "phase_started"}
    behind |= set(opened.data.get("left_out", ())) if opened else set()
    following = next((phase for phase in PHASES if phase not in behind), None)
    return _order(following)[0] if following else "its end"


def _verdict(
    checks: tuple[Check, ...],
    left_out: frozenset[str],
    breaches: tuple[Breach, ...],
    halted: Decision | None,
    ended_by: Breach | None,
) -> tuple[Verdict, str]:
    counted = [check for check in checks if check.implemented and check.phase not in left_out]
    verdict = worst(check.verdict for check in counted)
    if halted is not None:
        return worst([verdict, Verdict.FAIL]), f"{halted.by} halted: {halted.asked}"
    if verdict is Verdict.PASS:
        judged = sum(check.verdict is not Verdict.PENDING for check in counted)
        return verdict, f"all {judged} checks passed" + (
            f", {len(counted) - judged} due later" if judged < len(counted) else ""
        )
    # A ramp that was broken off says so itself: it is an ERROR.
    if breaches and any(
        check.id == "ramp.abort" and check.verdict not in {Verdict.PASS, Verdict.ERROR} for check in counted
    ):
        last = ended_by or breaches[-1]
        seen = f"{last.rule}: observed {last.observed}, limit {last.limit}, at stage {last.stage or '-'}"
        doubt = doubt_of(last.triage) if verdict is Verdict.INCONCLUSIVE else ""
        return verdict, f"{seen}; {doubt}" if doubt else seen
    culprit = next(
        (
            check
            for check in counted
            if check.verdict is verdict or (verdict is Verdict.INCONCLUSIVE and check.verdict is Verdict.NOT_RUN)
        ),
        None,
    )
    if culprit is None:
        return verdict, "the run's form left out every phase"
    return verdict, f"{culprit.id}: {culprit.detail}"


def _halted(breaches: tuple[Breach, ...], decisions: tuple[Decision, ...]) -> Decision | None:
    """Return the decision that ended the run; none when a breach did."""
    if _ended_by(breaches, decisions) is not None:
        return None
    return next((decision for decision in _since_gone_on(decisions) if decision.answer == "halt"), None)


def _since_gone_on(decisions: tuple[Decision, ...]) -> tuple[Decision, ...]:
    """Return the decisions after the last one to go on from a breach: it overrides a halt before it."""
    went_on = [place for place, decision in enumerate(decisions, start=1) if decision.answer in _GOING_ON]
    return decisions[max(went_on, default=0) :]


def _ended_by(breaches: tuple[Breach, ...], decisions: tuple[Decision, ...]) -> Breach | None:
    """Return the first breach after the last decision to go on: those of a refined ceiling's probes come after it."""
    went_on = max((item.answered for item in decisions if item.answer in _GOING_ON and item.answered), default=None)
    return next((breach for breach in breaches if went_on is None or breach.detected > went_on), None)


def _check(item: ChecklistItem, events: tuple[Event, ...], left_out: frozenset[str], not_reached: str) -> Check:
    event = next(
        (event for event in reversed(events) if event.kind == "check" and event.data.get("id") == item.id), None
    )
    base: dict[str, Any] = {"id": item.id, "title": item.title, "phase": item.phase, "implemented": item.implemented}
    if event is not None:
        return Check(
            **base,
            verdict=event.data["verdict"],
            detail=event.data["detail"],
            evidence=tuple(event.data.get("evidence", ())),
            started=datetime.fromisoformat(event.data["started"]),
            seconds=event.data["seconds"],
        )
    if not item.implemented:
        return Check(**base, verdict=Verdict.INCONCLUSIVE, detail="Not verified yet: this item is not implemented.")
    if item.phase in left_out:
        return Check(**base, verdict=Verdict.NOT_RUN, detail="Left out by the run's form.")
    return Check(**base, verdict=Verdict.NOT_RUN, detail=not_reached)


def _why_not_reached(events: tuple[Event, ...], unfinished: Unfinished | None, halted: Decision | None) -> str:
    if not any(event.kind in {"run_closed", "teardown"} for event in events):
        return "not yet."
    if unfinished and unfinished.phase not in _ENDINGS:
        return _broken_off(unfinished)
    if halted is not None:
        return f"{halted.by} halted: {halted.asked}"
    # What fails after the run's work is over did not stop it.
    for event in events:
        if event.kind == "check" and event.data.get("verdict") in _BAD and not _made_at_the_end(event.data["id"]):
            return f"the run stopped after {event.data['id']}."
    if unfinished:
        return _broken_off(unfinished)
    # Who took a dead run over says at which check it died.
    return next(
        (str(event.data["text"]) for event in events if event.kind == "note" and event.data.get("taken_over")),
        "the run ended before it.",
    )


def _made_at_the_end(check_id: str) -> bool:
    return check_id in _MADE_IN["collect"] or check_id.partition(".")[0] in _ENDINGS


def _broken_off(unfinished: Unfinished) -> str:
    return f"the run {'was interrupted' if unfinished.interrupted else 'died'} in its {unfinished.phase} phase."


def _stages(events: tuple[Event, ...]) -> tuple[Stage, ...]:
    found: dict[int, dict[str, Any]] = {}
    for event in events:
        if not event.kind.startswith("stage_"):
            continue
        number = int(event.data["number"])
        stage = found.setdefault(number, {"number": number, "started": event.at})
        if event.kind == "stage_started":
            stage.update({"started": event.at, "vus": event.data.get("vus"), "rate": event.data.get("rate")})
        elif event.kind == "stage_steady":
            stage["steady_from"] = event.at
        elif event.kind == "stage_judged":
            stage["gate"] = Gate(verdict=event.data["verdict"], reason=event.data["reason"])
            stage["steady_to"] = event.data.get("steady_to", event.at)
        elif event.kind == "stage_ended":
            stage["ended"] = event.at
        else:
            numbers = {key: value for key, value in event.data.items() if key not in {"number", "endpoints"}}
            stage.update(numbers)
            stage["endpoints"] = _merge_endpoints(stage.get("endpoints", ()), event.data.get("endpoints", ()))
    return tuple(Stage(**found[number]) for number in sorted(found))


def _merge_endpoints(known: tuple[EndpointNumbers, ...], news: Iterable[dict[str, Any]]) -> tuple[EndpointNumbers, ...]:
    """Lay later numbers over earlier ones: live numbers come during the run, exact ones after it."""
    merged = {item.name: item for item in known}
    for new in news:
        before = merged.get(new["name"], EndpointNumbers(name=new["name"]))
        merged[new["name"]] = before.model_copy(update={key: value for key, value in new.items() if value is not None})
    return tuple(merged.values())


def _segments(events: tuple[Event, ...]) -> tuple[SegmentRun, ...]:
    found: dict[int, dict[str, Any]] = {}
    for event in events:
        if event.kind == "segment_started":
            found[int(event.data["index"])] = {**event.data, "started": event.at}
        elif event.kind == "segment_ended":
            found.setdefault(
                int(event.data["index"]), {"loadgen": "unknown", "share": 0.0, "started": event.at}
            ).update({**event.data, "ended": event.data.get("ended", event.at)})
    return tuple(SegmentRun(**found[index]) for index in sorted(found))


def _breaches(events: tuple[Event, ...]) -> tuple[Breach, ...]:
    found: list[dict[str, Any]] = []
    for event in events:
        if event.kind == "breach":
            found.append(dict(event.data))
        elif event.kind == "load_stopped" and found and "stopped" not in found[-1]:
            found[-1].update({"stopped": event.data.get("stopped", event.at), "load_zero_at": event.at})
        elif event.kind == "triage" and found:
            found[-1]["triage"] = tuple(event.data.get("rows", ()))
    return tuple(Breach(**breach) for breach in found)


def _series(events: tuple[Event, ...]) -> tuple[SeriesFile, ...]:
    """Return the files of each kind of line; the last of a name counts."""
    found = {str(event.data["name"]): SeriesFile(**event.data) for event in events if event.kind == "series"}
    return tuple(found[name] for name in sorted(found))


def _recording(events: tuple[Event, ...]) -> Recording | None:
    event = _last(events, "recording")
    return Recording(**event.data) if event else None


# Checks in the order in which a phase makes them, where that is not the checklist's.
_MADE_IN = {
    "ramp": ("ramp.tabs", "ramp.launch", "ramp.abort", "ramp.gate"),
    "collect": (
        "collect.results", "ramp.stage_notes", "ramp.stage_evidence", "collect.traces", "collect.snapshots", "ramp.recording",
    ),
}  # fmt: skip


def _order(phase: str) -> tuple[str, ...]:
    return _MADE_IN.get(phase) or tuple(item.id for item in CHECKLIST if item.phase == phase)


def find_unfinished(events: tuple[Event, ...]) -> Unfinished | None:
    """Return where the run is, or died; None between two phases and after the last one."""
    phase = _open_phase(events)
    if phase is None:
        return None
    begun = next(at for at, event in enumerate(events) if (event.kind, event.phase) == ("phase_started", phase))
    made = {event.data.get("id") for event in events[begun:] if event.kind == "check"}
    of_phase = [event for event in events if event.phase == phase]
    started = [int(event.data["number"]) for event in events if event.kind == "stage_started"]
    ended = {int(event.data["number"]) for event in events if event.kind == "stage_ended"}
    return Unfinished(
        phase=phase,
        check=next((id_ for id_ in _order(phase) if id_ not in made), None),
        stage=started[-1] if phase == "ramp" and started and started[-1] not in ended else None,
        last_line=max(event.at for event in of_phase),
        interrupted=any(event.data.get("interrupted") for event in of_phase),
    )


def _open_phase(events: tuple[Event, ...]) -> str | None:
    """Return the phase that began and did not end. The report cannot be it: it is made before its phase ends."""
    ended = {event.phase for event in events if event.kind == "phase_ended"}
    begun = (event.phase for event in events if event.kind == "phase_started")
    return next((phase for phase in begun if phase not in ended and phase != "report"), None)


def _ceiling(events: tuple[Event, ...]) -> Ceiling:
    event = _last(events, "ceiling")
    return Ceiling(**event.data) if event else Ceiling(reason="No stage was judged.")


def _teardown(events: tuple[Event, ...]) -> Teardown | None:
    event = _last(events, "teardown")
    return Teardown(**event.data) if event else None


def _cost(events: tuple[Event, ...]) -> Cost:
    return Cost(**_merged(events, "cost"))


def _comparison(events: tuple[Event, ...]) -> Comparison | None:
    event = _last(events, "comparison")
    return Comparison(**event.data) if event else None


def _merged(events: tuple[Event, ...], kind: str) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for event in events:
        if event.kind == kind:
            merged.update(event.data)
    return merged


def _last(events: tuple[Event, ...], kind: str) -> Event | None:
    return next((event for event in reversed(events) if event.kind == kind), None)
