"""Commands on the worker: argument lists, time limits, SIGINT before anything harsher."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from blocks.models.errors import Failed, Unavailable

# How long an interrupted command may take to end by itself before it is killed.
_GRACE_S = 20.0
# How long what a killed command left behind may take to end by itself.
_ORPHANS_END_S = 5.0


@dataclass(frozen=True)
class Completed:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def last_line(self) -> str:
        """The last thing the command said, for a sentence to the operator."""
        lines = [line.strip() for line in (self.stderr + "\n" + self.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        return (errors or lines or ["it said nothing"])[0 if errors else -1]


def run_command(  # noqa: PLR0913 - a process has this many sides
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout_s: float = 60.0,
    on_line: Callable[[str], None] | None = None,
) -> Completed:
    """Run a command to its end.

    Args:
        argv: program and arguments; never a shell.
        cwd: working directory.
        environment: added to the worker's own; secrets belong here or on stdin, never in argv.
        stdin: text for its standard input.
        timeout_s: after this it is interrupted and reported as unavailable.
        on_line: called with each line of its standard output as it comes.

    Raises:
        Failed: the program does not exist.
        Unavailable: it did not end in time.
    """
    try:
        process = subprocess.Popen(
            [*_hearing_interrupts(argv[0]), *argv],
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise Failed(f"'{argv[0]}' was not found on the worker's PATH; install it or give its path.") from error
    try:
        stdout, stderr = process.communicate(stdin, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        _end(process)
        raise Unavailable(
            f"'{Path(argv[0]).name} {argv[1] if len(argv) > 1 else ''}' did not end within {timeout_s:g} s."
        ) from error
    except BaseException:
        _end(process)
        raise
    if on_line:
        for line in stdout.splitlines():
            on_line(line)
    return Completed(process.returncode, stdout, stderr)


def _hearing_interrupts(program: str) -> tuple[str, ...]:
    """Return what makes a command hear SIGINT when this process was started deaf to it, as shells start background jobs."""
    env = shutil.which("env")
    deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return (env, "--default-signal=INT") if env and deaf and shutil.which(program) else ()


def _end(process: subprocess.Popen[str]) -> None:
    """Interrupt a command's whole group and wait for it; kill it only when it does not listen."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            # Reads to the end and closes the pipes.
            process.communicate(timeout=_GRACE_S)
        except subprocess.TimeoutExpired:
            continue
        return


# Writes who it is before anything else, so that a command whose starter died right away is known too. One that nobody
# could adopt is not run; 125 is what env and timeout end with when they themselves fail.
_WRAPPER = """trap : INT TERM HUP
echo "$$ $(cut -d' ' -f22 /proc/$$/stat)" > "$0/pid.part" && mv "$0/pid.part" "$0/pid" || exit 125
"$@"; code=$?
echo "$code" > "$0/exit.part"; mv "$0/exit.part" "$0/exit"
"""


class DetachedCommand:
    """A command in a session of its own that outlives the worker; another process can adopt it by its folder.

    The folder holds ``pid`` (its process id and that process's start time, so that a reused id is never taken for it),
    ``exit`` (its exit code, once it ended), ``interrupted`` (it was asked to end) and ``log``. It is never killed:
    Terraform that is killed loses resources it is creating.

    Args:
        folder: where its files are; one command a folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> None:
        """Start it; its output goes to ``log``.

        Raises:
            Failed: the folder's command still runs, or its folder takes no files: nothing was run.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.alive():
                raise Failed(f"A command in {self.folder.name} still runs; a second one is never started beside it.")
            for name in ("exit", "pid", "interrupted"):
                (self.folder / name).unlink(missing_ok=True)
            with (self.folder / "log").open("wb") as log:
                process = subprocess.Popen(
                    [*_hearing_interrupts("/bin/sh"), "/bin/sh", "-c", _WRAPPER, str(self.folder), *argv],
                    cwd=cwd,
                    env={**os.environ, **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            while not (self.folder / "pid").exists() and process.poll() is None:
                time.sleep(0.005)
            if not self.started:
                raise Failed(
                    f"{argv[0]} was not started, because {self.folder} takes no files; free space on the worker's disk."
                )

    @property
    def started(self) -> bool:
        """Whether it was ever started."""
        return self._identity() is not None

    def span(self) -> tuple[datetime, datetime] | None:
        """Return when it was started and when it last said something; None when it was never started."""
        if not self.started:
            return None
        moments = [(self.folder / name).stat().st_mtime for name in ("pid", "log")]
        first, last = (datetime.fromtimestamp(moment, UTC) for moment in moments)
        return first, last

    def alive(self) -> bool:
        """Whether it still runs: its own process, or what that one left in its group when it was killed."""
        identity = self._identity()
        if identity is None or (self.folder / "exit").exists():
            return False
        pid, started = identity
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        found = _process(pid)
        if found is not None:
            return found.started == started
        # No process gets the id of a group that still has members, so these are its own.
        return any(item.group == pid and item.started >= started for item in _processes())

    def interrupt(self) -> None:
        """Ask it to end with SIGINT to its whole group; once, whoever asks: at a second one Terraform drops everything."""
        identity = self._identity()
        if identity is None or not self.alive():
            return
        try:
            (self.folder / "interrupted").touch(exist_ok=False)
        except FileExistsError:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(identity[0], signal.SIGINT)

    def wait(self, timeout_s: float, on_line: Callable[[str], None] | None = None) -> int:
        """Follow its log to its end and return its exit code.

        Raises:
            Unavailable: it has not ended in time; it was interrupted and goes on ending.
            Failed: it vanished without an exit code.
        """
        self.settle(timeout_s, on_line)
        exit_file = self.folder / "exit"
        if not exit_file.exists():
            raise Failed(
                f"The command in {self.folder.name} vanished without an exit code; it was killed from outside."
            )
        return int(exit_file.read_text())

    def settle(self, timeout_s: float, on_line: Callable[[str], None] | None = None) -> None:
        """Follow its log until it has ended, however it ended.

        Raises:
            Unavailable: it has not ended in time; it was interrupted and goes on ending.
        """
        deadline = time.monotonic() + timeout_s
        with (self.folder / "log").open(errors="replace") as log:
            while True:
                ended = not self.alive()
                for line in iter(log.readline, ""):
                    if on_line:
                        on_line(line.rstrip("\n"))
                if ended:
                    break
                if time.monotonic() > deadline:
                    self.interrupt()
                    raise Unavailable(
                        f"The command in {self.folder.name} did not end within {timeout_s:g} s; interrupted."
                    )
                time.sleep(0.1)

    def _identity(self) -> tuple[int, int] | None:
        """Return its process id and start time in clock ticks since boot."""
        try:
            pid, started = (self.folder / "pid").read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid), int(started)


def end_orphans(variable: str, value: str) -> None:
    """End what commands left behind when they were killed.

    A killed Terraform leaves its provider and its provisioners running: they could still make something. What a command
    that lives has started is left alone, and so are the commands themselves.

    Args:
        variable: an environment variable that every such command was given, and hands on.
        value: its value, which is no other run's.
    """
    mark = f"{variable}={value}".encode()
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _ORPHANS_END_S
        sent: set[_Process] = set()
        while (orphans := _orphans(mark)) and time.monotonic() < deadline:
            for orphan in orphans - sent:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(orphan.pid, number)
            sent |= orphans
            time.sleep(0.02)


def _orphans(mark: bytes) -> set[_Process]:
    """Return the processes that carry a mark and whose command, which leads their session, is gone."""
    living = {process.pid: process for process in _processes()}
    left = (process for process in living.values() if process.session not in living)
    return {process for process in left if _carries(process.pid, mark)}


def _carries(pid: int, mark: bytes) -> bool:
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        # It is gone, or another user's.
        return False


@dataclass(frozen=True)
class _Process:
    pid: int
    group: int
    session: int
    started: int


def _processes() -> Iterator[_Process]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (found := _process(int(folder.name))):
            yield found


def _process(pid: int) -> _Process | None:
    """Return what the kernel says of a process; None when it is gone, or ended and not yet collected."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The program's name before the bracket may hold anything.
    fields = text.rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:
        return None
    return _Process(pid=pid, group=int(fields[2]), session=int(fields[3]), started=int(fields[19]))
