"""Commands, files and detached jobs over a real SSH connection."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from blocks.models.errors import Failed, Unavailable
from blocks.models.settings import SshAccess
from tasks.clients.hosts import Host

from .conftest import LOCALHOST, make_key

pytestmark = pytest.mark.integration

_DETACHED = Path(__file__).parents[3] / "tasks" / "templates" / "detached.sh"
# Like k6: goes on until SIGINT, then says goodbye and ends with a code of its own.
_JOB = 'trap "echo summary; exit 105" INT; echo running; while :; do sleep 0.05; done'


def _until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


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


def _start(host: Host, job: Path, lease_s: int) -> int:
    host.must(["sh", str(_DETACHED.resolve()), str(job), str(lease_s), "sh", "-c", _JOB])
    _until(lambda: (job / "log").exists() and "running" in (job / "log").read_text())
    return int((job / "pid").read_text())


def test_a_detached_job_survives_the_connection_and_sigint_ends_it_with_its_code(
    access: SshAccess, tmp_path: Path
) -> None:
    first = Host(LOCALHOST, access)
    first.open()
    pid = _start(first, tmp_path / "jobs" / "a", 60)
    first.close()
    second = Host(LOCALHOST, access)
    second.open()
    assert second.run(["kill", "-0", str(pid)]).code == 0
    assert not (tmp_path / "jobs" / "a" / "exit").exists()
    second.run_line(f"kill -INT -- -{pid}")
    _until((tmp_path / "jobs" / "a" / "exit").exists)
    assert (tmp_path / "jobs" / "a" / "exit").read_text() == "105\n"
    assert (tmp_path / "jobs" / "a" / "log").read_text() == "running\nsummary\n"
    second.close()


def test_a_renewed_lease_keeps_the_job(host: Host, tmp_path: Path) -> None:
    pid = _start(host, tmp_path / "jobs" / "a", 2)
    lease = tmp_path / "jobs" / "lease"
    until = time.monotonic() + 5
    while time.monotonic() < until:
        os.utime(lease)
        assert not (tmp_path / "jobs" / "a" / "exit").exists()
        time.sleep(0.2)
    host.run_line(f"kill -INT -- -{pid}")
    _until((tmp_path / "jobs" / "a" / "exit").exists)


def test_a_lease_that_nobody_renews_stops_the_job(host: Host, tmp_path: Path) -> None:
    job = tmp_path / "jobs" / "a"
    _start(host, job, 1)
    _until((job / "exit").exists)
    assert (job / "exit").read_text() == "105\n"
