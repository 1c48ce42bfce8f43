"""The parent of one container: starts it, keeps its output with times, records its exit. What containerd-shim is to docker.

Run as a file (`python -S -I shim.py FOLDER`) and importing nothing of ours: one lives beside every container, so it must
stay small. Reads FOLDER/run.json {argv, env, cwd, cgroups}; writes FOLDER/state.json and FOLDER/container.log (docker's
json-file lines). Its standard output says "started" or why not, and is then closed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

_PR_SET_CHILD_SUBREAPER = 36
"""prctl(2): orphans of the container become children of this process, so none can get away."""

_LONGEST_LINE = 16 * 1024
"""Docker splits longer lines of output."""

_READ_SIZE = 65536
_NOT_FOUND, _NOT_EXECUTABLE, _SIGNAL_BASE = 127, 126, 128
_KILL_WITHIN_S = 5.0


def main(folder: Path) -> int:
    """Runs one container to its end.

    Args:
        folder: The container's folder.
    """
    run = json.loads((folder / "run.json").read_text())
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    told_read, told_write = os.pipe()  # closed by a successful exec
    child = os.fork()
    if child == 0:
        _become(run, out_write, err_write, told_write)
    for ends in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ends, lambda *_: os.kill(child, signal.SIGTERM))
    for descriptor in (out_write, err_write, told_write):
        os.close(descriptor)
    told = _read_all(told_read).splitlines()
    failure = next((line.removeprefix("failed ") for line in told if line.startswith("failed ")), "")
    started = _stamp()
    state: dict[str, Any] = {
        "status": "running",
        "pid": child,
        "pid_start": _start_ticks(child),
        "shim_pid": os.getpid(),
        "shim_start": _start_ticks(os.getpid()),
        "started_at": started,
        "finished_at": "",
        "exit_code": 0,
        "error": "",
        "joined": [line.removeprefix("joined ") for line in told if line.startswith("joined ")],
    }
    if failure:
        _reap(child)
        number, text = failure.split(" ", 1)
        state |= {"status": "created", "pid": 0, "exit_code": int(number), "error": text, "joined": []}
        _write(folder / "state.json", state)
        _answer(text)
        return 1
    _write(folder / "state.json", state)
    _answer("started")

    with (folder / "container.log").open("ab", buffering=0) as log:
        streams = {out_read: _Lines(log, "stdout"), err_read: _Lines(log, "stderr")}
        code = _serve(child, streams, woken)
        _kill_rest(run["cgroups"])
        for descriptor, lines in streams.items():
            os.set_blocking(descriptor, False)
            with contextlib.suppress(BlockingIOError):
                while data := os.read(descriptor, _READ_SIZE):
                    lines.add(data)
            lines.end()
    state |= {"status": "exited", "pid": 0, "exit_code": code, "finished_at": _stamp()}
    if (folder / "state.json").exists():  # `rm -f` may have been quicker
        _write(folder / "state.json", state)
    return 0


class _Lines:
    """Cuts one stream into lines and appends them with stream and time."""

    def __init__(self, log: Any, stream: str) -> None:  # noqa: ANN401 - a raw file
        self._log, self._stream, self._rest = log, stream, b""

    def add(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        lines = [line + b"\n" for line in lines]
        while len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest[:_LONGEST_LINE])
            self._rest = self._rest[_LONGEST_LINE:]
        self._append(lines)

    def end(self) -> None:
        self._append([self._rest] if self._rest else [])

    def _append(self, lines: list[bytes]) -> None:
        now = _stamp()
        entries = [{"log": x.decode(errors="replace"), "stream": self._stream, "time": now} for x in lines]
        if entries:
            self._log.write("".join(json.dumps(entry) + "\n" for entry in entries).encode())


def _become(run: dict[str, Any], out: int, err: int, tell: int) -> NoReturn:
    """In the child: a session of its own, the control groups, the descriptors, then the command."""
    code = _NOT_EXECUTABLE
    try:
        os.setsid()
        for group in run["cgroups"]:
            with contextlib.suppress(OSError):
                (Path(group) / "cgroup.procs").write_text("0")
                os.write(tell, f"joined {group}\n".encode())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (out, 1), (err, 2)):
            os.dup2(source, target)
        os.chdir(run["cwd"])
        os.execvpe(run["argv"][0], run["argv"], run["env"])  # noqa: S606 - a list, no shell
    except FileNotFoundError:
        code, text = _NOT_FOUND, f'exec: "{run["argv"][0]}": executable file not found in $PATH'
    except OSError as error:
        text = f'exec: "{run["argv"][0]}": {error.strerror}'
    os.write(tell, f"failed {code} {text}\n".encode())
    os._exit(code)


def _serve(child: int, streams: dict[int, _Lines], woken: int) -> int:
    """Copies output until the container's first process ends; returns docker's exit code (128 + signal)."""
    open_streams = set(streams)
    while True:
        ready, _, _ = select.select([*open_streams, woken], [], [])
        for descriptor in ready:
            data = os.read(descriptor, _READ_SIZE)
            if descriptor == woken:
                continue
            if data:
                streams[descriptor].add(data)
            else:
                open_streams.discard(descriptor)
        if woken in ready:
            code = _reap(child)
            if code is not None:
                return code


def _reap(child: int) -> int | None:
    """Collects ended children; returns the exit code of `child` if it was among them."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                ended = os.waitstatus_to_exitcode(status)
                code = ended if ended >= 0 else _SIGNAL_BASE - ended
    return code


def _kill_rest(groups: list[str]) -> None:
    """Kills what the first process left behind, as the end of a pid namespace does."""
    deadline = time.monotonic() + _KILL_WITHIN_S
    while time.monotonic() < deadline:
        pids = set(_children(os.getpid())) | {pid for group in groups for pid in _pids_of(group)}
        pids -= {os.getpid()}
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
        _reap(-1)


def _read_all(descriptor: int) -> str:
    data = b""
    while piece := os.read(descriptor, _READ_SIZE):
        data += piece
    return data.decode()


def _children(pid: int) -> list[int]:
    """Returns direct children; grandchildren become children when their parents are killed (subreaper)."""
    with contextlib.suppress(OSError):
        return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _pids_of(group: str) -> set[int]:
    with contextlib.suppress(OSError):
        return {int(line) for line in (Path(group) / "cgroup.procs").read_text().split()}
    return set()


def _start_ticks(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return 0


def _stamp() -> str:
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09d}Z"


def _write(path: Path, value: dict[str, Any]) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value))
    part.replace(path)


def _answer(text: str) -> None:
    os.write(1, text.encode())
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
