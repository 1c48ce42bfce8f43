"""Starting a program with an end: a time limit, no input, output kept, nothing left behind."""

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TIMED_OUT = 124  # as coreutils' timeout(1) reports it
_GRACE_S = 10.0  # apt-get and npm leave a mess when killed outright
_NOT_STARTED = 127  # as a shell reports a program it could not start


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended: exit code and standard output with standard error in it."""

    code: int
    output: str

    @property
    def ok(self) -> bool:
        """Whether it ended with 0."""
        return self.code == 0

    @property
    def timed_out(self) -> bool:
        """Whether it was stopped at its time limit."""
        return self.code == _TIMED_OUT

    def tail(self, lines: int = 6) -> str:
        """Its last lines that are not blank, credentials in addresses blanked out."""
        kept = [line.rstrip() for line in self.output.splitlines() if line.strip(" │╷╵\t")]
        return re.sub(r"//[^/@\s]+@", "//***@", "\n".join(kept[-lines:]))


def run(
    arguments: Sequence[str | Path], *, limit_s: float, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Finished:
    """Run a program to its end; never raises for what the program does.

    A program that is still running after `limit_s` is killed with everything it started (code 124); one that cannot
    be started has code 127 and the reason as output.
    """
    command = [str(argument) for argument in arguments]
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return Finished(_NOT_STARTED, f"{command[0]}: {error.strerror}")
    try:
        output, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        return Finished(_TIMED_OUT, f"{_end_group(process)}\nstopped after {limit_s:.0f} s")
    except BaseException:  # Ctrl-C: the program is in a session of its own and would go on
        _end_group(process)
        raise
    return Finished(process.returncode, output)


def _end_group(process: subprocess.Popen[str]) -> str:
    """End a program and everything it started, gently at first; returns what it had printed."""
    for which in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):  # gone, or started by sudo and not ours to signal
            os.killpg(process.pid, which)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=_GRACE_S)[0]
    return ""
