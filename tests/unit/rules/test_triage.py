from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.models.record import TriageRow
from blocks.models.triage import CAUSES, Measure, Row, Signal, Subject, TriageRules, Unit
from tasks.rules.triage import doubt_of, page, rank, suggest, table

BREACH = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
RULES = TriageRules()
ROWS: tuple[Row, ...] = tuple(CAUSES)


def subject(  # noqa: PLR0913, PLR0917 - a number and all that is known of it
    name: str = "bet",
    observed: float = 182,
    limit: float = 50,
    baseline: float | None = 12,
    began_s: float | None = 10,
    unit: Unit = "ms",
    *,
    decisive: bool = True,
) -> Subject:
    onset = None if began_s is None else BREACH - timedelta(seconds=began_s)
    measure = Measure(name="p95", unit=unit, observed=observed, limit=limit, baseline=baseline, onset=onset)
    return Subject(name=name, measures=(measure,), decisive=decisive)


def signal(row: Row, *subjects: Subject, problem: str = "") -> Signal:
    return Signal(row=row, query=f"query of {row}", subjects=subjects, problem=problem)


def healthy(row: Row) -> Signal:
    return signal(row, subject(observed=5, began_s=None))


def ranked(*signals: Signal) -> tuple[TriageRow, ...]:
    named = {item.row: item for item in signals}
    return rank([named.get(row, healthy(row)) for row in ROWS], RULES)


@pytest.mark.parametrize("row", ROWS)
def test_the_row_over_its_limit_and_its_past_is_first_and_the_only_match(row: Row) -> None:
    rows = ranked(signal(row, subject()))
    assert rows[0].row == row
    assert [item.matched for item in rows] == [True, *[False] * 5]
    assert {item.verdict for item in rows[1:]} == {"not matched"}


def test_a_match_says_number_limit_past_and_subject() -> None:
    row = ranked(signal("prisma-pool", subject("bet"), subject("auth", observed=20)))[0]
    assert row.evidence == "bet: p95 182 ms (limit 50 ms, up to 12 ms in the last stable stage)."
    assert (row.observed, row.limit, row.subjects) == ("182 ms", "50 ms", ("bet",))
    assert row.onset == BREACH - timedelta(seconds=10)
    assert row.query == "query of prisma-pool"


def test_over_the_limit_but_not_above_the_last_stable_stage_is_not_matched() -> None:
    assert ranked(signal("prisma-pool", subject(observed=80, baseline=80)))[0].verdict == "not matched"


def test_without_a_stable_stage_the_limit_alone_decides() -> None:
    assert ranked(signal("prisma-pool", subject(observed=51, baseline=None)))[0].matched
    assert not ranked(signal("prisma-pool", subject(observed=50, baseline=None)))[0].matched


@pytest.mark.parametrize(
    "unread",
    [signal("prisma-pool", problem="Prometheus did not answer."), signal("prisma-pool")],
    ids=["failed", "empty"],
)
def test_a_row_without_a_number_is_inconclusive_never_not_matched(unread: Signal) -> None:
    row = ranked(unread)[0]
    assert (row.verdict, row.matched, row.score) == ("inconclusive", False, 0.5)
    assert unread.problem in row.evidence


def test_a_row_that_lacks_a_part_is_matched_by_the_rest_but_not_cleared_by_it() -> None:
    assert ranked(signal("oom-kill", subject(), problem="No kernel log."))[0].verdict == "matched"
    assert ranked(signal("oom-kill", subject(observed=0), problem="No kernel log."))[0].verdict == "inconclusive"


def test_all_numbers_of_a_subject_have_to_be_over() -> None:
    deep, flat = (
        subject("settlement", 300, 100, unit="jobs").measures[0],
        subject("settlement", 0, 5, unit="jobs").measures[0],
    )
    assert not ranked(signal("bullmq-backlog", Subject(name="settlement", measures=(deep, flat))))[0].matched
    assert ranked(signal("bullmq-backlog", Subject(name="settlement", measures=(deep, deep))))[0].matched


def test_what_only_explains_makes_no_match() -> None:
    rows = ranked(
        signal("ws-handshake", subject("handshakes", 0.01, 0.05), subject("rt CPU", 1, 0.95, None, decisive=False))
    )
    assert not any(row.matched for row in rows)


def test_of_two_faults_both_are_matched_and_the_earlier_is_first() -> None:
    late = signal("prisma-pool", subject(observed=5000, began_s=4))
    early = signal("http-429", subject("answers", 0.02, 0.01, 0.0, began_s=30, unit="ratio"))
    rows = ranked(late, early)
    assert [row.row for row in rows if row.matched] == ["http-429", "prisma-pool"]


def test_onsets_within_the_resolution_of_the_sources_are_ordered_by_excess() -> None:
    small = signal("prisma-pool", subject(observed=60, began_s=12))
    large = signal("http-429", subject("answers", 0.5, 0.01, 0.0, began_s=9, unit="ratio"))
    assert [row.row for row in ranked(small, large) if row.matched] == ["http-429", "prisma-pool"]


@pytest.mark.parametrize("cause", ["k6-saturated", "oom-kill"])
def test_at_the_same_time_what_makes_the_other_numbers_goes_first(cause: Row) -> None:
    effect = signal("prisma-pool", subject(observed=5000, began_s=12))
    assert ranked(effect, signal(cause, subject(observed=51, began_s=9)))[0].row == cause
    assert ranked(effect, signal(cause, subject(observed=51, began_s=6)))[0].row == "prisma-pool"


def test_an_unknown_onset_comes_after_the_known_ones() -> None:
    unknown = signal("prisma-pool", subject(observed=5000, began_s=None))
    assert [row.row for row in ranked(unknown, signal("http-429", subject())) if row.matched] == [
        "http-429",
        "prisma-pool",
    ]


numbers = st.builds(
    subject,
    observed=st.floats(0, 1e6),
    limit=st.floats(0.01, 1e4),
    baseline=st.none() | st.floats(0, 1e6),
    began_s=st.none() | st.floats(0, 600),
)
sets = st.permutations(ROWS).flatmap(
    lambda order: st.tuples(
        *(st.builds(Signal, row=st.just(row), query=st.just("q"), subjects=st.lists(numbers, max_size=3).map(tuple),
                    problem=st.sampled_from(["", "It did not answer."])) for row in order)
    )
)  # fmt: skip


@given(signals=sets)
def test_every_row_is_there_once_matches_first_and_scores_never_rise(signals: tuple[Signal, ...]) -> None:
    rows = rank(signals, RULES)
    assert sorted(row.row for row in rows) == sorted(ROWS)
    grade = {"matched": 0, "inconclusive": 1, "not matched": 2}
    assert [grade[row.verdict] for row in rows] == sorted(grade[row.verdict] for row in rows)
    assert [row.score for row in rows] == sorted((row.score for row in rows), reverse=True)
    assert all((row.score >= 1) == row.matched for row in rows)


@given(signals=sets)
def test_the_order_in_which_the_rows_were_read_does_not_matter(signals: tuple[Signal, ...]) -> None:
    def matches(of: tuple[Signal, ...]) -> list[tuple[float, str]]:
        return [(row.score, row.evidence) for row in rank(of, RULES) if row.matched]

    assert matches(signals) == matches(tuple(reversed(signals))) or _tied(signals)


def _tied(signals: tuple[Signal, ...]) -> bool:
    """Whether two rows have the same excess: then either may go first."""
    scores = [round(row.score % 1, 4) for row in rank(signals, RULES) if row.matched]
    return len(set(scores)) < len(scores)


@pytest.mark.parametrize(
    ("cause", "decision", "said"),
    [
        (signal("prisma-pool", subject("bet")), "resume", "bet wait for a connection: enlarge its pool"),
        (signal("http-429", subject("answers")), "resume", "bypass header"),
        (signal("oom-kill", subject("ebit-bet-1")), "halt", "ebit-bet-1 was killed for memory"),
        (signal("k6-saturated", subject("10.0.0.7")), "halt", "10.0.0.7 is the bottleneck: the stage's results are unreliable"),
        (signal("ws-handshake", subject("handshakes"), subject("rt CPU", decisive=False)), "halt", "CPU of rt is saturated"),
        (signal("ws-handshake", subject("handshakes")), "halt", "not known to be saturated"),
        (
            signal("bullmq-backlog", subject("settlement"), subject("notifications")),
            "halt", "settlement, notifications all pile up",
        ),
        (signal("bullmq-backlog", subject("letters")), "halt", "set triage.queue_scenarios"),
    ],
    ids=lambda value: value.row if isinstance(value, Signal) else "",
)  # fmt: skip
def test_the_decision_is_the_matrix(cause: Signal, decision: str, said: str) -> None:
    suggestion = suggest(ranked(cause), RULES)
    assert suggestion.decision == decision
    assert said in suggestion.why
    assert suggestion.scenario is None


def test_a_single_queue_throttles_the_scenario_that_fills_it() -> None:
    suggestion = suggest(ranked(signal("bullmq-backlog", subject("settlement"))), RULES)
    assert (suggestion.decision, suggestion.scenario, suggestion.share) == ("throttle", "bet", 0.5)


def test_no_match_is_an_unknown_cause_and_halts_and_says_what_was_not_seen() -> None:
    suggestion = suggest(ranked(signal("oom-kill", problem="No kernel log.")), RULES)
    assert suggestion.decision == "halt"
    assert suggestion.why == "No row of the matrix matched: the cause is unknown. oom-kill could not be judged."


def test_a_second_match_is_named_beside_the_decision() -> None:
    rows = ranked(signal("prisma-pool", subject(began_s=60)), signal("oom-kill", subject(began_s=2)))
    suggestion = suggest(rows, RULES)
    assert suggestion.decision == "resume"
    assert "Also matched: oom-kill" in suggestion.why


def test_only_a_saturated_load_generator_ranked_first_leaves_the_system_in_doubt() -> None:
    saturated = signal("k6-saturated", subject("198.51.100.7"))
    said = "the load generator 198.51.100.7 was saturated, so these are not the system's numbers"
    assert doubt_of(ranked(saturated, signal("prisma-pool", subject("bet")))) == said
    # A fault that began long before it explains the breach itself.
    assert not doubt_of(ranked(saturated, signal("prisma-pool", subject("bet", began_s=40))))
    assert not doubt_of(ranked(signal("k6-saturated", problem="nothing was read")))
    assert not doubt_of(ranked())
    assert not doubt_of(())


def test_the_page_is_one_table_whose_cells_survive_pipes() -> None:
    asked = signal("prisma-pool", subject()).model_copy(update={"query": 'x{a=~"b|c"}', "link": "http://p/graph?q"})
    rows = ranked(asked, signal("oom-kill", problem="No kernel log."))
    lines = table(rows).splitlines()
    assert len(lines) == 8
    assert {line.replace(r"\|", "").count("|") for line in lines} == {8}
    assert r'`x{a=~"b\|c"}` [open](http://p/graph?q)' in lines[2]
    assert "01:59:50 UTC" in lines[2]
    assert "could not be judged" in lines[3]
    assert "No kernel log." in lines[3]
    said = page(rows, suggest(rows, RULES)).splitlines()
    assert said[0].startswith("**Suggested: resume.** Queries of bet wait")
    assert said[2].startswith("- **prisma-pool** matched since 01:59:50 UTC: ")
    assert said[2].endswith("[Query](http://p/graph?q)")
    assert said[3].startswith("- **oom-kill** could not be judged: ")
    assert said[5] == "Not matched: " + ", ".join(row.row for row in rows[2:]) + "."


def test_the_page_says_what_is_throttled_and_to_what() -> None:
    rows = ranked(signal("bullmq-backlog", subject("settlement")))
    assert page(rows, suggest(rows, RULES)).startswith("**Suggested: throttle bet to 50%.**")


def test_every_order_of_three_onsets_gives_the_same_ranking() -> None:
    began: dict[Row, float] = {"prisma-pool": 40, "http-429": 25, "ws-handshake": 8}
    for order in permutations(began):
        rows = rank([signal(row, subject(began_s=began[row])) for row in order], RULES)
        assert [row.row for row in rows] == ["prisma-pool", "http-429", "ws-handshake"]
