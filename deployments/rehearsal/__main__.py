"""The rehearsal: ``python -m deployments.rehearsal up|down|run``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from types import FrameType
from typing import NoReturn
from uuid import UUID

from blocks.models.errors import RampartError, Refused
from deployments.rehearsal import layout
from deployments.rehearsal.processes import answers, wait_until
from deployments.rehearsal.real.part import Part
from deployments.rehearsal.stack import Stack, down, load, up

_BEGAN = time.monotonic()
# What Prefect imports to deploy; here while its server starts.
_DEPLOYED = ("prefect.cli.deploy", "flows.performance_run", "flows.janitor", "flows.report", "flows.cost")


def main(arguments: list[str]) -> int:
    """Run a command; exit code 0 for success, 1 for a run that did not pass, 2 for what could not be started."""
    parser = argparse.ArgumentParser(
        prog="python -m deployments.rehearsal", description="The whole checklist on one machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("up", "start the stack and leave it running"),
        ("run", "start, run the checklist, report, stop"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--prefect-port", type=int, default=0, help="port of Prefect's UI (0 = a free one)")
    commands.add_parser("down", help="stop the stack")
    commands.add_parser("register", help="register blocks and deployments with the running stack")
    chosen = parser.parse_args(arguments)
    # A shell starts background jobs deaf to SIGINT; Ctrl-C and `kill -INT` have to be heard whoever started this.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if chosen.command == "down":
            down(_say)
            return 0
        if chosen.command == "register":
            return _register()
        wanted = {"prefect": chosen.prefect_port} if chosen.prefect_port else {}
        return _up(wanted) if chosen.command == "up" else _run(wanted)
    except RampartError as error:
        _say(f"error     {error}")
        return 2


def _up(wanted: dict[str, int]) -> int:
    stack = up(_say, wanted)
    _links(stack)
    _say("start a run in the UI: Deployments, performance-run, environment = profile = rehearsal")
    _say("stop with: python -m deployments.rehearsal down")
    return 0


def _run(wanted: dict[str, int]) -> int:
    approve = os.environ.get("APPROVE", "auto")
    if approve not in {"auto", "by-hand"}:
        raise Refused(f"APPROVE is '{approve}'; wanted is auto or by-hand.")
    stack: Stack | None = None
    run_id: UUID | None = None
    try:
        stack = up(_say, wanted)
        _links(stack)
        # Prefect reads its settings when it is imported, so it is imported when the stack is there.
        from deployments.rehearsal.operator import Operator  # noqa: PLC0415

        operator = Operator(stack.prefect_url, _say, by_hand=approve == "by-hand")
        try:
            run_id = operator.start()
            passed = operator.follow(run_id)
            operator.wait_for_cost(run_id)
        except KeyboardInterrupt:
            if run_id is not None:
                operator.cancel(run_id)
            return 130
        folder = layout.RUNS / str(run_id)
        _say(f"report    {folder / 'report.html'}")
        _say(f"verdict   {'PASS' if passed else 'not PASS'}")
    except KeyboardInterrupt:
        return 130
    else:
        return 0 if passed else 1
    finally:
        if stack is not None:
            down(_say, stack)


def _register() -> int:
    stack = load()
    if stack is None:
        raise Refused("No stack is running; start it with: python -m deployments.rehearsal up")
    from deployments.register import register, register_block_types  # noqa: PLC0415 - Prefect is imported where it is used
    from deployments.rehearsal.settings import make_bucket, save_rehearsal_blocks  # noqa: PLC0415 - as above

    for module in _DEPLOYED:
        import_module(module)
    prefect = next(process for process in stack.processes if process["name"] == "prefect")
    wait_until("prefect", answers(f"{stack.prefect_url}/api/health"), prefect)
    register_block_types()
    make_bucket(stack)
    with ThreadPoolExecutor(1) as pool:
        # The deployments are registered by a process of their own meanwhile.
        saved = pool.submit(save_rehearsal_blocks, stack)
        register()
        saved.result()
    return 0


def _links(stack: Stack) -> None:
    _say(f"Prefect   {stack.prefect_url}")
    _say(f"Grafana   {stack.url('grafana')}/d/{stack.dashboard_uid} ({_kind(stack.grafana)})")
    _say(f"Jaeger    {stack.url('jaeger')}/search ({_kind(stack.jaeger)})")
    _say(f"metrics   {stack.url('prometheus')} (real Prometheus)")


def _kind(part: Part) -> str:
    return "real" if part.real else "stand-in"


def _say(text: str) -> None:
    sys.stdout.write(f"{time.monotonic() - _BEGAN:6.1f}s  {text}\n")
    sys.stdout.flush()


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
