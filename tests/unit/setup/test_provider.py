from pathlib import Path

import pytest

from deployments.setup.processes import Finished
from deployments.setup.provider import cli_configuration_in_force, implied_folders, keep_lasting, refusal


def test_a_variable_that_names_no_file_falls_back_to_the_home_folder(tmp_path: Path) -> None:
    (tmp_path / ".terraformrc").touch()
    environ = {"HOME": str(tmp_path), "TF_CLI_CONFIG_FILE": str(tmp_path / "gone")}
    assert cli_configuration_in_force(environ) == tmp_path / ".terraformrc"


def test_the_variable_comes_before_the_home_folder(tmp_path: Path) -> None:
    (tmp_path / ".terraformrc").touch()
    (tmp_path / "named").touch()
    environ = {"HOME": str(tmp_path), "TF_CLI_CONFIG_FILE": str(tmp_path / "named")}
    assert cli_configuration_in_force(environ) == tmp_path / "named"


def test_no_configuration_is_none(tmp_path: Path) -> None:
    assert cli_configuration_in_force({"HOME": str(tmp_path)}) is None


def test_implied_folders_are_the_checkouts_then_the_users_then_the_systems(tmp_path: Path) -> None:
    environ = {"HOME": "/home/u", "XDG_DATA_DIRS": "/usr/share"}
    folders = implied_folders(environ, tmp_path)
    assert folders[:2] == [tmp_path / "terraform.d" / "plugins", Path("/home/u/.terraform.d/plugins")]
    assert Path("/home/u/.local/share/terraform/plugins") in folders
    assert folders[-2:] == [Path("/usr/share/terraform/plugins"), Path("/usr/share/opentofu/plugins")]


@pytest.mark.parametrize(
    ("found", "roots"),
    [
        ("/srv/m/registry.terraform.io/hashicorp/aws\n", [Path("/srv/m")]),
        ("/srv/m/a.example/hashicorp/aws\n/srv/m/b.example/hashicorp/aws\n", [Path("/srv/m")]),
        ("/home/u/module/.terraform/providers/registry.terraform.io/hashicorp/aws\n", []),
        ("/home/u/other/.tools/provider-mirror/registry.terraform.io/hashicorp/aws\n", []),
        ("find: '/srv/closed': Permission denied\n", []),
        ("/hashicorp/aws\n", []),
        ("", []),
    ],
)
def test_only_mirrors_that_last_are_kept_of_a_search(found: str, roots: list[Path]) -> None:
    assert keep_lasting(found) == roots


def test_the_error_of_an_init_is_told_on_one_line() -> None:
    answer = Finished(1, "Initializing...\n\n╷\n│ Error: Failed to query\n│ \n│ Could not retrieve\n│ the list\n╵\n")
    assert refusal(answer) == "Failed to query Could not retrieve the list"


def test_an_init_that_was_stopped_says_so() -> None:
    assert "stopped after 60 s" in refusal(Finished(124, "Initializing...\nstopped after 60 s"))
