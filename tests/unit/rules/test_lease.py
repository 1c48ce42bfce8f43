"""The newest link of a chain decides, and nonsense counts as expired."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prefect.types import MAX_VARIABLE_VALUE_LENGTH, check_variable_value

from blocks.models.lease import Lease, LeaseState, Link
from tasks.rules.lease import RunState, environment_of, judge_link, newest_link, variable_name, with_leftover

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def lease(minutes: float = 10, **more: object) -> Lease:
    values = {"run_id": "run-1", "owner": "o", "taken": NOW, "expires": NOW + timedelta(minutes=minutes), **more}
    return Lease.model_validate(values)


@given(st.sets(st.integers(1, 10_000), min_size=1), st.sampled_from(["perf", "perf-2", "perf_3"]))
def test_the_highest_epoch_of_the_environment_is_the_newest(epochs: set[int], environment: str) -> None:
    variables: dict[str, object] = {
        variable_name(environment, epoch): lease().model_dump(mode="json") for epoch in epochs
    }
    others = {
        f"rampart_lease_other_{environment}_99999": {},
        f"rampart_lease_{environment}_x": {},
        "rampart_hold_perf": "x",
    }
    link = newest_link(environment, variables | others)
    assert link is not None
    assert (link.epoch, link.lease) == (max(epochs), lease())


def test_without_a_link_the_environment_is_free() -> None:
    assert newest_link("perf", {"rampart_lease_other_1": {}}) is None
    assert judge_link(None, NOW, "unknown")[0] is LeaseState.FREE


@pytest.mark.parametrize(
    ("found", "run", "state"),
    [
        (lease(), "alive", LeaseState.HELD),
        (lease(), "unknown", LeaseState.HELD),
        (lease(), "ended", LeaseState.STALE),
        (lease(-1), "alive", LeaseState.STALE),
        (lease(0), "alive", LeaseState.STALE),
        (lease(purpose="kept"), "ended", LeaseState.KEPT),
        (lease(-1, purpose="kept"), "ended", LeaseState.STALE),
        (lease(purpose="teardown"), "ended", LeaseState.HELD),
        (lease(-1, purpose="teardown"), "ended", LeaseState.STALE),
        (lease(-1, released=NOW), "ended", LeaseState.FREE),
        (lease(released=NOW), "alive", LeaseState.FREE),
    ],
)
def test_a_lease_means(found: Lease, run: RunState, state: LeaseState) -> None:
    judged, why = judge_link(Link(epoch=3, lease=found), NOW, run)
    assert judged is state
    assert "run-1" in why


@pytest.mark.parametrize(
    "value", [None, "", "until tomorrow", 7, [], {}, {"run_id": ""}, {**lease().model_dump(), "expires": "soon"}]
)
def test_nonsense_counts_as_expired_and_says_so(value: object) -> None:
    link = newest_link("perf", {variable_name("perf", 4): value})
    assert link is not None
    state, why = judge_link(link, NOW, "alive")
    assert state is LeaseState.STALE
    assert why.startswith("lease 4 counts as expired: its value is not a lease")


def test_an_environment_is_read_out_of_a_variables_name() -> None:
    assert environment_of(variable_name("perf-2", 12)) == "perf-2"
    assert environment_of("rampart_hold_perf") is None


@example(["x" * 300] * 30)
@given(st.lists(st.text(min_size=1, max_size=400), max_size=60))
def test_a_lease_names_as_much_of_what_is_left_as_a_variable_holds(leftover: list[str]) -> None:
    full = with_leftover(lease(), leftover, MAX_VARIABLE_VALUE_LENGTH)
    assert check_variable_value(full.model_dump(mode="json"))
    assert full.leftover == tuple(leftover[: len(full.leftover)])
    if len(full.leftover) < len(leftover):
        longer = full.model_copy(update={"leftover": tuple(leftover[: len(full.leftover) + 1])})
        with pytest.raises(ValueError, match="less than 5000 characters"):
            check_variable_value(longer.model_dump(mode="json"))
