from __future__ import annotations

from pathlib import Path

import pytest

from deployments.rehearsal.engine.compose.envfile import read_env_file
from deployments.rehearsal.engine.compose.interpolation import Interpolation
from deployments.rehearsal.engine.errors import EngineError

VARIABLES = {"SET": "value", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("$SET ${SET}", "value value"),
        ("a$$SET", "a$SET"),
        ("${SET:-d}${EMPTY:-d}${UNSET:-d}", "valuedd"),
        ("${EMPTY-d}${UNSET-d}", "d"),
        ("${SET:+other}${EMPTY:+other}${EMPTY+other}", "otherother"),
        ("${UNSET:-${SET:-x}/${OTHER:-y}}", "value/y"),
        ("${SET:?why}", "value"),
        ("${EMPTY?why}", ""),
    ],
)
def test_variables_are_filled_in_as_compose_does(text: str, filled: str) -> None:
    assert Interpolation(VARIABLES, pytest.fail).text(text) == filled


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("${UNSET:?set it}", "required variable UNSET is missing a value: set it"),
        ("${EMPTY:?}", "required variable EMPTY is missing"),
        ("${UNSET", "invalid interpolation format"),
        ("${1}", "invalid interpolation format"),
        ("cost: $ 5", "invalid interpolation format"),
    ],
)
def test_a_missing_or_wrong_variable_is_an_error_that_names_the_place(text: str, why: str) -> None:
    with pytest.raises(EngineError, match=r"services\.api\.image") as raised:
        Interpolation(VARIABLES, pytest.fail).tree({"services": {"api": {"image": text}}})
    assert why in str(raised.value)


def test_an_unset_variable_is_empty_and_warned_about_once() -> None:
    warned: list[str] = []
    assert Interpolation({}, warned.append).tree(["$A$A", {"k": "${A}"}]) == ["", {"k": ""}]
    assert warned == ["A"]


def test_an_env_file_knows_comments_quotes_and_references(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# c\nA=1\nexport B=${A}2 # tail\nC='$A'\nD=\"x # y\"\nE=\n")
    assert read_env_file(path, {}) == {"A": "1", "B": "12", "C": "$A", "D": "x # y", "E": ""}
    assert read_env_file(path, {"A": "outer"})["B"] == "outer2"


def test_a_broken_env_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("not a variable\n")
    with pytest.raises(EngineError, match="line 1"):
        read_env_file(tmp_path / ".env", {})
