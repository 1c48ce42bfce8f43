"""The ways to die, each as what is done to the real process, server or disk."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

from tasks.guard import STOPPING_S
from tests.disks import fill
from tests.killmatrix.cells import Way
from tests.killmatrix.faults import Door
from tests.killmatrix.world import World, kill, until

# How long what is not the run's own stays away; the minute.
_AWAY_S = 60.0
_GONE_S = 30.0
# The guard waits for k6's own end on a host that is away, then the evidence is asked for.
_NO_ROUTE_S = STOPPING_S + 180.0


def die(world: World, way: Way, door: Door) -> None:
    """Die in a way, now; returns when everything that comes back is back."""
    _WAYS[way](world, door)


def _cancel(world: World, _: Door) -> None:
    body = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": True}
    world.prefect.ask("POST", f"/flow_runs/{world.run_id}/set_state", json=body)


def _interrupt(world: World, _: Door) -> None:
    kill(world.flow(), signal.SIGINT)


def _interrupt_twice(world: World, _: Door) -> None:
    flow = world.flow()
    kill(flow, signal.SIGINT)
    until(lambda: world.has("phase_started", phase="teardown"), "the teardown began", 120)
    kill(flow, signal.SIGINT)


def _terminate(world: World, _: Door) -> None:
    kill(world.flow(), signal.SIGTERM)


def _kill_flow(world: World, _: Door) -> None:
    kill(world.flow())


def _kill_worker(world: World, _: Door) -> None:
    kill(world.worker())
    world.new_worker()


def _kill_both(world: World, _: Door) -> None:
    flow, worker = world.flow(), world.worker()
    kill(worker)
    kill(flow)
    world.new_worker()


def _kill_prefect(world: World, _: Door) -> None:
    with _away(world, "prefect"):
        time.sleep(_AWAY_S)


def _kill_terraform(world: World, _: Door) -> None:
    for process in world.terraforms():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            kill(process)


def _kill_k6(world: World, _: Door) -> None:
    for process in world.loads():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            kill(process)


def _kill_sshd(world: World, _: Door) -> None:
    with _away(world, "sshd-loadgen"):
        time.sleep(_AWAY_S / 2)


def _kill_prometheus(world: World, _: Door) -> None:
    with _away(world, "prometheus"):
        until(lambda: world.has("phase_started", phase="teardown"), "the run is taken down", 240)


def _hole(world: World, _: Door) -> None:
    """A host that does not answer at all: its packets go nowhere."""
    listener = world.server("sshd-loadgen")
    family = [listener, *listener.children(recursive=True)]
    frozen = [process for process in family if process.name().startswith("sshd")]
    for process in frozen:
        kill(process, signal.SIGSTOP)
    try:
        until(lambda: world.has("phase_started", phase="teardown"), "the run is taken down", _NO_ROUTE_S)
        time.sleep(_AWAY_S)
    finally:
        for process in frozen:
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                kill(process, signal.SIGCONT)


def _errors(_: World, door: Door) -> None:
    door.answers = "errors"
    time.sleep(_AWAY_S)
    door.answers = "itself"


def _expire(world: World, door: Door) -> None:
    door.answers = "expired"
    until(lambda: world.has("teardown"), "a teardown said how it ended", 300)
    door.answers = "itself"
    janitor(world)


def _say_nothing(world: World, _: Door) -> None:
    """An approval that nobody answers ends by itself."""


def _fill(world: World, _: Door) -> None:
    fill(world.runs)


@contextmanager
def _away(world: World, name: str) -> Iterator[None]:
    """Kill a server with its children, and start it again afterwards as it was started."""
    process = world.server(name)
    argv, environment = _command(process), process.environ()
    for child in (*process.children(recursive=True), process):
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            kill(child)
    psutil.wait_procs([process], timeout=_GONE_S)
    try:
        yield
    finally:
        world.restart(name, argv, environment)


def _command(process: psutil.Process) -> list[str]:
    """Return how a server was started; sshd writes over it: ``sshd: /usr/sbin/sshd -D … [listener] 0 of 10-100 startups``.

    It does so at each connection, and what is read meanwhile is torn.
    """
    words: list[str] = []

    def whole() -> bool:
        nonlocal words
        words = process.cmdline()
        return not words[0].startswith("sshd:") or "[listener]" in words

    until(whole, f"{process.name()} says how it was started", _GONE_S)
    return words[1 : words.index("[listener]")] if words[0] == "sshd:" else words


def janitor(world: World) -> None:
    """Let the janitor look, as it does every 15 minutes."""
    found = world.prefect.ask("GET", "/deployments/name/janitor/janitor")
    world.prefect.ask("POST", f"/deployments/{found['id']}/create_flow_run", json={})


_WAYS: dict[Way, Callable[[World, Door], None]] = {
    "cancel": _cancel,
    "ctrl-c": _interrupt,
    "ctrl-c-twice": _interrupt_twice,
    "sigterm": _terminate,
    "kill-flow": _kill_flow,
    "kill-worker": _kill_worker,
    "kill-both": _kill_both,
    "kill-prefect": _kill_prefect,
    "kill-terraform": _kill_terraform,
    "kill-k6": _kill_k6,
    "kill-sshd": _kill_sshd,
    "approval-timeout": _say_nothing,
    "disk-full": _fill,
    "expired-credentials": _expire,
    "aws-errors": _errors,
    "prometheus-down": _kill_prometheus,
    "no-route": _hole,
}
