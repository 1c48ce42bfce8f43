from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.setup.mirror import (
    HOSTS,
    ProviderPackage,
    choose_package,
    cli_configuration,
    folders_named_in,
    link_package,
    packages_in,
)

PLATFORM = "linux_amd64"


def unpacked(mirror: Path, version: str, host: str = HOSTS[0], platform: str = PLATFORM) -> Path:
    folder = mirror / host / "hashicorp" / "aws" / version / platform
    folder.mkdir(parents=True)
    (folder / f"terraform-provider-aws_v{version}_x5").touch()
    return folder


def package(version: str) -> ProviderPackage:
    return ProviderPackage(version, PLATFORM, Path("/m") / version)


def test_unpacked_and_packed_providers_of_this_platform_are_found(tmp_path: Path) -> None:
    folder = unpacked(tmp_path, "5.100.0")
    unpacked(tmp_path, "5.100.0", platform="darwin_arm64")
    zipped = tmp_path / HOSTS[1] / "hashicorp" / "aws" / f"terraform-provider-aws_5.90.0_{PLATFORM}.zip"
    zipped.parent.mkdir(parents=True)
    zipped.touch()
    found = packages_in(tmp_path, PLATFORM)
    assert sorted((item.version, item.path) for item in found) == [("5.100.0", folder), ("5.90.0", zipped)]


def test_a_version_folder_without_the_program_is_no_provider(tmp_path: Path) -> None:
    (tmp_path / HOSTS[0] / "hashicorp" / "aws" / "5.100.0" / PLATFORM).mkdir(parents=True)
    assert packages_in(tmp_path, PLATFORM) == []


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert packages_in(tmp_path / "gone", PLATFORM) == []


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        (["5.61.0"], None),
        (["5.62.0"], "5.62.0"),
        (["5.90.0", "5.100.0"], "5.100.0"),
        (["6.2.0", "5.70.0"], "5.70.0"),
        (["6.2.0", "5.1.0"], "6.2.0"),
        ([], None),
    ],
)
def test_the_newest_of_the_tried_major_version_is_chosen(versions: list[str], chosen: str | None) -> None:
    answer = choose_package([package(version) for version in versions])
    assert (answer.version if answer else None) == chosen


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 200), st.integers(0, 9)), max_size=8))
def test_what_is_chosen_is_never_too_old(numbers: list[tuple[int, int, int]]) -> None:
    chosen = choose_package([package(".".join(map(str, parts))) for parts in numbers])
    usable = [parts for parts in numbers if parts[:2] >= (5, 62)]
    assert (chosen is None) == (not usable)
    if chosen is not None:
        assert tuple(map(int, chosen.version.split("."))) in usable


def test_a_linked_provider_is_served_under_both_hosts(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "theirs", "5.100.0")
    mirror = tmp_path / "ours"
    for _ in range(2):
        link_package(ProviderPackage("5.100.0", PLATFORM, folder), mirror)
    for host in HOSTS:
        assert (mirror / host / "hashicorp" / "aws" / "5.100.0" / PLATFORM).resolve() == folder
    assert {item.path for item in packages_in(mirror, PLATFORM)} == {folder}


def test_a_packed_provider_is_linked_under_its_own_name(tmp_path: Path) -> None:
    zipped = tmp_path / f"terraform-provider-aws_5.90.0_{PLATFORM}.zip"
    zipped.touch()
    link_package(ProviderPackage("5.90.0", PLATFORM, zipped), tmp_path / "ours")
    assert [item.version for item in packages_in(tmp_path / "ours", PLATFORM)] == ["5.90.0", "5.90.0"]


def test_linking_another_provider_leaves_the_old_one_untouched(tmp_path: Path) -> None:
    old, new = unpacked(tmp_path / "theirs", "5.90.0"), unpacked(tmp_path / "theirs", "5.100.0")
    mirror = tmp_path / "ours"
    link_package(ProviderPackage("5.90.0", PLATFORM, old), mirror)
    link_package(ProviderPackage("5.100.0", PLATFORM, new), mirror)
    assert {item.version for item in packages_in(mirror, PLATFORM)} == {"5.100.0"}
    assert any(old.iterdir())


def test_our_own_configuration_names_its_mirror() -> None:
    assert folders_named_in(cli_configuration(Path("/a folder/mirror"))) == [Path("/a folder/mirror")]


def test_mirrors_and_plugin_cache_of_a_configuration_are_found_and_comments_are_not() -> None:
    configuration = """
    # plugin_cache_dir = "/commented"
    plugin_cache_dir = "/cache"
    provider_installation {
      filesystem_mirror {
        include = ["registry.terraform.io/*/*"]
        path    = "/mirror"
      }
      network_mirror { url = "https://mirror.example/" }
    }
    """
    assert folders_named_in(configuration) == [Path("/mirror"), Path("/cache")]
