"""`python3 -m deployments.setup`: everything a checkout needs to run, test and rehearse; a second call reuses it."""

import argparse
import fcntl
import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deployments.setup.console import Console
from deployments.setup.installed import Found
from deployments.setup.layout import Layout
from deployments.setup.prefect_database import make_prefect_database
from deployments.setup.problems import SetupBusy, SetupProblem
from deployments.setup.python_packages import install_python_packages, packages_are_current, packages_key
from deployments.setup.tools import provide_tools

_BUSY_LIMIT_S = 1800.0  # as long as pip alone may take
_BUSY_POLL_S = 0.5
_FILES = ("terraformrc", "npm-cache", "aws-provider")  # in tools.json, and not programs
_INTERRUPTED = 130  # as a shell reports a program ended by Ctrl-C


def main(arguments: Sequence[str]) -> int:
    """Set the checkout up; returns the exit code and prints problems as sentences."""
    parser = argparse.ArgumentParser(prog="python3 -m deployments.setup", description=__doc__)
    parser.add_argument("--quiet", action="store_true", help="print problems only")
    console = Console(quiet=parser.parse_args(arguments).quiet)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a lock or a policy file is cleared away
    layout = Layout(Path(__file__).resolve().parents[2])
    try:
        with _only_one(layout, console):
            problems = set_up(layout, os.environ, console)
    except KeyboardInterrupt:
        console.problem("interrupted; run make setup again to go on")
        return _INTERRUPTED
    except SetupProblem as problem:
        problems = [problem]
    except OSError as error:
        problems = [SetupProblem(f"{error}. Check the permissions there and the room on the disk")]
    for sentence in problems:
        console.problem(str(sentence))
    return 1 if problems else 0


def set_up(layout: Layout, environ: Mapping[str, str], console: Console) -> list[SetupProblem]:
    """Make or reuse everything; returns all that is missing."""
    started = time.monotonic()
    if is_current(layout):
        console.line(f"everything is in place ({time.monotonic() - started:.2f} s)")
        return []
    layout.stamp.unlink(missing_ok=True)
    problems: list[SetupProblem] = []
    try:
        install_python_packages(layout, environ, console)
        make_prefect_database(layout, environ, console)
    except SetupProblem as problem:
        problems.append(problem)
    found, missing = provide_tools(layout, environ, console, wheels=packages_are_current(layout))
    problems += missing
    write_tools_json(found, layout)
    console.table([(name, tool.version, _from(tool, layout)) for name, tool in found.items()])
    if not problems:
        layout.stamp.write_text(_stamp(layout))
        console.line(f"complete after {time.monotonic() - started:.0f} s")
    return problems


def is_current(layout: Layout) -> bool:
    """Whether an earlier setup was complete, from the same inputs, and all it found is still there."""
    made = (layout.stamp, layout.tools_json, layout.prefect_database)
    if not (all(file.is_file() for file in made) and packages_are_current(layout)):
        return False
    if layout.stamp.read_text() != _stamp(layout):
        return False
    tools: dict[str, dict[str, str]] = json.loads(layout.tools_json.read_text())
    links = [layout.bin / name for name in tools if name not in _FILES]
    paths = [Path(tool["path"]) for tool in tools.values()]
    return all(os.access(link, os.X_OK) for link in links) and all(path.exists() for path in paths)


def write_tools_json(found: Mapping[str, Found], layout: Layout) -> None:
    """Write name -> path, version, source; also of the two files the tools need: `terraformrc` and `npm-cache`."""
    layout.npm_cache.mkdir(parents=True, exist_ok=True)
    files = {
        name: Found(path, "", "setup")
        for name, path in (("terraformrc", layout.terraformrc), ("npm-cache", layout.npm_cache))
        if path.exists()
    }
    entries = {
        name: {"path": str(tool.path), "version": tool.version, "source": tool.source}
        for name, tool in sorted((dict(found) | files).items())
    }
    unfinished = layout.tools_json.with_suffix(".part")
    unfinished.write_text(json.dumps(entries, indent=2) + "\n")
    unfinished.replace(layout.tools_json)


def _stamp(layout: Layout) -> str:
    """The key of a complete setup: the Python packages' key, and setup itself (its pins and its rules)."""
    digest = hashlib.sha256(packages_key(layout).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _from(tool: Found, layout: Layout) -> str:
    """A tool's source for the table, with its path where that is not inside the checkout."""
    inside = tool.path.is_relative_to(layout.root)
    return tool.source if inside or str(tool.path) in tool.source else f"{tool.source}: {tool.path}"


@contextmanager
def _only_one(layout: Layout, console: Console) -> Iterator[None]:
    """Hold this checkout's lock; a second setup waits for the first. Raises SetupBusy when that takes too long."""
    layout.tools.mkdir(exist_ok=True)
    with (layout.tools / "lock").open("a") as lock:
        waited_until = time.monotonic() + _BUSY_LIMIT_S
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > waited_until:
                    raise SetupBusy(
                        f"another setup of {layout.root} has been running for {_BUSY_LIMIT_S / 60:.0f} minutes; "
                        "look for its process (deployments.setup), end it and run make setup again"
                    ) from None
                if not told:
                    console.line("another setup of this checkout is running: waiting for it")
                    told = True
                time.sleep(_BUSY_POLL_S)
        yield
