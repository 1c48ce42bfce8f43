from pathlib import Path

import pytest

from deployments.setup.catalogue import Tool
from deployments.setup.installed import candidates, find_installed, folders_to_search

NODE = Tool(
    name="node",
    commands=("node", "nodejs"),
    pattern=r"^v(\d+\.\d+\.\d+)",
    minimum="22",
    by_hand="-",
    override="NODE_PATH_OVERRIDE",
    companions=("npm",),
)


def program(path: Path, prints: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o755)
    return path


def node(folder: Path, version: str, name: str = "node") -> Path:
    program(folder / "npm", "10.0.0")
    return program(folder / name, version)


def test_the_first_program_on_path_that_fits_is_taken(tmp_path: Path) -> None:
    node(tmp_path / "old", "v20.1.0")
    good = node(tmp_path / "new", "v24.1.0")
    node(tmp_path / "later", "v26.0.0")
    found, rejected = find_installed(NODE, [tmp_path / "old", tmp_path / "new", tmp_path / "later"], {"PATH": "/bin"})
    assert found is not None
    assert (found.path, found.version) == (good, "24.1.0")
    assert [candidate.reason for candidate in rejected] == [f"{tmp_path}/old/node is 20.1.0"]


def test_a_preferred_name_in_a_later_folder_comes_before_another_name(tmp_path: Path) -> None:
    other = node(tmp_path / "a", "v24.0.0", "nodejs")
    preferred = node(tmp_path / "b", "v23.0.0")
    assert candidates(NODE, [tmp_path / "a", tmp_path / "b"], {}) == [preferred, other]


def test_the_variable_that_names_a_program_comes_first(tmp_path: Path) -> None:
    on_path = node(tmp_path / "a", "v24.0.0")
    named = node(tmp_path / "b", "v23.0.0", "mine")
    assert candidates(NODE, [tmp_path / "a"], {"NODE_PATH_OVERRIDE": str(named)}) == [named, on_path]


def test_a_variable_that_names_nothing_is_passed_over(tmp_path: Path) -> None:
    on_path = node(tmp_path / "a", "v24.0.0")
    assert candidates(NODE, [tmp_path / "a"], {"NODE_PATH_OVERRIDE": str(tmp_path / "gone")}) == [on_path]


def test_one_program_behind_two_names_is_looked_at_once(tmp_path: Path) -> None:
    real = node(tmp_path / "a", "v24.0.0")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "node").symlink_to(real)
    assert candidates(NODE, [tmp_path / "a", tmp_path / "b"], {}) == [real]


def test_a_program_without_its_companion_is_refused(tmp_path: Path) -> None:
    program(tmp_path / "node", "v24.0.0")
    found, rejected = find_installed(NODE, [tmp_path], {})
    assert found is None
    assert "no npm beside it" in rejected[0].reason


def test_a_file_that_may_not_be_executed_is_no_candidate(tmp_path: Path) -> None:
    (tmp_path / "node").write_text("")
    assert candidates(NODE, [tmp_path], {}) == []


@pytest.mark.parametrize("entry", ["", "relative/bin", "."])
def test_path_entries_that_depend_on_the_current_folder_are_left_out(entry: str, tmp_path: Path) -> None:
    assert all(folder.is_absolute() for folder in folders_to_search({"PATH": entry, "HOME": str(tmp_path)}, ours=[]))


def test_shims_and_our_own_folders_are_left_out(tmp_path: Path) -> None:
    shims, own, kept = tmp_path / "pyenv" / "shims", tmp_path / "co" / ".venv" / "bin", tmp_path / "bin"
    folders = folders_to_search(
        {"PATH": f"{shims}:{own}:{kept}", "HOME": str(tmp_path)}, ours=[tmp_path / "co" / ".venv"]
    )
    assert folders[0] == kept
    assert shims not in folders
    assert own not in folders
    assert tmp_path / ".local" / "bin" in folders
