"""Starting, signalling, stopping and removing containers.

Restart policies are not followed: nothing watches a container after its start, so one that ends stays ended (and is
reported with policy "no").
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from deployments.rehearsal.engine import cgroups
from deployments.rehearsal.engine.architecture import host_architecture
from deployments.rehearsal.engine.containers import Container, discard
from deployments.rehearsal.engine.environment import Process, process_for
from deployments.rehearsal.engine.errors import EngineError
from deployments.rehearsal.engine.home import Home, read_json, write_json
from deployments.rehearsal.engine.images import ImageStore
from deployments.rehearsal.engine.procfs import descendants
from deployments.rehearsal.engine.units import rfc3339

_EXEC_FORMAT_EXIT = 255
"""Exit code of a container whose image is for another architecture (docker 20 and newer)."""

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_POLL_S = 0.01
_KILL_WITHIN_S = 10.0


def start(home: Home, container: Container) -> None:
    """Starts a container that is not running; does nothing to a running one.

    Raises:
        EngineError: Its command could not be executed.
    """
    if container.state().running:
        return
    definition = container.definition
    _forget_run(container)
    image = ImageStore(home).find(definition.image_id)
    if image and image.architecture != host_architecture():
        _refuse_architecture(container)
        return
    process = process_for(container, definition.argv)
    group = cgroups.create(container.short_id, definition.memory_bytes, definition.nano_cpus)
    folders = {name: str(folder) for name, folder in group.folders.items()}
    limits = {"memory_limit_bytes": group.memory_limit_bytes, "cpu_quota_us": group.cpu_quota_us}
    write_json(
        container.folder / "run.json",
        {
            "argv": process.argv,
            "env": process.env,
            "cwd": str(process.cwd),
            "cgroups": sorted(set(folders.values())),
            "group": {"folders": folders, "version": group.version, **limits},
        },
    )
    answer = _start_shim(container)
    if answer != "started":
        raise EngineError(
            "Error response from daemon: failed to create task for container: failed to create shim task: OCI runtime "
            f"create failed: {answer or 'the shim did not start'}: unknown",
            _NOT_FOUND,
        )


def signal_container(container: Container, name: str) -> None:
    """Sends a signal to the container's first process (`docker kill`); SIGKILL ends all of it.

    Raises:
        EngineError: It is not running, or there is no such signal.
    """
    number = signal_number(name)
    state = container.state()
    if not state.process:
        raise EngineError(
            f"Error response from daemon: cannot kill container: {container.definition.name}: container "
            f"{container.definition.id} is not running"
        )
    with contextlib.suppress(ProcessLookupError):
        os.kill(state.process.pid, number)
    if number == signal.SIGKILL:
        _wait_for_end(container, _KILL_WITHIN_S)


def stop(container: Container, grace_s: float | None = None) -> None:
    """Stops a container: its stop signal, then SIGKILL after the grace time; returns when nothing of it is left."""
    state = container.state()
    if not state.process:
        return
    grace_s = container.definition.stop_grace_s if grace_s is None else grace_s
    leftovers = {*descendants(state.process.pid), *state.group.processes()}
    with contextlib.suppress(ProcessLookupError):
        os.kill(state.process.pid, signal_number(container.definition.stop_signal))
    if not _wait_for_end(container, grace_s):
        with contextlib.suppress(ProcessLookupError):
            os.kill(state.process.pid, signal.SIGKILL)
        _wait_for_end(container, _KILL_WITHIN_S)
    if not (state.shim and state.shim.alive):
        _kill_orphans(container, leftovers)


def remove(container: Container, *, force: bool) -> None:
    """Removes a container with its folder and control group.

    Raises:
        EngineError: It runs and `force` was not asked for.
    """
    state = container.state()
    if state.running:
        if not force:
            raise EngineError(
                f'Error response from daemon: cannot remove container "/{container.definition.name}": container is '
                "running: stop the container before removing or force remove"
            )
        stop(container, grace_s=0)
    _forget_run(container)
    discard(container)


def execute(container: Container, argv: list[str], env: dict[str, str], workdir: str) -> NoReturn:
    """Becomes a command inside a running container, so that its streams and exit code are the command's own.

    Raises:
        EngineError: The container does not run, or the command cannot be executed (126, 127).
    """
    state = container.state()
    if not state.running:
        raise EngineError(f"Error response from daemon: container {container.definition.id} is not running")
    process = process_for(container, argv, env, workdir)
    state.group.join()
    replace_process(process)


def replace_process(process: Process) -> NoReturn:
    """Executes a translated command in place of this process.

    Raises:
        EngineError: It cannot be executed.
    """
    os.chdir(process.cwd)
    failed = "OCI runtime exec failed: exec failed: unable to start container process: exec: "
    try:
        os.execvpe(process.argv[0], process.argv, process.env)  # noqa: S606 - a list, no shell
    except FileNotFoundError as error:
        raise EngineError(
            f'{failed}"{process.argv[0]}": executable file not found in $PATH: unknown', _NOT_FOUND
        ) from error
    except OSError as error:
        raise EngineError(f'{failed}"{process.argv[0]}": {error.strerror}: unknown', _NOT_EXECUTABLE) from error


def signal_number(name: str) -> int:
    """Returns the number of `KILL`, `SIGKILL` or `9`.

    Raises:
        EngineError: There is no such signal.
    """
    if name.isdigit():
        return int(name)
    try:
        return signal.Signals["SIG" + name.upper().removeprefix("SIG")].value
    except KeyError as error:
        raise EngineError(f"Error response from daemon: invalid signal: {name}") from error


def _start_shim(container: Container) -> str:
    shim = Path(__file__).with_name("shim.py")
    with (container.folder / "shim.log").open("ab") as errors:
        # Not waited for: the shim outlives this command, as containerd's does.
        process = subprocess.Popen(
            [sys.executable, "-S", "-I", str(shim), str(container.folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath)},
        )
    assert process.stdout is not None
    with process.stdout as answer:
        return answer.read().decode()


def _wait_for_end(container: Container, within_s: float) -> bool:
    """Waits until the first process and its shim are gone, that is until the exit is recorded."""
    deadline = time.monotonic() + within_s
    while True:
        state = container.state()
        if not state.running and not (state.shim and state.shim.alive):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)


def _kill_orphans(container: Container, pids: Sequence[int] | set[int]) -> None:
    """Kills what is left when the shim was killed by somebody and could not do it."""
    for pid in {*pids, *container.state().group.processes()}:
        with contextlib.suppress(OSError):
            if str(container.folder).encode() in Path(f"/proc/{pid}/environ").read_bytes():
                os.kill(pid, signal.SIGKILL)


def _forget_run(container: Container) -> None:
    """Removes control group and state of the last run, so that counters start at zero."""
    state = container.state()
    deadline = time.monotonic() + _KILL_WITHIN_S
    while state.shim and state.shim.alive and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    run = read_json(container.folder / "run.json").get("group")
    if run:
        cgroups.Group({name: Path(folder) for name, folder in run["folders"].items()}, run["version"]).remove()
    for name in ("state.json", "health.json", "run.json"):
        (container.folder / name).unlink(missing_ok=True)


def _refuse_architecture(container: Container) -> None:
    """Ends at once, as an image for another architecture does on a machine without emulation."""
    now = rfc3339(time.time())
    line = f"exec {container.definition.argv[0]}: exec format error\n"
    with container.log.open("a") as log:
        log.write(json.dumps({"log": line, "stream": "stderr", "time": now}) + "\n")
    state = {"status": "exited", "pid": 0, "pid_start": 0, "shim_pid": 0, "shim_start": 0, "error": "", "joined": []}
    write_json(
        container.folder / "state.json",
        state | {"started_at": now, "finished_at": now, "exit_code": _EXEC_FORMAT_EXIT},
    )
