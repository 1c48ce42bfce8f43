"""Terraform (or OpenTofu) in the checkout's own directory.

Failed
+-- StateUnreadable    the state is no state any more
+-- StateLocked        somebody else holds the state
Refused
+-- StateOfAnotherRun  the state holds what another run, or somebody by hand, applied
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import re
import shutil
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from blocks.models.errors import Failed, Refused, Unavailable
from tasks.clients.processes import Completed, DetachedCommand, end_orphans, run_command
from tasks.rules.ownership import Ownership, StateHolds, judge_state, read_state

# Pauses between the tries of a destroy, before what is left goes to the sweep.
_PAUSES_S = (2.0, 10.0)
# Waiting for a state lock that another Terraform may hold.
_LOCK_TIMEOUT = "60s"
# Handed on to providers and provisioners, so that those a killed Terraform left are known as this run's.
_MARK = "RAMPART_TERRAFORM"
# How long an interrupted plan is waited for; a cancelled flow has 30 s in all.
_PLAN_ENDS_S = 20.0


class StateUnreadable(Failed):
    """The state cannot be read, so nothing can be destroyed by it."""


Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Lock:
    """Who holds the state."""

    id: str
    who: str
    created: datetime


class StateLocked(Failed):
    """The state is held by another Terraform, or by what one left."""

    def __init__(self, lock: Lock) -> None:
        super().__init__(
            f"Terraform's state is locked by {lock.who} since {lock.created:%Y-%m-%d %H:%M:%S} UTC; wait for it, "
            f"or, when that Terraform is surely gone: terraform force-unlock {lock.id}"
        )
        self.lock = lock


class StateOfAnotherRun(Refused):
    """The state holds what another run, or somebody by hand, applied; destroying it is their business."""


def apply_was_started(work: Path) -> bool:
    """Whether a run ever started an apply, by its folder for Terraform: a run that did not has made nothing."""
    # Made before Terraform is started, so that a starter that dies right away is seen too.
    return (work / "apply").exists()


@dataclass(frozen=True)
class Output:
    """One Terraform output; the value of a sensitive one is never written anywhere."""

    name: str
    value: Any
    sensitive: bool


class Terraform:
    """Runs Terraform in one directory, for one run.

    Args:
        directory: the module's directory.
        work: folder of the run for plan file and logs; readable only by the worker's user (plans hold secrets).
        environment: region, credentials, endpoint and run tags; never in argv.
        command: ``terraform`` or ``tofu``.
        parallelism: Terraform's ``-parallelism``.
        variables: values that go before those of terraform.tfvars; no secrets, they are in argv.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a Terraform run depends on
        self,
        directory: Path,
        work: Path,
        environment: Mapping[str, str],
        command: str,
        parallelism: int,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.work = work
        automation = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
        self.environment = {**environment, **automation, _MARK: str(work)}
        self.command = command
        self.variables = [f"-var={name}={value}" for name, value in sorted((variables or {}).items())]
        self.parallelism = parallelism
        self.lock_timeout = _LOCK_TIMEOUT
        work.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def plan_file(self) -> Path:
        """The saved plan."""
        return self.work / "plan.tfplan"

    def init(self) -> None:
        """Prepare the directory; touches no infrastructure."""
        self._run("init", "-no-color", timeout_s=180.0)

    def plan(self) -> dict[str, Any]:
        """Save a plan and return it as Terraform's JSON. It holds sensitive values: never write it anywhere.

        A plan that is not waited for any more is interrupted, and never killed: it holds the state's lock.

        Raises:
            Failed: Terraform ended with an error; says its first one.
            Unavailable: it has not ended in time.
        """
        arguments = [
            "plan",
            "-json",
            "-detailed-exitcode",
            f"-out={self.plan_file}",
            f"-lock-timeout={self.lock_timeout}",
            f"-parallelism={self.parallelism}",
            *self.variables,
        ]
        try:
            self._detached("plan", arguments, lambda _: None, 600.0, good=(0, 2))
        except BaseException:
            plan = DetachedCommand(self.work / "plan")
            plan.interrupt()
            with contextlib.suppress(Unavailable, FileNotFoundError):
                plan.settle(_PLAN_ENDS_S)
            raise
        self.plan_file.chmod(0o600)
        shown: dict[str, Any] = json.loads(self._run("show", "-json", str(self.plan_file), timeout_s=120.0).stdout)
        return shown

    def plan_hash(self) -> str:
        """SHA-256 of the saved plan: the plan that was approved is the plan that is applied."""
        return hashlib.sha256(self.plan_file.read_bytes()).hexdigest()

    def apply(self, on_event: Callable[[dict[str, Any]], None], timeout_s: float = 1800.0) -> None:
        """Apply the saved plan, detached; ``on_event`` gets Terraform's JSON events as they come.

        Raises:
            Failed: Terraform ended with an error; says its first one.
        """
        self._detached(
            "apply",
            [
                "apply",
                "-json",
                f"-lock-timeout={self.lock_timeout}",
                f"-parallelism={self.parallelism}",
                str(self.plan_file),
            ],
            on_event,
            timeout_s,
        )

    def destroy(
        self,
        run_id: str,
        on_event: Callable[[dict[str, Any]], None],
        timeout_s: float = 1800.0,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """Destroy everything in the state, adopting a Terraform of this run that still lives.

        Args:
            run_id: the run whose tag the state's resources must carry.
            on_event: gets Terraform's JSON events as they come, an adopted destroy's too.
            timeout_s: for each Terraform that is waited for.
            before: asked before each try; what it raises is treated as Terraform's own error is.

        Raises:
            Failed: it failed every time; says the last error.
            Unavailable: something did not answer any time, or Terraform did not end in time.
            StateUnreadable: there is no state to destroy by; the file is kept in the run's folder.
            StateOfAnotherRun: nothing was destroyed.
        """
        ended: tuple[Span, ...] = ()
        began = time.monotonic()
        for pause in (*_PAUSES_S, None):
            try:
                before()
                self.adopt(on_event, timeout_s)
                ended = self._ended()
                if self._require_own_state(run_id):
                    self._destroy(on_event, timeout_s)
            except (StateUnreadable, StateOfAnotherRun):
                raise
            except (Failed, Unavailable) as error:
                # A Terraform that had all its time is not waited for again.
                late = isinstance(error, Unavailable) and time.monotonic() - began > timeout_s
                if pause is None or late:
                    self._end_orphans()
                    raise
                if not (isinstance(error, StateLocked) and self._break_stale(error.lock, ended)):
                    time.sleep(pause)
            else:
                return

    def adopt(self, on_event: Callable[[dict[str, Any]], None], timeout_s: float) -> None:
        """End a live plan or apply of this run with SIGINT and wait for it, or wait for a live destroy.

        What a killed Terraform left running, its provider and its provisioners, is ended then: it could make more.

        Raises:
            Unavailable: it has not ended in time.
        """
        plan, apply, destroy = (DetachedCommand(self.work / name) for name in ("plan", "apply", "destroy"))
        for command in (plan, apply):
            if command.alive():
                command.interrupt()
                command.settle(timeout_s)
        if destroy.alive():
            destroy.settle(timeout_s, _reader(on_event, []))
        self._end_orphans()

    def _end_orphans(self) -> None:
        end_orphans(_MARK, str(self.work))

    def outputs(self) -> tuple[Output, ...]:
        """Return the outputs of the applied state."""
        shown = json.loads(self._run("output", "-json", timeout_s=60.0).stdout)
        return tuple(
            Output(name=name, value=item["value"], sensitive=bool(item["sensitive"]))
            for name, item in sorted(shown.items())
        )

    def state_addresses(self) -> tuple[str, ...]:
        """Return the addresses in the state; empty after a complete destroy, or before the first apply."""
        return self.state_holds().addresses

    def ownership(self, run_id: str) -> tuple[Ownership, str]:
        """Say whose the resources in the state are, and why.

        Raises:
            Failed: the state cannot be read.
        """
        applied = apply_was_started(self.work)
        if applied and not self._initialised:
            self.init()
        try:
            return judge_state(self.state_holds(), run_id, applied=applied)
        except StateUnreadable as error:
            if applied:
                raise
            return Ownership.NOTHING, f"this run applied nothing; the state was left alone: {error}"

    def state_holds(self) -> StateHolds:
        """Return what the state holds; nothing before the first apply."""
        if not self._initialised:
            return read_state({})
        # Reads the stored state as it is: no provider is started. It holds sensitive values: never write it anywhere.
        completed = self._run("state", "pull", "-no-color", timeout_s=60.0, good=(0, 1))
        if completed.code == 1:
            raise _state_error(completed)
        return read_state(json.loads(completed.stdout or "{}"))

    def version(self) -> str:
        """Return what Terraform says of its version."""
        return self._run("version", timeout_s=30.0).stdout.splitlines()[0]

    def _run(self, *arguments: str, timeout_s: float, good: tuple[int, ...] = (0,)) -> Completed:
        """Run a command that never holds the state's lock: one that does not end in time is killed."""
        completed = run_command(
            [self.command, *arguments], cwd=self.directory, environment=self.environment, timeout_s=timeout_s
        )
        if completed.code not in good:
            raise Failed(f"terraform {arguments[0]} failed: {_first_error(completed.stderr or completed.stdout)}")
        return completed

    @property
    def _initialised(self) -> bool:
        """Whether the checkout's module was ever prepared; before that there is no state."""
        return (self.directory / ".terraform").exists()

    def _destroy(self, on_event: Callable[[dict[str, Any]], None], timeout_s: float) -> None:
        self._detached(
            "destroy",
            [
                "destroy",
                "-json",
                "-auto-approve",
                *self.variables,
                f"-lock-timeout={self.lock_timeout}",
                f"-parallelism={self.parallelism}",
            ],
            on_event,
            timeout_s,
        )

    def _require_own_state(self, run_id: str) -> bool:
        """Whether there is something of the run to destroy.

        Raises:
            StateUnreadable: nobody can tell; the file is kept in the run's folder.
            StateOfAnotherRun: somebody else's resources are there.
        """
        try:
            owner, why = self.ownership(run_id)
        except StateUnreadable as error:
            kept = self._set_state_aside()
            raise StateUnreadable(
                f"{error} Nothing can be destroyed by it: what carries the run's tag is left to the sweep. "
                + (f"The unreadable state is kept as {kept}." if kept else "Repair it where its backend keeps it.")
            ) from error
        if owner in {Ownership.SHARED, Ownership.OTHERS}:
            raise StateOfAnotherRun(why)
        return owner is Ownership.OWN

    def _set_state_aside(self) -> Path | None:
        """Move an unreadable local state into the run's folder, out of the next run's way; it may hold secrets."""
        configured = self.directory / ".terraform" / "terraform.tfstate"
        backend: dict[str, Any] = json.loads(configured.read_text())["backend"] if configured.exists() else {}
        settings: dict[str, Any] = backend.get("config", {})
        file = self.directory / (settings.get("path") or "terraform.tfstate")
        if backend.get("type", "local") != "local" or not file.exists():
            return None
        kept = self.work / f"unreadable-{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}.tfstate"
        shutil.move(file, kept)
        kept.chmod(0o600)
        return kept

    def _ended(self) -> tuple[Span, ...]:
        """Return when the commands of this run that no longer live were running."""
        commands = [DetachedCommand(self.work / name) for name in ("apply", "destroy")]
        return tuple(span for command in commands if (span := command.span()) and not command.alive())

    def _break_stale(self, lock: Lock, ended: tuple[Span, ...]) -> bool:
        """Force the state's lock open when its holder is provably gone, and say whether that was done.

        It is when the lock was made on this machine, by this user, while a command of this run was running that no
        longer lived when the lock was met: nobody else can have got the lock in that time. A local state's lock ends
        with its process; an HTTP backend names the asker's own lock, which is younger than all that ended.
        """
        if lock.who != f"{getpass.getuser()}@{socket.gethostname()}":
            return False
        return any(first <= lock.created <= last for first, last in ended) and self._unlock(lock)

    def _unlock(self, lock: Lock) -> bool:
        return self._run("force-unlock", "-force", lock.id, timeout_s=60.0, good=(0, 1)).code == 0

    def _detached(
        self,
        name: str,
        arguments: list[str],
        on_event: Callable[[dict[str, Any]], None],
        timeout_s: float,
        good: tuple[int, ...] = (0,),
    ) -> None:
        errors: list[str] = []
        command = DetachedCommand(self.work / name)
        command.start([self.command, *arguments], cwd=self.directory, environment=self.environment)
        code = command.wait(timeout_s, _reader(on_event, errors))
        if code not in good:
            first = (errors or ["no error was named"])[0]
            if lock := _lock_of(first):
                raise StateLocked(lock)
            raise Failed(f"terraform {name} ended with exit code {code}: {' '.join(first.split())[:400]}")


def _lock_of(error: str) -> Lock | None:
    """Read who holds the state from what Terraform says when it cannot lock it."""
    found = {
        name: match[1]
        for name in ("ID", "Who", "Created")
        if (match := re.search(rf"^\s*{name}:\s+(\S.*?)\s*$", error, re.MULTILINE))
    }
    if len(found) < len(("ID", "Who", "Created")):
        return None
    # Go's time, with nanoseconds: 2026-01-02 03:04:05.123456789 +0000 UTC.
    moment = re.sub(r"(\.\d{1,6})\d*", r"\1", found["Created"].removesuffix(" UTC"))
    return Lock(found["ID"], found["Who"], datetime.fromisoformat(moment.replace(" +0000", "+00:00")))


def _reader(on_event: Callable[[dict[str, Any]], None], errors: list[str]) -> Callable[[str], None]:
    """Return what reads Terraform's JSON lines: events are handed on, errors are collected."""

    def read(line: str) -> None:
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            errors.append(line.strip())
            return
        if event.get("@level") == "error":
            said = str(event.get("@message", "")).removeprefix("Error: ")
            detail = str(event.get("diagnostic", {}).get("detail", ""))
            errors.append(f"{said}: {detail}" if detail else said)
        on_event(event)

    return read


def _state_error(completed: Completed) -> Failed:
    said = " ".join((completed.stderr or completed.stdout).split())
    if "state file" in said.lower():
        return StateUnreadable(f"Terraform cannot read its state: {said[:200]}.".replace("..", "."))
    return Failed(f"terraform state failed: {completed.last_line}")


def _first_error(text: str) -> str:
    lines = [line.strip(" │╷╵") for line in text.splitlines()]
    start = next((index for index, line in enumerate(lines) if line.startswith("Error")), None)
    if start is None:
        return next((line for line in reversed(lines) if line), "it said nothing")
    details = [line for line in lines[start + 1 : start + 8] if line]
    return " ".join([lines[start], *details])[:400]
