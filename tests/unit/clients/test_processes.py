"""Commands on the worker, to their end and detached."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from blocks.models.errors import Failed, Unavailable
from tasks.clients.processes import Completed, DetachedCommand, run_command

# The handle of a detached command is dropped on purpose: the command outlives its starter.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

_ROOT = Path(__file__).parents[3]


def _until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def _pid(command: DetachedCommand) -> int:
    return int((command.folder / "pid").read_text().split()[0])


def _log(command: DetachedCommand) -> str:
    return (command.folder / "log").read_text()


def test_a_command_leaves_its_exit_code_and_both_outputs() -> None:
    done = run_command(["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert done == Completed(7, "out\n", "err\n")


def test_standard_input_is_given_and_otherwise_empty() -> None:
    assert run_command(["cat"], stdin="secret\n").stdout == "secret\n"
    assert run_command(["cat"]).stdout == ""


def test_the_environment_is_added_to_the_workers_own(tmp_path: Path) -> None:
    done = run_command(["sh", "-c", 'echo "$ADDED $PWD"; test -n "$PATH"'], environment={"ADDED": "x y"}, cwd=tmp_path)
    assert done == Completed(0, f"x y {tmp_path}\n", "")


def test_arguments_are_never_a_shells() -> None:
    assert run_command(["echo", "$(id)", "a b", "*"]).stdout == "$(id) a b *\n"


def test_lines_are_handed_on() -> None:
    seen: list[str] = []
    run_command(["printf", "one\\ntwo\\n"], on_line=seen.append)
    assert seen == ["one", "two"]


def test_output_that_is_no_text_does_not_break_it() -> None:
    assert run_command(["printf", r"\377ok"]).stdout == "\ufffdok"


def test_a_missing_program_is_a_sentence() -> None:
    with pytest.raises(Failed, match=r"'no-such-program-here' was not found on the worker's PATH; install it"):
        run_command(["no-such-program-here"])


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_time_out_interrupts_before_anything_harsher(tmp_path: Path) -> None:
    script = "trap 'echo interrupted > \"$0\"; exit 3' INT; while :; do sleep 0.05; done"
    with pytest.raises(Unavailable, match=r"'sh -c' did not end within 0\.5 s"):
        run_command(["sh", "-c", script, str(tmp_path / "said")], timeout_s=0.5)
    assert (tmp_path / "said").read_text() == "interrupted\n"


@pytest.mark.parametrize(
    ("stdout", "stderr", "last"),
    [
        ("fine\n", "", "fine"),
        ("fine\n", "warning\nError: no such bucket\nhint\n", "Error: no such bucket"),
        ("", "", "it said nothing"),
    ],
)
def test_the_line_for_the_operator_is_the_error_or_the_last(stdout: str, stderr: str, last: str) -> None:
    assert Completed(1, stdout, stderr).last_line == last


def test_a_detached_command_leaves_log_and_exit_code(tmp_path: Path) -> None:
    command = DetachedCommand(tmp_path / "job")
    command.start(["sh", "-c", 'echo "$WHERE"; pwd; exit 5'], cwd=tmp_path, environment={"WHERE": "here"})
    seen: list[str] = []
    assert command.wait(20, seen.append) == 5
    assert seen == ["here", str(tmp_path)]
    assert _log(command) == f"here\n{tmp_path}\n"
    assert not command.alive()


def test_a_detached_command_survives_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom tasks.clients.processes import DetachedCommand\n"
        "folder = Path(sys.argv[1])\n"
        "DetachedCommand(folder).start(['sh', '-c', 'while [ ! -e go ]; do sleep 0.05; done; exit 4'],"
        " cwd=folder.parent, environment={})\n"
        "os.killpg(os.getpgid(0), 9)\n"
    )
    starter = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "job")], cwd=_ROOT, start_new_session=True, check=False
    )
    assert starter.returncode == -signal.SIGKILL
    adopted = DetachedCommand(tmp_path / "job")
    assert adopted.alive()
    (tmp_path / "go").touch()
    assert adopted.wait(20) == 4


def test_an_interrupted_detached_command_writes_its_exit_code(tmp_path: Path) -> None:
    command = DetachedCommand(tmp_path / "job")
    script = "trap 'echo saved; exit 9' INT; echo ready; while :; do sleep 0.05; done"
    command.start(["sh", "-c", script], cwd=tmp_path, environment={})
    _until(lambda: "ready" in _log(command))
    command.interrupt()
    assert command.wait(20) == 9
    assert (tmp_path / "job" / "exit").read_text() == "9\n"
    assert _log(command).endswith("saved\n")


def test_waiting_too_long_interrupts_and_lets_it_end(tmp_path: Path) -> None:
    command = DetachedCommand(tmp_path / "job")
    command.start(["sh", "-c", "trap 'exit 9' INT; while :; do sleep 0.05; done"], cwd=tmp_path, environment={})
    with pytest.raises(Unavailable, match=r"in job did not end within 0\.5 s; interrupted"):
        command.wait(0.5)
    assert command.wait(20) == 9


def test_a_killed_detached_command_has_no_exit_code_and_says_so(tmp_path: Path) -> None:
    command = DetachedCommand(tmp_path / "job")
    command.start(["sleep", "60"], cwd=tmp_path, environment={})
    os.killpg(_pid(command), signal.SIGKILL)
    with pytest.raises(Failed, match="vanished without an exit code"):
        command.wait(20)


def test_a_detached_program_that_is_missing_ends_with_127(tmp_path: Path) -> None:
    command = DetachedCommand(tmp_path / "job")
    command.start(["no-such-program-here"], cwd=tmp_path, environment={})
    assert command.wait(20) == 127


def test_a_command_that_nobody_could_adopt_is_not_run(tmp_path: Path) -> None:
    command = DetachedCommand(tmp_path / "job")
    # As on a full disk: what the command writes of itself cannot be written.
    (tmp_path / "job" / "pid.part").mkdir(parents=True)
    with pytest.raises(Failed, match=r"touch was not started, because .*/job takes no files; free space"):
        command.start(["touch", "ran"], cwd=tmp_path, environment={})
    assert not (tmp_path / "ran").exists()


def test_a_folder_can_be_used_again(tmp_path: Path) -> None:
    command = DetachedCommand(tmp_path / "job")
    for code in (3, 0):
        command.start(["sh", "-c", f"exit {code}"], cwd=tmp_path, environment={})
        assert command.wait(20) == code


def test_a_command_that_never_started_is_not_alive(tmp_path: Path) -> None:
    command = DetachedCommand(tmp_path / "job")
    assert not command.alive()
    command.interrupt()


def test_a_process_that_got_the_id_of_an_ended_one_is_not_taken_for_it(tmp_path: Path) -> None:
    command = DetachedCommand(tmp_path / "job")
    command.start(["true"], cwd=tmp_path, environment={})
    command.wait(20)
    (tmp_path / "job" / "exit").unlink()
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        # Two that started in one tick of the clock cannot be told apart; the ended one started a tick before.
        started = int(Path(f"/proc/{stranger.pid}/stat").read_text().rsplit(")", 1)[1].split()[19]) - 1
        (tmp_path / "job" / "pid").write_text(f"{stranger.pid} {started}\n")
        assert not command.alive()
        command.interrupt()
        assert stranger.poll() is None
        stranger.kill()


def test_what_a_killed_starter_shell_left_running_is_still_the_command(tmp_path: Path) -> None:
    command = DetachedCommand(tmp_path / "job")
    script = "trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done"
    command.start(["sh", "-c", script], cwd=tmp_path, environment={})
    _until(lambda: "ready" in _log(command))
    os.kill(_pid(command), signal.SIGKILL)
    assert command.alive()
    command.interrupt()
    with pytest.raises(Failed, match="vanished without an exit code"):
        command.wait(20)


def test_it_is_interrupted_once_whoever_asks(tmp_path: Path) -> None:
    command = DetachedCommand(tmp_path / "job")
    script = "trap 'echo heard' INT; echo ready; until [ -e end ]; do sleep 0.05; done"
    command.start(["sh", "-c", script], cwd=tmp_path, environment={})
    _until(lambda: "ready" in _log(command))
    command.interrupt()
    _until(lambda: "heard" in _log(command))
    DetachedCommand(tmp_path / "job").interrupt()
    (tmp_path / "end").touch()
    command.wait(20)
    assert _log(command).count("heard") == 1


def test_a_second_command_is_never_started_beside_a_live_one(tmp_path: Path) -> None:
    command = DetachedCommand(tmp_path / "job")
    command.start(["sh", "-c", "until [ -e end ]; do sleep 0.05; done; exit 6"], cwd=tmp_path, environment={})
    with pytest.raises(Failed, match="still runs; a second one is never started beside it"):
        DetachedCommand(tmp_path / "job").start(["true"], cwd=tmp_path, environment={})
    (tmp_path / "end").touch()
    assert command.wait(20) == 6


def test_a_command_of_a_deaf_process_hears_interrupts(tmp_path: Path) -> None:
    # A shell starts background jobs with SIGINT ignored, and a shell script cannot trap what was ignored at its start.
    code = (
        "import sys; from tasks.clients.processes import run_command\n"
        "try: run_command(['sh', '-c', sys.argv[1]], timeout_s=0.5)\n"
        "except Exception: pass"
    )
    script = f"trap 'echo heard > {tmp_path / 'said'}; exit 3' INT; while :; do sleep 0.05; done"
    deaf = f'trap \'\' INT; exec {sys.executable} -c "$0" "$1"'
    subprocess.run(["sh", "-c", deaf, code, script], check=True, timeout=60)
    assert (tmp_path / "said").read_text() == "heard\n"
