"""A teardown destroys by Terraform what its own run applied, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.rules.ownership import Ownership, judge_state, read_state, still_standing

_OWN, _OTHER, _BY_HAND = {"rampart_run_id": "r1"}, {"rampart_run_id": "r2"}, {"team": "payments"}
_UNTAGGABLE = None


def _state(*tags: dict[str, str] | None) -> dict[str, Any]:
    return {
        "resources": [
            {
                "mode": "managed",
                "type": "aws_vpc",
                "name": f"n{at}",
                "instances": [
                    {"attributes": {"id": f"x-{at}"} | ({} if found is _UNTAGGABLE else {"tags_all": found})}
                ],
            }
            for at, found in enumerate(tags)
        ]
    }


def _resource(
    name: str, *instances: dict[str, Any], module: str | None = None, mode: str = "managed"
) -> dict[str, Any]:
    type_, _, called = name.partition(".")
    where = {"module": module} if module else {}
    return where | {"mode": mode, "type": type_, "name": called, "instances": list(instances)}


def test_a_state_is_read_without_its_data_sources_and_values() -> None:
    state = _state(_OWN, _OWN, _OTHER, _BY_HAND, {}, _UNTAGGABLE)
    state["resources"].append({"mode": "data", "instances": [{"attributes": {"tags_all": {"rampart_run_id": "r9"}}}]})
    state["resources"].append(_resource("aws_vpc.several", {"attributes": {"tags_all": None}}, {}))
    holds = read_state(state)
    assert (holds.resources, holds.untagged, holds.runs) == (8, 2, frozenset({"r1", "r2"}))
    # An id of what cannot be tagged may be a value, as a random string's is.
    assert holds.ids == {f"aws_vpc x-{at}" for at in range(5)}


@pytest.mark.parametrize(
    ("resource", "addresses"),
    [
        (_resource("aws_db_instance.main", {}), ("aws_db_instance.main",)),
        # The name of a module, a type or a resource says nothing of a data source.
        (_resource("aws_db_instance.main", {}, module="module.data"), ("module.data.aws_db_instance.main",)),
        (_resource("aws_eip.data", {}, module="module.a.module.data"), ("module.a.module.data.aws_eip.data",)),
        (_resource("aws_ami.linux", {}, module="module.sut", mode="data"), ()),
        (
            _resource("aws_eip.nat", {"index_key": 0}, {"index_key": 1}, module='module.net["eu.data."]'),
            ('module.net["eu.data."].aws_eip.nat[0]', 'module.net["eu.data."].aws_eip.nat[1]'),
        ),
        (_resource("aws_eip.nat", {"index_key": 'a"b'}), ('aws_eip.nat["a\\"b"]',)),
        (_resource("aws_eip.nat", {}, {"deposed": "0a1b"}), ("aws_eip.nat",)),
        (_resource("aws_eip.nat"), ()),
    ],
)
def test_what_a_state_holds_is_named_as_terraform_names_it(
    resource: dict[str, Any], addresses: tuple[str, ...]
) -> None:
    assert read_state({"resources": [resource]}).addresses == addresses


@pytest.mark.parametrize(
    ("tags", "applied", "owner"),
    [
        ([], True, Ownership.NOTHING),
        ([], False, Ownership.NOTHING),
        # What somebody applied by hand, before a run that ended in pre-flight.
        ([_BY_HAND, {}, _UNTAGGABLE], False, Ownership.NOTHING),
        ([_UNTAGGABLE], False, Ownership.NOTHING),
        ([_OTHER], False, Ownership.NOTHING),
        # Killed in the middle of its apply.
        ([_UNTAGGABLE], True, Ownership.OWN),
        ([_OWN], True, Ownership.OWN),
        ([_OWN, _UNTAGGABLE, {}], True, Ownership.OWN),
        # The run's folder is gone; its tag is proof enough.
        ([_OWN], False, Ownership.OWN),
        ([_OWN, _OTHER], True, Ownership.SHARED),
        ([_OWN, _OTHER], False, Ownership.SHARED),
        ([_OTHER, _UNTAGGABLE], True, Ownership.OTHERS),
        ([_BY_HAND, _UNTAGGABLE], True, Ownership.OTHERS),
        ([{}], True, Ownership.OTHERS),
    ],
)
def test_a_state_belongs_to(tags: list[dict[str, str] | None], *, applied: bool, owner: Ownership) -> None:
    assert judge_state(read_state(_state(*tags)), "r1", applied=applied)[0] is owner


def test_the_sentence_says_what_is_there_and_what_to_do() -> None:
    left_alone = judge_state(read_state(_state(_BY_HAND, {})), "r1", applied=False)[1]
    assert left_alone == "this run applied nothing; the state holds 2 resources, not of its own"
    others = judge_state(read_state(_state(_OTHER, _OWN)), "r1", applied=True)[1]
    assert "holds resources of run r2, not only of run r1; nothing was destroyed" in others
    by_hand = judge_state(read_state(_state(_BY_HAND)), "r1", applied=True)[1]
    assert "holds 1 resource, and none carries the tag of run r1; nothing was destroyed" in by_hand


@pytest.mark.parametrize(
    ("tags", "standing"),
    [
        ([_BY_HAND, {}, _UNTAGGABLE], ("aws_vpc x-0", "aws_vpc x-1")),
        # The last two are not the run's.
        ([_UNTAGGABLE, {}, {}, _BY_HAND], ("aws_vpc x-1",)),
        ([{}, _OTHER], ()),
        ([], ()),
    ],
)
def test_what_a_run_made_stands_although_its_tag_was_taken_off(
    tags: list[dict[str, str] | None], standing: tuple[str, ...]
) -> None:
    made = read_state(_state(_OWN, _OWN)).ids
    assert still_standing(read_state(_state(*tags)), made) == standing
