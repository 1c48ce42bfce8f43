"""The rehearsal's own processes: started in sessions of their own, known by pid and start time, ended by id."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

import httpx
import psutil

from blocks.models.errors import Failed
from deployments.rehearsal.layout import LOGS, PROJECT

_POLL_S = 0.1
_END_S = 20.0


def start(name: str, argv: Sequence[str], environment: dict[str, str]) -> dict[str, float | int | str]:
    """Start a process with its output in a log file; return its identity."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            list(argv), cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    return {"name": name, "pid": process.pid, "started": psutil.Process(process.pid).create_time()}


def wait_until(
    name: str, ready: Callable[[], bool], identity: dict[str, float | int | str], timeout_s: float = 90.0
) -> None:
    """Wait until a process serves.

    Raises:
        Failed: it ended, or does not serve in time; says its last line.
    """
    deadline = time.monotonic() + timeout_s
    while not ready():
        if not alive(identity):
            raise Failed(f"{name} ended while it was starting: {last_line(name)}")
        if time.monotonic() > deadline:
            raise Failed(f"{name} did not serve within {timeout_s:g} s: {last_line(name)}")
        time.sleep(_POLL_S)


def answers(url: str, status: int = 200) -> Callable[[], bool]:
    """Return a probe that is true when a URL answers with a status."""

    def probe() -> bool:
        try:
            return httpx.get(url, timeout=2.0).status_code == status
        except httpx.HTTPError:
            return False

    return probe


def alive(identity: dict[str, float | int | str]) -> bool:
    """Whether it is still the process that was started."""
    try:
        process = psutil.Process(int(identity["pid"]))
        return process.create_time() == identity["started"] and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(identities: Sequence[dict[str, float | int | str]], patience_s: float = _END_S) -> None:
    """End processes with all their descendants, all at once: SIGTERM, and SIGKILL for what does not listen in time."""
    family: list[psutil.Process] = []
    for identity in identities:
        if not alive(identity):
            continue
        process = psutil.Process(int(identity["pid"]))
        family.append(process)
        with contextlib.suppress(psutil.NoSuchProcess):
            family += process.children(recursive=True)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
    left = _await(family, patience_s)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _await(left, _END_S)


def _await(family: Sequence[psutil.Process], patience_s: float) -> list[psutil.Process]:
    """Wait until processes have ended, and return those that have not; one whose parent does not ask for it has."""
    deadline = time.monotonic() + patience_s
    while (left := [process for process in family if not _ended(process)]) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    psutil.wait_procs(family, timeout=0)
    return left


def _ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def last_line(name: str) -> str:
    """Return the last thing a process said."""
    file = LOGS / f"{name}.log"
    lines = (
        [line.strip() for line in file.read_text(errors="replace").splitlines() if line.strip()]
        if file.exists()
        else []
    )
    return lines[-1][:300] if lines else f"it said nothing; its log is {file.name}"
