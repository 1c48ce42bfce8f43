"""How verdicts fold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.models.checklist import CHECKLIST, CHECKS, PHASES
from blocks.models.verdict import Verdict, failed, inconclusive, passed, worst

_ORDER = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.ERROR]


@pytest.mark.parametrize("worse", range(4))
@pytest.mark.parametrize("better", range(4))
def test_the_worse_of_two_wins(worse: int, better: int) -> None:
    assert worst([_ORDER[better], _ORDER[worse]]) is _ORDER[max(better, worse)]


def test_not_run_counts_as_inconclusive() -> None:
    assert worst([Verdict.PASS, Verdict.NOT_RUN]) is Verdict.INCONCLUSIVE
    assert worst([Verdict.FAIL, Verdict.NOT_RUN]) is Verdict.FAIL


def test_pending_does_not_count() -> None:
    assert worst([Verdict.PASS, Verdict.PENDING]) is Verdict.PASS


@pytest.mark.parametrize("verdicts", [[], [Verdict.PENDING]])
def test_nothing_to_judge_is_no_pass(verdicts: list[Verdict]) -> None:
    assert worst(verdicts) is Verdict.INCONCLUSIVE


@given(st.lists(st.sampled_from(list(Verdict))))
def test_the_order_of_checks_does_not_matter(verdicts: list[Verdict]) -> None:
    assert worst(verdicts) is worst(reversed(verdicts))


@given(st.lists(st.sampled_from(list(Verdict))))
def test_pass_is_given_only_when_all_that_counts_passed(verdicts: list[Verdict]) -> None:
    assert (worst(verdicts) is Verdict.PASS) == (set(verdicts) - {Verdict.PENDING} == {Verdict.PASS})


def test_only_a_pass_has_passed() -> None:
    assert [judge("x").passed for judge in (passed, failed, inconclusive)] == [True, False, False]


def test_every_item_of_the_checklist_has_its_own_id_in_a_known_phase() -> None:
    assert len(CHECKS) == len(CHECKLIST)
    order = [PHASES.index(item.phase) for item in CHECKLIST]
    assert order == sorted(order)
    assert set(order) == set(range(len(PHASES)))
