"""Commands and files over a real SSH connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.models.errors import Failed, Unavailable
from blocks.models.settings import SshAccess
from tasks.clients.hosts import Host

from .conftest import LOCALHOST, make_key

pytestmark = pytest.mark.integration


def _with(access: SshAccess, **changes: object) -> Host:
    return Host(LOCALHOST, access.model_copy(update=changes))


def test_an_unknown_host_key_is_rejected(access: SshAccess, tmp_path: Path) -> None:
    (tmp_path / "known").touch()
    with pytest.raises(Failed, match="is not known, and unknown hosts are rejected"):
        _with(access, known_hosts=tmp_path / "known").open()


def test_another_hosts_key_is_rejected(access: SshAccess, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    (tmp_path / "known").write_text(f"[{LOCALHOST}]:{access.port} {Path(f'{other}.pub').read_text()}")
    with pytest.raises(Failed, match="is not the one that is known for it"):
        _with(access, known_hosts=tmp_path / "known").open()


def test_keys_learnt_elsewhere_are_as_good_as_a_file(access: SshAccess) -> None:
    assert access.known_hosts is not None
    line = access.known_hosts.read_text().partition(" ")[2]
    host = Host(LOCALHOST, access.model_copy(update={"known_hosts": None}), known_hosts=line)
    host.open()
    assert host.run(["true"]).code == 0
    host.close()


def test_a_wrong_login_key_is_a_sentence(access: SshAccess, tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"refused the key .*other; wanted is the key pair that Terraform was given"):
        _with(access, private_key=make_key(tmp_path / "other")).open()


def test_a_missing_known_hosts_file_is_a_sentence(access: SshAccess, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="cannot be read"):
        _with(access, known_hosts=tmp_path / "none")


@pytest.mark.parametrize("argument", ["a b", "it's", '"', "$HOME `id` $(id)", "*", "", "a;b|c&d", "ü\n\\n"])
def test_arguments_arrive_as_they_were(host: Host, argument: str) -> None:
    assert host.run(["printf", "%s.", argument, "end"]).stdout == f"{argument}.end."


def test_folder_environment_and_input_are_given(host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "a 'folder"
    folder.mkdir()
    done = host.run(["sh", "-c", 'pwd; echo "$X"; cat'], cwd=str(folder), environment={"X": "1 '2"}, stdin="secret")
    assert done.stdout == f"{folder}\n1 '2\nsecret"


def test_an_exit_code_is_no_error_unless_it_must_succeed(host: Host) -> None:
    assert host.run(["sh", "-c", "echo no >&2; exit 3"]).code == 3
    with pytest.raises(Failed, match="ended with 3: no"):
        host.must(["sh", "-c", "echo no >&2; exit 3"])


def test_a_command_that_takes_too_long_is_unavailable(host: Host) -> None:
    with pytest.raises(Unavailable, match=r"did not end within 0\.5 s"):
        host.run(["sleep", "5"], timeout_s=0.5)


def test_files_go_there_and_come_back(host: Host, tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(bytes(range(256)) * 500)
    remote = tmp_path / "new folder" / "there"
    host.put(tmp_path / "here", str(remote), 0o700)
    host.get(str(remote), tmp_path / "back" / "again")
    assert (tmp_path / "back" / "again").read_bytes() == (tmp_path / "here").read_bytes()
    assert remote.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in remote.parent.iterdir()] == ["there"]


def test_a_file_that_is_not_there_is_a_sentence(host: Host, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="has no file"):
        host.get(str(tmp_path / "none"), tmp_path / "back")
