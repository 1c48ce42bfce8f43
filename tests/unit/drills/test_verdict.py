from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from blocks.models.event import Event, Kind
from blocks.models.triage import Row
from deployments.rehearsal.drills.faults import DECISIONS, DRILLS, UNKNOWN
from deployments.rehearsal.drills.note import Note
from deployments.rehearsal.drills.verdict import DrillResult, course_of, detected, judge_drill

BEGAN = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
ROWS: tuple[Row, ...] = ("prisma-pool", "bullmq-backlog", "ws-handshake", "http-429", "oom-kill", "k6-saturated")
SEED = 3


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def event(seconds: float, kind: Kind, **data: Any) -> Event:
    return Event(at=at(seconds), mono_s=seconds, pid=1, phase="ramp", kind=kind, data=data)


def table(*matched: str, inconclusive: str = "") -> list[dict[str, Any]]:
    """The rows of a triage, ranked: those that matched first."""
    rest = [row for row in ROWS if row not in matched]
    rows = [{"row": row, "matched": True, "verdict": "matched", "subjects": ["127.0.0.2"]} for row in matched]
    return rows + [
        {
            "row": row,
            "matched": False,
            "verdict": "inconclusive" if row == inconclusive else "not matched",
            "subjects": [],
        }
        for row in rest
    ]


def journal(rows: list[dict[str, Any]], decision: str, *, reached: int = 3) -> list[Event]:
    """A run that is stopped in stage 2, ten seconds after the fault at 20 s."""
    return [
        event(5, "stage_steady", number=1),
        event(15, "stage_steady", number=2),
        event(31.5, "breach", rule="sign-in p95", observed="900 ms", limit="> 500 ms", stage=2, detected=at(30).isoformat()),
        event(31.6, "load_stopped", stopped=at(31).isoformat()),
        event(33, "triage", rows=rows, suggestion={}),
        event(35, "decision", asked="Stage 2 was stopped", answer=decision, by="drill operator", waited_seconds=1.0),
        *(event(60 + 10 * number, "stage_steady", number=number) for number in range(1, reached + 1) if decision != "halt"),
    ]  # fmt: skip


def note(name: str) -> Note:
    return Note(rows=DRILLS[name].rows, stage=2, delay_s=5.0, injected_at=at(20))


def record(**changes: Any) -> dict[str, Any]:
    return {
        "verdict": "INCONCLUSIVE",
        "reason": "throttled",
        "ceiling": {"stage": 1, "reason": "stage 2 was stopped"},
        "stages": [{"number": 2, "gate": {"verdict": "INCONCLUSIVE", "reason": ""}}],
        "teardown": {"verdict": "PASS", "leftover": []},
        **changes,
    }


def judged(name: str, events: list[Event], result: dict[str, Any] | None = None, injected: bool = True) -> DrillResult:
    return judge_drill(
        DRILLS[name], SEED, "run", note(name) if injected else None, events, record() if result is None else result
    )


@pytest.mark.parametrize("row", ROWS)
def test_a_drill_passes_when_its_row_is_first_and_the_matrix_decision_is_taken(row: str) -> None:
    result = judged(row, journal(table(row), DECISIONS[row]))
    assert result.verdict == "PASS", result.reason
    assert (result.injected_row, result.detected_row, result.decision) == (row, row, DECISIONS[row])
    assert (result.detected_at, result.seconds_to_detected, result.seconds_to_stopped) == (at(30), 10.0, 11.0)
    assert result.breach == "sign-in p95: observed 900 ms, limit > 500 ms"


@pytest.mark.parametrize("row", ROWS)
def test_another_row_in_the_first_place_fails_it(row: str) -> None:
    other = (
        next(name for name in ROWS if DECISIONS[name] == DECISIONS[row] and name != row)
        if row != "bullmq-backlog"
        else "http-429"
    )
    result = judged(row, journal(table(other, row), DECISIONS[other]))
    assert result.verdict == "FAIL"
    assert f"{other} was ranked first; injected was {row}" in result.reason


def test_a_row_that_did_not_match_is_no_detection() -> None:
    result = judged("oom-kill", journal(table(), "halt"))
    assert result.detected_row == UNKNOWN
    assert "oom-kill was injected and did not match" in result.reason


def test_a_fault_without_a_breach_fails_it() -> None:
    result = judged("prisma-pool", journal(table("prisma-pool"), "resume")[:2])
    assert result.verdict == "FAIL"
    assert result.reason == "The fault was not detected: there was no breach."
    assert result.detected_row is None


def test_a_breach_before_the_fault_fails_it() -> None:
    events = journal(table("prisma-pool"), "resume")
    early = judge_drill(
        DRILLS["prisma-pool"],
        SEED,
        "run",
        note("prisma-pool").model_copy(update={"injected_at": at(40)}),
        events,
        record(),
    )
    assert "stopped before the fault was injected" in early.reason


def test_nothing_injected_fails_it_and_says_where_the_run_ended() -> None:
    result = judged("prisma-pool", [], record(reason="preflight.plan failed"), injected=False)
    assert result.verdict == "FAIL"
    assert "preflight.plan failed" in result.reason


@pytest.mark.parametrize(
    ("row", "decision", "sentence"),
    [
        ("prisma-pool", "halt", "The decision was halt; the matrix says resume."),
        ("bullmq-backlog", "resume", "The decision was resume; the matrix says throttle."),
        ("oom-kill", "resume", "The decision was resume; the matrix says halt."),
    ],
)
def test_another_decision_fails_it(row: str, decision: str, sentence: str) -> None:
    result = judged(row, journal(table(row), decision))
    assert result.verdict == "FAIL"
    assert sentence in result.reason


@pytest.mark.parametrize("row", ["prisma-pool", "bullmq-backlog", "http-429"])
def test_a_ramp_that_does_not_get_further_than_before_fails_it(row: str) -> None:
    result = judged(row, journal(table(row), DECISIONS[row], reached=2))
    assert result.reached_stage == 2
    assert "the next stage, 3, was not reached" in result.reason


@pytest.mark.parametrize("row", ["prisma-pool", "bullmq-backlog", "http-429"])
def test_load_that_is_stopped_again_after_the_decision_fails_it(row: str) -> None:
    again = event(95, "breach", rule="no data", observed="39 s", limit="15 s", stage=1, detected=at(94).isoformat())
    result = judged(row, [*journal(table(row), DECISIONS[row]), again])
    assert result.verdict == "FAIL"
    assert result.reason == "After the decision the load was stopped again: no data: observed 39 s, limit 15 s."


@pytest.mark.parametrize("row", ["prisma-pool", "bullmq-backlog", "http-429"])
def test_a_run_that_goes_on_and_fails_all_the_same_fails_it(row: str) -> None:
    result = judged(row, journal(table(row), DECISIONS[row]), record(verdict="FAIL", reason="the ramp was halted"))
    assert result.reason == "The run went on, and is FAIL: the ramp was halted"


def test_a_halt_without_a_documented_ceiling_fails_it() -> None:
    result = judged("oom-kill", journal(table("oom-kill"), "halt"), record(ceiling={"stage": None, "reason": ""}))
    assert result.reason == "The ceiling is not documented."


def test_load_that_was_not_stopped_fails_it() -> None:
    events = [item for item in journal(table("http-429"), "resume") if item.kind != "load_stopped"]
    result = judged("http-429", events)
    assert result.reason == "The load was not stopped."
    assert result.seconds_to_stopped is None


def test_no_triage_and_no_decision_fail_it() -> None:
    events = journal(table("http-429"), "resume")
    assert "There was no triage" in judged("http-429", events[:4]).reason
    assert "Nothing was decided" in judged("http-429", events[:5]).reason


def test_a_decision_before_the_triage_is_not_its_decision() -> None:
    asked = event(3, "decision", asked="Start the ramp?", answer="go", by="x", waited_seconds=0.1)
    assert judged("http-429", [asked, *journal(table("http-429"), "resume")]).decision == "resume"


@pytest.mark.parametrize(
    ("teardown", "sentence"),
    [
        (None, "Teardown is missing."),
        ({"verdict": "FAIL", "leftover": []}, "Teardown is FAIL."),
        ({"verdict": "PASS", "leftover": ["vpc-1", "eip-2"]}, "Left over: vpc-1, eip-2."),
    ],
)
def test_a_poor_teardown_fails_it(teardown: dict[str, Any] | None, sentence: str) -> None:
    result = judged("oom-kill", journal(table("oom-kill"), "halt"), record(teardown=teardown))
    assert result.reason == sentence


def test_a_saturated_load_generator_must_leave_its_stage_inconclusive_and_be_named() -> None:
    judged_stage = record(stages=[{"number": 2, "gate": {"verdict": "FAIL", "reason": ""}}])
    nameless = [{**row, "subjects": []} for row in table("k6-saturated")]
    assert (
        "Stage 2 is not INCONCLUSIVE"
        in judged("k6-saturated", journal(table("k6-saturated"), "halt"), judged_stage).reason
    )
    assert "does not name the load generator" in judged("k6-saturated", journal(nameless, "halt")).reason


def test_the_control_passes_only_without_a_breach_and_with_a_run_that_passed() -> None:
    healthy = [event(5 + 10 * number, "stage_steady", number=number) for number in range(1, 6)]
    assert judged("healthy", healthy, record(verdict="PASS")).verdict == "PASS"
    assert judged("healthy", healthy, record(verdict="PASS")).injected_row is None
    assert "the run is INCONCLUSIVE" in judged("healthy", healthy, record(verdict="INCONCLUSIVE")).reason
    stopped = judged("healthy", journal(table("http-429"), "resume"), record(verdict="PASS"))
    assert "the load was stopped: sign-in p95" in stopped.reason


def test_two_faults_must_both_match_and_either_may_be_first() -> None:
    for rows in (("prisma-pool", "http-429"), ("http-429", "prisma-pool")):
        assert judged("two-faults", journal(table(*rows), "resume")).verdict == "PASS"
    assert (
        "http-429 was injected and did not match"
        in judged("two-faults", journal(table("prisma-pool"), "resume")).reason
    )
    third = judged("two-faults", journal(table("oom-kill", "prisma-pool", "http-429"), "halt"))
    assert "oom-kill was ranked first" in third.reason
    assert third.injected_row == "prisma-pool + http-429"


def test_a_renamed_metric_leaves_its_row_inconclusive_and_the_cause_unknown() -> None:
    blind = judged("renamed-metric", journal(table(inconclusive="prisma-pool"), "halt"))
    assert blind.verdict == "PASS", blind.reason
    assert blind.detected_row == UNKNOWN
    assert "it is inconclusive" in judged("renamed-metric", journal(table(), "halt")).reason
    assert (
        "so it is unknown"
        in judged("renamed-metric", journal(table("http-429", inconclusive="prisma-pool"), "resume")).reason
    )


def test_only_the_first_row_decides_what_is_detected() -> None:
    assert detected(table("oom-kill", "http-429")) == "oom-kill"
    assert detected(table()) == UNKNOWN
    assert detected([]) == UNKNOWN


def test_a_journal_without_a_breach_has_no_course() -> None:
    course = course_of(journal(table("http-429"), "resume")[:2])
    assert course.breach is None
    assert course.detected_row is None
    assert course.stage == 0
