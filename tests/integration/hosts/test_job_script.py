"""The script of the jobs on a host whose CPU is used up: a look at them waits for one program, however many jobs there are."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import tasks

pytestmark = pytest.mark.integration

_SCRIPT = Path(tasks.__file__).parent / "templates" / "job.sh"
_JOBS = 3


@pytest.fixture
def only_touch(tmp_path: Path) -> dict[str, str]:
    """An environment in which no other program is found."""
    touch = shutil.which("touch")
    assert touch is not None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "touch").symlink_to(touch)
    return {"PATH": str(tmp_path / "bin")}


@pytest.fixture
def sleeping() -> Iterator[list[psutil.Popen]]:
    """Processes that live."""
    started = [psutil.Popen(["sleep", "600"]) for _ in range(_JOBS)]
    yield started
    for process in started:
        process.kill()
        process.wait()


def _start_time(process: psutil.Popen) -> int:
    return int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19])


def _ran(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        ["/bin/sh", str(_SCRIPT), *arguments], env=environment, capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stderr == ""
    return done.stdout


def test_a_look_at_the_jobs_starts_one_program(
    tmp_path: Path, only_touch: dict[str, str], sleeping: list[psutil.Popen]
) -> None:
    jobs = tmp_path / "jobs"
    for number, process in enumerate(sleeping):
        (jobs / f"segment-{number}").mkdir(parents=True)
        (jobs / f"segment-{number}" / "pid").write_text(f"{process.pid} {_start_time(process)}\n")
    for name, started, code in (("ended", 1, "99\n"), ("taken-over", 1, None)):
        (jobs / name).mkdir()
        (jobs / name / "pid").write_text(f"{sleeping[0].pid} {started}\n")
        if code is not None:
            (jobs / name / "exit").write_text(code)
    # The pid of the last one is another process's by now: its exit code is waited for, which needs sleep.
    (tmp_path / "bin" / "sleep").symlink_to(shutil.which("true") or "")
    rows = [row.split() for row in _ran(only_touch, "list", str(jobs)).splitlines()]
    assert rows == [
        ["ended", "ended", "99"],
        *(["segment-" + str(number), "alive", "-"] for number in range(_JOBS)),
        ["taken-over", "lost", "-"],
    ]
    assert (jobs / "lease").exists()


def test_a_job_that_begins_while_it_is_looked_at_is_not_taken_for_a_lost_one(
    tmp_path: Path, sleeping: list[psutil.Popen]
) -> None:
    job, began = tmp_path / "jobs" / "segment-01", tmp_path / "began"
    job.mkdir(parents=True)
    seen = set()
    # It begins before the first command of a look, before the second, and so on until the look is over before it begins.
    for step in itertools.count(1):
        (job / "pid").unlink(missing_ok=True)
        began.write_text(f"{sleeping[0].pid} {_start_time(sleeping[0])}\n")
        trap = (
            f"trap '[ $((step += 1)) -ne {step} ] || mv {began} {job}/pid' DEBUG; step=0; . {_SCRIPT} list {job.parent}"
        )
        done = subprocess.run(["bash", "-c", f"set -T; {trap}"], capture_output=True, text=True, check=True, timeout=30)
        assert done.stdout in {"", "segment-01 alive -\n"}, f"it began before command {step} of the look"
        seen.add(done.stdout)
        if began.exists():
            break
    assert seen == {"", "segment-01 alive -\n"}
