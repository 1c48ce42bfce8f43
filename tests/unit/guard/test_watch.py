"""What the ramp and the guard know of the load together."""

from __future__ import annotations

import pytest

from blocks.models.breach import Breached
from blocks.models.errors import Failed, Unavailable
from blocks.models.load import Level, LoadPlan, Segment
from blocks.models.verdict import Verdict
from tasks.clients.loadgen import Job
from tasks.rules.segments import cut_into_segments
from tasks.watch import LoadWatch, on_each


def _watch() -> LoadWatch:
    levels = (
        Level(number=1, amounts={"signin": 5.0, "bet": 0.0}, rise_s=1, hold_s=1),
        Level(number=2, amounts={"signin": 10.0, "bet": 5.0}, rise_s=1, hold_s=1),
    )
    plan = LoadPlan(unit="vus", levels=levels, scenarios=(), thresholds={}, tags={}, other={})
    return LoadWatch(loadgens=(), plan=plan, segments=cut_into_segments(plan, 1))


def test_an_endpoint_has_load_when_a_segment_of_it_runs_whatever_stage_is_risen_to() -> None:
    watch = _watch()
    assert list(watch.loaded()) == []
    watch.enter_stage(2)
    assert list(watch.loaded()) == []
    watch.expect(watch.segments[0])
    assert list(watch.loaded()) == ["signin"]
    watch.expect(watch.segments[1])
    assert list(watch.loaded()) == ["signin", "bet"]
    watch.release(watch.segments[1:])
    assert list(watch.loaded()) == ["signin"]


def test_an_endpoint_of_a_script_that_runs_as_it_is_has_load_from_the_stage_on_that_gives_it_some() -> None:
    watch = _watch()
    watch.enter_stage(1)
    watch.expect(watch.segments[0].model_copy(update={"amounts": {}}))
    assert list(watch.loaded()) == ["signin"]
    watch.enter_stage(2)
    assert list(watch.loaded()) == ["signin", "bet"]


def _ended(watch: LoadWatch, segment: Segment, code: int) -> Breached | None:
    watch.expect(segment)
    return watch.lost({segment.name: Job(name=segment.name, alive=False, exit_code=code)})


@pytest.mark.parametrize("code", [0, 99])
def test_a_script_that_runs_as_it_is_ends_by_itself_in_its_last_stage_only(code: int) -> None:
    watch = _watch()
    literal = watch.segments[0].model_copy(update={"amounts": {}})
    watch.enter_stage(1)
    early = _ended(watch, literal, code)
    assert early is not None
    assert (early.rule, early.observed) == ("segment-01 ended", f"exit code {code}")
    watch.enter_stage(2)
    assert _ended(watch, literal, code) is None
    assert watch.expected() == {}
    # How it ended is still journaled.
    assert list(watch.running) == ["segment-01"]


def test_a_script_that_was_ended_in_its_last_stage_is_lost_and_a_held_segment_always() -> None:
    watch = _watch()
    watch.enter_stage(2)
    assert _ended(watch, watch.segments[0].model_copy(update={"amounts": {}}), 105) is not None
    watch.running.clear()
    assert _ended(watch, watch.segments[1], 0) is not None


def test_a_breach_that_is_final_or_gone_is_not_replaced() -> None:
    watch, hold = _watch(), Breached("hold", "incident", "none", final=True)
    assert not watch.overrule(hold)
    assert watch.report(Breached("error rate", "6%", "> 5%"))
    assert watch.overrule(hold)
    assert not watch.overrule(Breached("cancelled", "yes", "no", final=True))
    assert watch.breach is hold


def test_a_doubted_breach_is_inconclusive_and_one_that_is_final_is_not_doubted() -> None:
    watch = _watch()
    watch.doubt()
    assert watch.breach is None
    assert watch.report(Breached("sign-in p95", "612 ms", "> 500 ms"))
    watch.doubt()
    assert watch.breach == Breached("sign-in p95", "612 ms", "> 500 ms", verdict=Verdict.INCONCLUSIVE)
    hold = Breached("hold", "incident", "none", final=True)
    assert watch.overrule(hold)
    watch.doubt()
    assert watch.breach is hold


def test_what_went_wrong_on_several_is_said_of_each_and_nobody_is_left_out() -> None:
    done: list[int] = []

    def act(number: int) -> int:
        if number != 2:
            message = f"{number} does not answer."
            raise Failed(message)
        done.append(number)
        return number

    with pytest.raises(Unavailable, match=r"1 does not answer\. 3 does not answer\."):
        on_each([1, 2, 3], act)
    assert done == [2]
    with pytest.raises(Failed, match=r"1 does not answer\."):
        on_each([1, 2], act)
    assert on_each([], act) == []
