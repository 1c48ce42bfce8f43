"""The drills: ``python -m deployments.rehearsal.drills run NAME [--seed N]`` or ``… all [--seed N …]``.

A drill is a rehearsal, with a stack of its own, into which faults are injected. Exit code 0 only when every drill's verdict
is PASS, 1 when one is FAIL, 2 when one cannot be injected on this machine or nothing could be started.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from blocks.models.errors import RampartError, Refused
from deployments.rehearsal import layout
from deployments.rehearsal.drills.faults import DRILLS, Drill, drill_named
from deployments.rehearsal.engine.cgroups import probe
from deployments.rehearsal.stack import down, up

_BEGAN = time.monotonic()
_PASS, _FAIL, _NOT_INJECTED = 0, 1, 2
_VERDICTS = {_PASS: "PASS", _FAIL: "FAIL", _NOT_INJECTED: "not injected"}


def main(arguments: Sequence[str]) -> int:
    """Run a command."""
    parser = argparse.ArgumentParser(
        prog="python -m deployments.rehearsal.drills", description="Rehearsals with faults."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="run one drill")
    one.add_argument("name", help=f"one of: {', '.join(DRILLS)}")
    one.add_argument("--seed", type=int, default=1, help="chooses stage and time of the fault")
    every = commands.add_parser("all", help="run every drill and print a table")
    every.add_argument("--seed", type=int, nargs="+", default=[1], help="each drill is run with each of them")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(drill_named(chosen.name), chosen.seed) if chosen.command == "run" else _all(chosen.seed)
    except RampartError as error:
        _say(f"error     {error}")
        return _NOT_INJECTED
    except KeyboardInterrupt:
        return 130


def why_not(drill: Drill) -> str:
    """Return why a drill cannot be injected on this machine; empty when it can."""
    limits = probe()
    for fault in drill.faults:
        if fault.needs == "memory" and not limits.memory_limit_bytes:
            return f"{fault.row} needs a container with a real memory limit, and this user may make no memory control group."
        if fault.needs == "cpu" and not limits.cpu_quota_us:
            return f"{fault.row} needs a load generator with a CPU of its own, and this user may limit no group's CPU."
    return ""


def _all(seeds: Sequence[int]) -> int:
    """Run every drill in a process of its own: Prefect keeps the address of the stack it was imported with."""
    done = [(name, seed, _separately(name, seed)) for seed in seeds for name in DRILLS]
    for name, seed, code in done:
        _say(f"{_VERDICTS.get(code, code):<12}  {name}, seed {seed}")
    codes = {code for *_, code in done}
    return _FAIL if codes - {_PASS, _NOT_INJECTED} else max(codes)


def _separately(name: str, seed: int) -> int:
    # In a session of its own it hears one interrupt: this one's.
    argv = [sys.executable, "-m", "deployments.rehearsal.drills", "run", name, "--seed", str(seed)]
    child = subprocess.Popen(argv, cwd=layout.PROJECT, start_new_session=True)
    try:
        return child.wait()
    except KeyboardInterrupt:
        child.send_signal(signal.SIGINT)
        child.wait()
        raise


def _run(drill: Drill, seed: int) -> int:
    reason = why_not(drill)
    if reason:
        raise Refused(f"This drill cannot be injected on this machine: {reason}")
    _say(f"drill     {drill.name}, seed {seed}")
    stack = up(_say, {})
    try:
        # Prefect reads its settings when it is imported, so it is imported when the stack is there.
        from deployments.rehearsal.drills.exercise import exercise  # noqa: PLC0415

        return _PASS if exercise(stack, drill, seed, _say).verdict == "PASS" else _FAIL
    finally:
        down(_say, stack)


def _say(text: str) -> None:
    sys.stdout.write(f"{time.monotonic() - _BEGAN:6.1f}s  {text}\n")
    sys.stdout.flush()


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
