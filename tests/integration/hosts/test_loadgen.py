"""Detached k6 on a host over a real SSH connection: it outlives its starter and ends when it is told to, once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from blocks.models.errors import Failed, Refused
from blocks.models.settings import SshAccess
from tasks.clients.hosts import Host
from tasks.clients.loadgen import Job, LoadGenerator
from tests.disks import small_disk

from .conftest import K6, LOCALHOST, place_k6

pytestmark = pytest.mark.integration

_CANARY = "canary-4711 'quoted' $HOME `id`\nsecond line"
# What JavaScript's encodeURIComponent leaves as it is, beside letters and digits.
_KEPT = "-_.!~*'()"
_SCRIPT = """
import { sleep } from 'k6';
export const options = { vus: 2, duration: '10m' };
export function setup() { console.log(`key ${encodeURIComponent(__ENV.BYPASS_KEY)}`); }
export default function () { sleep(0.1); }
export function teardown() { sleep(Number(__ENV.TEARDOWN_S)); console.log('torn down'); }
"""


def _until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def _installed(host: Host, tmp_path: Path, tests_folder: Path) -> LoadGenerator:
    loadgen = LoadGenerator(host, str(tmp_path / "run"), 0)
    place_k6(loadgen)
    assert loadgen.install(K6, tests_folder) == 2
    return loadgen


@pytest.fixture
def tests_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout" / "tests-perf"
    (folder / "results").mkdir(parents=True)
    (folder / "results" / "old.json").touch()
    (folder / "load.js").write_text(_SCRIPT)
    return folder


@pytest.fixture
def loadgen(host: Host, tmp_path: Path, tests_folder: Path) -> Iterator[LoadGenerator]:
    """A load generator with k6 and the script on it; what still runs at the end is interrupted."""
    generator = _installed(host, tmp_path, tests_folder)
    yield generator
    generator.interrupt()
    _until(lambda: not any(job.alive for job in generator.jobs()))


def _folder(loadgen: LoadGenerator, name: str) -> Path:
    return Path(loadgen.folder) / "jobs" / name


def _begin(loadgen: LoadGenerator, name: str = "a", teardown_s: int = 0, **options: int) -> int:
    """Start k6 and wait until its virtual users run; return its pid."""
    arguments = ["--no-color", "--no-usage-report", "--summary-export", str(_folder(loadgen, name) / "summary.json")]
    script = f"{loadgen.folder}/tests-perf/load.js"
    environment = {"BYPASS_KEY": _CANARY, "TEARDOWN_S": str(teardown_s), "K6_ADDRESS": ""}
    loadgen.start(name, [*arguments, script], environment, **options)
    _until(lambda: "running (" in (_folder(loadgen, name) / "log").read_text())
    return int((_folder(loadgen, name) / "pid").read_text().split()[0])


def _job(loadgen: LoadGenerator, name: str = "a") -> Job:
    return next(job for job in loadgen.jobs() if job.name == name)


def _ended(loadgen: LoadGenerator, name: str = "a") -> Job:
    _until(lambda: not _job(loadgen, name).alive)
    return _job(loadgen, name)


def test_what_is_there_already_is_not_copied_again(loadgen: LoadGenerator, tests_folder: Path) -> None:
    assert not (Path(loadgen.folder) / "tests-perf" / "results").exists()
    assert loadgen.install(K6, tests_folder) == 0
    (tests_folder / "load.js").write_text(_SCRIPT + "\n")
    assert loadgen.install(K6, tests_folder) == 1


def test_a_host_without_jobs_has_none_and_nothing_to_interrupt(host: Host, tmp_path: Path) -> None:
    loadgen = LoadGenerator(host, str(tmp_path / "nothing"), 0)
    assert loadgen.jobs() == ()
    loadgen.interrupt()


def test_one_interrupt_ends_k6_with_its_teardown_and_summary_and_a_second_is_not_sent(loadgen: LoadGenerator) -> None:
    _begin(loadgen, teardown_s=3)
    assert _job(loadgen) == Job("a", alive=True, exit_code=None)
    loadgen.interrupt()
    loadgen.interrupt("a")
    assert _ended(loadgen) == Job("a", alive=False, exit_code=105)
    assert "torn down" in (_folder(loadgen, "a") / "log").read_text()
    assert json.loads((_folder(loadgen, "a") / "summary.json").read_text())["metrics"]["vus_max"]["max"] == 2


def test_only_the_named_job_is_interrupted(loadgen: LoadGenerator) -> None:
    _begin(loadgen, "a")
    _begin(loadgen, "b")
    loadgen.interrupt("b")
    assert _ended(loadgen, "b").exit_code == 105
    assert _job(loadgen, "a").alive


def test_k6_outlives_the_process_that_started_it_and_its_connection(
    access: SshAccess, host: Host, tmp_path: Path, tests_folder: Path
) -> None:
    loadgen = _installed(host, tmp_path, tests_folder)
    starter = (
        "import os, signal\n"
        "from blocks.models.settings import SshAccess\n"
        "from tasks.clients.hosts import Host\n"
        "from tasks.clients.loadgen import LoadGenerator\n"
        f"host = Host({LOCALHOST!r}, SshAccess.model_validate_json({access.model_dump_json()!r}))\n"
        "host.open()\n"
        f"loadgen = LoadGenerator(host, {str(tmp_path / 'run')!r}, 0)\n"
        "loadgen.start('a', ['--no-color', f'{loadgen.folder}/tests-perf/load.js'], {'K6_ADDRESS': ''})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", starter], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert _job(loadgen).alive
    loadgen.interrupt()
    assert _ended(loadgen).exit_code == 105


def test_k6_survives_a_broken_connection(access: SshAccess, loadgen: LoadGenerator) -> None:
    first = Host(LOCALHOST, access)
    first.open()
    starter = LoadGenerator(first, str(Path(loadgen.folder).parent), 0)
    _begin(starter)
    session = first.must(["sh", "-c", "echo $PPID"]).strip()
    loadgen.host.must(["kill", "-KILL", session])
    assert _job(loadgen).alive
    first.close()


def test_a_lease_that_nobody_renews_ends_k6_with_its_summary(loadgen: LoadGenerator) -> None:
    _begin(loadgen, lease_s=2)
    _until((_folder(loadgen, "a") / "exit").exists)
    assert (_folder(loadgen, "a") / "exit").read_text() == "105\n"
    assert (_folder(loadgen, "a") / "summary.json").exists()


def test_load_whose_folder_somebody_removed_ends(loadgen: LoadGenerator) -> None:
    k6 = psutil.Process(_begin(loadgen))
    shutil.rmtree(loadgen.folder)
    _until(lambda: not k6.is_running())


def test_load_is_stopped_where_there_is_no_room_for_a_folder(host: Host, tmp_path: Path, tests_folder: Path) -> None:
    with small_disk(tmp_path / "run", 256, files=100) as disk:
        loadgen = _installed(host, tmp_path, tests_folder)
        k6 = psutil.Process(_begin(loadgen))
        with suppress(OSError):
            for number in range(100):
                (disk / f"filler-{number}").touch()
        with pytest.raises(OSError, match="No space left"):
            (disk / "one more").mkdir()
        loadgen.interrupt()
        _until(lambda: not k6.is_running())


def test_asking_for_the_jobs_renews_the_lease(loadgen: LoadGenerator) -> None:
    _begin(loadgen, lease_s=2)
    until = time.monotonic() + 6
    while time.monotonic() < until:
        assert _job(loadgen).alive


def test_a_killed_k6_has_the_code_of_the_signal(loadgen: LoadGenerator) -> None:
    os.kill(_begin(loadgen), signal.SIGKILL)
    assert _ended(loadgen).exit_code == 128 + signal.SIGKILL


def test_k6_is_stopped_even_when_its_leader_was_killed(loadgen: LoadGenerator) -> None:
    pid = _begin(loadgen)
    leader = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(leader, signal.SIGKILL)
    assert _job(loadgen).alive
    loadgen.interrupt()
    assert _ended(loadgen) == Job("a", alive=False, exit_code=None)


def test_another_process_with_the_pid_of_a_job_is_neither_alive_nor_signalled(
    loadgen: LoadGenerator,
) -> None:
    os.kill(_begin(loadgen), signal.SIGKILL)
    _ended(loadgen)
    folder = _folder(loadgen, "a")
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (folder / "exit").unlink()
        started = (folder / "pid").read_text().split()[1]
        (folder / "pid").write_text(f"{stranger.pid} {started}\n")
        assert _job(loadgen) == Job("a", alive=False, exit_code=None)
        loadgen.interrupt()
        assert stranger.poll() is None
        stranger.kill()


def test_k6_that_cannot_run_has_ended_and_the_log_says_why(loadgen: LoadGenerator) -> None:
    loadgen.start("a", [f"{loadgen.folder}/none.js"], {})
    assert _ended(loadgen).exit_code == 255
    assert "none.js" in loadgen.log_tail("a")


def test_a_name_can_be_started_again(loadgen: LoadGenerator) -> None:
    first = _begin(loadgen)
    loadgen.interrupt()
    _ended(loadgen)
    assert _begin(loadgen) != first
    assert _job(loadgen).alive


def test_the_script_gets_a_secret_that_no_list_of_processes_and_no_file_shows(loadgen: LoadGenerator) -> None:
    pid = _begin(loadgen)
    assert f"key {quote(_CANARY, safe=_KEPT)}" in (_folder(loadgen, "a") / "log").read_text()
    seen = 0
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = cmdline.read_bytes()
        except OSError:
            continue
        seen += cmdline.parent.name == str(pid)
        assert b"canary-4711" not in text, cmdline
    assert seen == 1
    written = [file for file in Path(loadgen.folder).rglob("*") if file.is_file() and file.name not in {"k6", "log"}]
    assert not [file for file in written if b"canary-4711" in file.read_bytes()]


def test_a_name_that_cannot_be_a_variable_is_refused(loadgen: LoadGenerator) -> None:
    with pytest.raises(Refused, match="'X; touch /tmp/y' cannot be an environment variable"):
        loadgen.start("a", [], {"X; touch /tmp/y": "1"})
    assert loadgen.jobs() == ()


def test_results_are_listed_with_their_hashes_and_fetched(loadgen: LoadGenerator, tmp_path: Path) -> None:
    _begin(loadgen)
    loadgen.interrupt()
    _ended(loadgen)
    listed = loadgen.result_files()
    assert set(listed) == {"a/log", "a/summary.json"}
    loadgen.fetch("a/summary.json", tmp_path / "here" / "summary.json")
    assert json.loads((tmp_path / "here" / "summary.json").read_text())["metrics"]
    with pytest.raises(Failed, match="has no file"):
        loadgen.fetch("a/none.json", tmp_path / "none")
