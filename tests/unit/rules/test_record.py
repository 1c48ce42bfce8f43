"""Any journal that opens a run folds into its record."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.models.checklist import CHECKLIST, PHASES
from blocks.models.errors import NoData
from blocks.models.event import Event, Kind
from blocks.models.record import Record
from blocks.models.verdict import Verdict
from tasks.rules.record import fold, unimplemented, where_it_ended

from .journals import COUNTED, START, all_passed, breach, check, event, opened

_JUDGED = st.sampled_from([Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR])


def _of(record: Record, id_: str) -> Verdict:
    return next(item.verdict for item in record.checks if item.id == id_)


@given(st.dictionaries(st.sampled_from([item.id for item in COUNTED]), _JUDGED))
def test_any_subset_of_checks_folds(judged: dict[str, Verdict]) -> None:
    record = fold([opened(), *(check(id_, verdict) for id_, verdict in judged.items())])
    assert [item.id for item in record.checks] == [item.id for item in CHECKLIST]
    assert all(_of(record, id_) is verdict for id_, verdict in judged.items())
    complete = len(judged) == len(COUNTED)
    assert (record.verdict is Verdict.PASS) == (complete and set(judged.values()) == {Verdict.PASS})
    assert record.reason


@given(st.permutations(all_passed()), st.integers(0, len(CHECKLIST)))
def test_a_journal_cut_off_anywhere_folds(lines: list[Event], kept: int) -> None:
    assert len(fold([opened(), *lines[:kept]]).checks) == len(CHECKLIST)


@given(st.sets(st.sampled_from(PHASES), max_size=len(PHASES) - 1))
def test_phases_left_out_do_not_count(left_out: set[str]) -> None:
    lines = [check(item.id) for item in CHECKLIST if item.phase not in left_out]
    record = fold([opened(*left_out), *lines])
    assert record.verdict is Verdict.PASS
    skipped = [item for item in record.checks if item.phase in left_out and item.implemented]
    assert all(item.verdict is Verdict.NOT_RUN and item.detail.startswith("Left out") for item in skipped)


def test_folding_twice_gives_the_same_bytes() -> None:
    lines = [opened(), *all_passed(), breach()]
    assert fold(lines).model_dump_json() == fold(lines).model_dump_json()


@pytest.mark.parametrize("lines", [[], [check("smoke.run")]])
def test_a_journal_without_an_opening_is_no_record(lines: list[Event]) -> None:
    with pytest.raises(NoData, match="no line that opens a run"):
        fold(lines)


def test_all_checks_passed_is_a_pass() -> None:
    record = fold([opened(), *all_passed()])
    assert (record.verdict, record.reason) == (Verdict.PASS, f"all {len(COUNTED)} checks passed")


@pytest.mark.parametrize("missing", [item.id for item in COUNTED])
def test_a_check_that_was_not_reached_makes_the_run_inconclusive(missing: str) -> None:
    record = fold([opened(), *(line for line in all_passed() if line.data["id"] != missing)])
    assert record.verdict is Verdict.INCONCLUSIVE
    assert _of(record, missing) is Verdict.NOT_RUN
    assert record.reason.startswith(f"{missing}: Not reached")


def test_what_was_not_reached_names_the_check_that_stopped_the_run() -> None:
    record = fold([opened(), check("preflight.identity", Verdict.FAIL, "wrong account"), event("run_closed", 9)])
    assert record.reason == "preflight.identity: wrong account"
    late = next(item for item in record.checks if item.id == "smoke.run")
    assert late.detail == "Not reached: the run stopped after preflight.identity."


def test_items_that_are_not_implemented_do_not_count() -> None:
    open_items = {item.id for item in CHECKLIST if not item.implemented}
    record = fold([opened(), *(line for line in all_passed() if line.data["id"] not in open_items)])
    assert record.verdict is Verdict.PASS
    assert unimplemented(record) == len(open_items)
    assert all(_of(record, id_) is Verdict.INCONCLUSIVE for id_ in open_items)


def test_a_later_judgement_of_a_check_replaces_the_earlier() -> None:
    record = fold([opened(), *all_passed(), check("smoke.run", Verdict.FAIL, "first"), check("smoke.run")])
    assert _of(record, "smoke.run") is Verdict.PASS


def test_the_breach_is_the_first_thing_said() -> None:
    stopped = [check("ramp.abort", Verdict.FAIL, "stopped"), check("ramp.gate", Verdict.FAIL, "halted")]
    record = fold([opened(), *all_passed(), breach(), *stopped])
    assert record.reason == "sign-in p95: observed 612 ms, limit > 500 ms, at stage 3"


def test_a_breach_knows_when_its_load_was_stopped_and_gone() -> None:
    stopped = (START + timedelta(seconds=91)).isoformat()
    record = fold([opened(), breach(), event("load_stopped", 94.0, stopped=stopped), event("load_stopped", 99.0)])
    only = record.breaches[0]
    assert only.stopped == START + timedelta(seconds=91)
    assert only.load_zero_at == START + timedelta(seconds=94)


def test_a_stage_is_put_together_from_its_lines() -> None:
    record = fold(
        [
            opened(),
            event("stage_started", 10, number=2, vus=2000),
            event("stage_steady", 70, number=2),
            event("stage_judged", 190, number=2, verdict="PASS", reason="flat"),
            event("stage_started", 200, number=3, vus=3000),
            event("stage_ended", 260, number=2),
            event("stage_numbers", 300, number=2, ws_handshake_success=0.999, queues={"bets": 4.0}),
        ]
    )
    assert [stage.number for stage in record.stages] == [2, 3]
    stage = record.stages[0]
    seconds = [(at - START).total_seconds() for at in (stage.started, stage.steady_from, stage.steady_to) if at]
    assert seconds == [10, 70, 190]
    assert stage.gate is not None
    assert stage.gate.verdict is Verdict.PASS
    assert (stage.vus, stage.ws_handshake_success, stage.queues) == (2000, 0.999, {"bets": 4.0})


def test_exact_numbers_lie_over_live_ones() -> None:
    record = fold(
        [
            opened(),
            event("stage_started", 10, number=1, vus=10),
            event("stage_numbers", 20, number=1, endpoints=[{"name": "bet", "live_p95_ms": 90.0, "p95_ms": 90.0}]),
            event("stage_numbers", 30, number=1, endpoints=[{"name": "bet", "p95_ms": 87.123, "live_p95_ms": None}]),
        ]
    )
    numbers = record.stages[0].endpoints
    assert [(item.name, item.p95_ms, item.live_p95_ms) for item in numbers] == [("bet", 87.123, 90.0)]


def test_a_segment_that_ended_without_its_start_is_kept() -> None:
    record = fold([opened(), event("segment_ended", 50, index=4, exit_code=0)])
    assert [(item.index, item.loadgen, item.exit_code) for item in record.segments] == [(4, "unknown", 0)]


def test_unreadable_lines_are_counted_in_the_record() -> None:
    assert fold([opened()], unreadable_lines=3).unreadable_lines == 3


def test_later_facts_and_links_replace_earlier_ones() -> None:
    record = fold([opened(), event("fact", users=10), event("fact", users=20), event("links", grafana="http://g")])
    assert record.facts == {"users": "20"}
    assert record.links == {"grafana": "http://g"}
    assert record.ceiling.reason == "No stage was judged."


def test_a_halt_by_a_person_is_a_fail_even_when_every_check_passed() -> None:
    halted = event("decision", asked="Release stage 3 and start stage 4?", answer="halt", by="Ada", waited_seconds=2.0)
    record = fold([opened(), *all_passed(), halted])
    assert record.verdict is Verdict.FAIL
    assert record.reason == "Ada halted: Release stage 3 and start stage 4?"


def test_a_breach_the_ramp_went_on_from_is_not_the_reason() -> None:
    assert fold([opened(), breach(), *all_passed()]).verdict is Verdict.PASS
    later = fold([opened(), breach(), *all_passed(), check("teardown.sweep", Verdict.FAIL, "a volume is left")])
    assert later.reason == "teardown.sweep: a volume is left"


def test_what_is_still_to_come_in_an_open_run_says_so() -> None:
    record = fold([opened(), check("preflight.identity")])
    assert next(item.detail for item in record.checks if item.id == "smoke.run") == "Not reached: not yet."


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ([("preflight", "phase_started", {})], ("preflight", "preflight.identity", None)),
        ([("ramp", "phase_started", {})], ("ramp", "ramp.tabs", None)),
        ([("ramp", "phase_started", {}), ("ramp", "stage_started", {"number": 3})], ("ramp", "ramp.tabs", 3)),
        (
            [("ramp", "stage_started", {"number": 3}), ("collect", "phase_started", {})],
            ("collect", "collect.results", None),
        ),
        ([("teardown", "phase_started", {}), ("teardown", "phase_ended", {"state": "FAILED"})], None),
        ([("report", "phase_started", {})], None),
        ([], None),
    ],
)
def test_a_record_says_where_the_run_is_or_died(
    lines: list[tuple[str, str, dict[str, int]]], where: tuple[str, str, int | None] | None
) -> None:
    events = [event(kind, data=None).model_copy(update={"phase": phase, "data": data}) for phase, kind, data in lines]  # type: ignore[arg-type]
    found = fold([opened(), *events]).unfinished
    assert (found and (found.phase, found.check, found.stage)) == where


def test_a_check_that_pre_flight_made_for_the_ramp_is_made_again_there() -> None:
    begun = event("phase_started", 50)
    record = fold([opened(), check("ramp.launch"), begun, check("ramp.tabs").model_copy(update={"at": begun.at})])
    assert record.unfinished is not None
    assert record.unfinished.check == "ramp.launch"


def test_a_check_that_is_due_later_does_not_count() -> None:
    lines = [line for line in all_passed() if line.data["id"] != "report.cost"]
    record = fold([opened(), *lines, check("report.cost", Verdict.PENDING)])
    assert (record.verdict, record.reason) == (
        Verdict.PASS,
        f"all {len(COUNTED) - 1} checks passed, 1 due later",
    )


def test_the_cost_that_is_known_later_lies_over_its_estimate() -> None:
    record = fold(
        [
            opened(),
            event("cost", 1, estimated_usd=1.1, basis="list prices", hours=1.5),
            event("cost", 2, check_at=START.isoformat()),
            event("cost", 3, check_at=None),
            event("cost", 4, actual_usd=1.2, actual_basis="by the tag"),
        ]
    )
    assert (record.cost.estimated_usd, record.cost.actual_usd, record.cost.check_at) == (1.1, 1.2, None)


def test_a_decision_was_answered_when_its_line_was_written() -> None:
    """Also when who wrote it did not know that yet."""
    said = {"asked": "Go on?", "answer": "go", "by": "Ada", "waited_seconds": 1.0}
    record = fold([opened(), event("decision", 40, **said), event("decision", 50, **said, answered=None)])
    assert [item.answered for item in record.decisions] == [START + timedelta(seconds=at) for at in (40, 50)]


def _in(phase: str, kind: Kind, **data: object) -> Event:
    return event(kind, 60).model_copy(update={"phase": phase, "data": data})


_TORN_DOWN = _in(
    "teardown", "teardown", verdict="PASS", clean=True, destroyed=0, leftover=[], ecr_deleted=[], seconds=1.0
)
_KILLED_IN_THE_RAMP = [opened(), _in("ramp", "phase_started"), check("ramp.tabs")]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (
            [*_KILLED_IN_THE_RAMP, check("collect.results", Verdict.FAIL, "the host is gone"), _TORN_DOWN],
            "the run died in its ramp phase.",
        ),
        (
            [
                opened(),
                event("decision", asked="Apply the plan?", answer="halt", by="Ada", waited_seconds=2.0),
                _in("teardown", "note", text="Swept: Terraform left nothing."),
                _TORN_DOWN,
            ],
            "Ada halted: Apply the plan?",
        ),
        ([opened(), check("smoke.run", Verdict.FAIL, "exit code 99"), _TORN_DOWN], "the run stopped after smoke.run."),
        ([opened(), check("teardown.sweep", Verdict.FAIL, "a volume"), _TORN_DOWN], "the run ended before it."),
        ([opened(), check("ramp.stage_notes", Verdict.FAIL, "none"), _TORN_DOWN], "the run ended before it."),
        (
            [
                opened(),
                _in("teardown", "note", text="Taken down without a lease: silence."),
                _in("teardown", "note", text="The run ended at smoke.run.", taken_over="janitor"),
                _TORN_DOWN,
            ],
            "The run ended at smoke.run.",
        ),
    ],
)
def test_a_check_that_was_not_reached_says_what_ended_the_run(lines: list[Event], why: str) -> None:
    record = fold(lines)
    assert next(item.detail for item in record.checks if item.id == "ramp.abort") == f"Not reached: {why}"


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ([], "preflight.identity"),
        ([opened(), _in("preflight", "phase_started"), _in("preflight", "phase_ended")], "provision.apply"),
        # ramp.recording, the next of the checklist, is made by the collect phase.
        ([*_KILLED_IN_THE_RAMP, check("ramp.launch")], "ramp.abort"),
        ([opened("ramp"), *(_in(phase, "phase_started") for phase in PHASES[:3])], "preflight.identity"),
        (
            [opened("ramp"), *(_in(at, kind) for at in PHASES[:3] for kind in ("phase_started", "phase_ended"))],
            "collect.results",
        ),
        (
            [opened(), *(_in(at, "phase_started") for at in PHASES), *(_in(at, "phase_ended") for at in PHASES)],
            "its end",
        ),
    ],
)
def test_where_a_run_ended_is_the_check_that_its_record_names(lines: list[Event], where: str) -> None:
    assert where_it_ended(lines) == where
    unfinished = fold(lines).unfinished if lines else None
    assert unfinished is None or unfinished.check == where
