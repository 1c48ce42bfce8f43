import math
from datetime import UTC, datetime, timedelta

import pytest

from blocks.models.triage import Saturation, Signal, TriageRules
from tasks.rules.signals import Asked, Track, gone, saturation_signal, subjects_of, together
from tasks.rules.triage import verdict_of

BREACH = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
STARTED = BREACH - timedelta(seconds=120)
STABLE = (BREACH - timedelta(seconds=400), BREACH - timedelta(seconds=200))
RULES = TriageRules()
DATABASE = Asked(query="q", subject="{service_name}", name="p95 of {span_name}", unit="ms", limit=50)


def track(service: str, *values: float, ends: datetime = BREACH) -> Track:
    end = ends.timestamp()
    points = tuple((end - len(values) + 1 + place, value) for place, value in enumerate(values))
    return Track(labels={"service_name": service, "span_name": "db_query"}, points=points)


def reading(
    seconds: float, lag_ms: float | None, cpu: float | None, waiting: float | None = 0.0, loadgen: str = "10.0.0.7"
) -> Saturation:
    return Saturation(
        loadgen=loadgen, at=BREACH - timedelta(seconds=seconds), cpu_busy=cpu, lag_ms=lag_ms, run_queue_share=waiting
    )


def judged(*readings: Saturation, loadgens: tuple[str, ...] = ("10.0.0.7",)) -> Signal:
    return saturation_signal(
        readings, RULES, loadgens=loadgens, stage_started=STARTED, detected=BREACH, stable=STABLE
    )  # fmt: skip


def test_the_number_is_that_of_the_breach_and_the_past_is_the_highest_of_the_stable_stage() -> None:
    stable = [track("bet", 10, 30, 20, ends=STABLE[1])]
    (subject,) = subjects_of(DATABASE, [track("bet", 400, 20, 182)], stable, BREACH)
    measure = subject.measures[0]
    assert (subject.name, measure.name) == ("bet", "p95 of db_query")
    assert (measure.observed, measure.baseline, measure.limit) == (182, 30, 50)


def test_onset_is_where_the_stretch_up_to_the_breach_began_not_an_earlier_spike() -> None:
    (subject,) = subjects_of(DATABASE, [track("bet", 10, 900, 10, 60, math.nan, 70, 80)], [], BREACH)
    assert subject.onset == BREACH - timedelta(seconds=3)


@pytest.mark.parametrize(
    "silent",
    [track("bet", 182, math.nan), track("bet", 182, ends=BREACH - timedelta(seconds=5)), track("bet")],
    ids=["NaN", "ended before", "empty"],
)
def test_a_series_without_a_number_at_the_breach_is_no_subject(silent: Track) -> None:
    assert subjects_of(DATABASE, [silent], [], BREACH) == ()


def test_a_subject_that_fell_silent_is_named() -> None:
    stable = [
        track("bet", 10, ends=STABLE[1]),
        track("auth", 10, ends=STABLE[1]),
        track("api", math.nan, ends=STABLE[1]),
    ]
    found = subjects_of(DATABASE, [track("auth", 10), track("bet", math.nan)], stable, BREACH)
    assert "last stable stage: bet." in gone(DATABASE, found, stable)
    assert gone(DATABASE, found, []) == ""


def test_measures_are_joined_by_subject_and_one_that_lacks_either_is_left_out() -> None:
    depth = subjects_of(DATABASE, [track("a", 60), track("b", 60)], [], BREACH)
    growth = subjects_of(DATABASE, [track("a", 40)], [], BREACH)
    (joined,) = together(depth, growth)
    assert joined.name == "a"
    assert len(joined.measures) == 2
    assert not joined.over


@pytest.mark.parametrize(
    ("lag_ms", "cpu", "waiting", "verdict"),
    [
        (51, 0.97, 0.48, "matched"),
        (51, 0.58, 0.8, "matched"),
        (51, None, 0.8, "matched"),
        (51, 0.58, 0.48, "not matched"),
        (1, 0.97, 0.8, "not matched"),
        (None, 0.97, 0.8, "inconclusive"),
        (51, None, None, "inconclusive"),
    ],
    ids=[
        "CPU and lag",
        "run queue and lag",
        "CPU unknown",
        "lag alone",
        "CPU alone",
        "lag unknown",
        "both CPU signs unknown",
    ],
)
def test_saturated_is_lag_together_with_a_busy_cpu(
    lag_ms: float | None, cpu: float | None, waiting: float | None, verdict: str
) -> None:
    assert verdict_of(judged(reading(2, lag_ms, cpu, waiting))) == verdict


def test_lag_and_cpu_have_to_be_over_in_the_same_reading() -> None:
    assert verdict_of(judged(reading(4, 51, 0.3), reading(2, 1, 0.97))) == "not matched"


def test_lag_that_was_there_in_the_stable_stage_is_no_match() -> None:
    assert verdict_of(judged(reading(300, 60, 0.97), reading(2, 51, 0.97))) == "not matched"


def test_only_readings_up_to_the_breach_count() -> None:
    assert verdict_of(judged(reading(60, 51, 0.97), reading(-8, 51, 0.97))) == "inconclusive"


def test_saturation_has_an_onset_a_name_and_quotes_both_signs() -> None:
    signal = judged(reading(20, 51, 0.97), reading(10, 1, 0.3), reading(4, 30, 0.95), reading(2, 51, 0.97, 0.4))
    (subject,) = signal.subjects
    assert subject.name == "10.0.0.7"
    assert subject.onset == BREACH - timedelta(seconds=4)
    assert "CPU 97% busy, k6 waited for a CPU 40% of its time" in signal.evidence


def test_where_no_iteration_is_late_the_reading_that_waited_longest_is_quoted() -> None:
    found = judged(reading(4, 0, 0.4, 0.56), reading(2, 0, 0.9, 0.98), reading(0, 0, 0.5, 0.6))
    assert "k6 waited for a CPU 98% of its time" in found.evidence


def test_of_two_load_generators_the_one_at_its_limit_is_named_and_a_silent_one_is_too() -> None:
    signal = judged(
        reading(2, 1, 0.3), reading(2, 51, 0.97, loadgen="10.0.0.8"), loadgens=("10.0.0.7", "10.0.0.8", "10.0.0.9")
    )
    assert [subject.name for subject in signal.subjects if subject.over] == ["10.0.0.8"]
    assert signal.problem.startswith("10.0.0.9 has no complete reading")


def test_no_load_generator_and_no_reading_says_so() -> None:
    signal = judged(loadgens=())
    assert verdict_of(signal) == "inconclusive"
    assert signal.problem == "The guard read no load generator."
