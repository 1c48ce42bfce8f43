"""Terraform (or OpenTofu) in the checkout's own directory."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blocks.models.errors import Failed
from tasks.clients.processes import Completed, DetachedCommand, run_command

# How often a destroy is tried before what is left goes to the sweep.
_DESTROY_TRIES = 3
# Waiting for a state lock another Terraform of this run may hold.
_LOCK_TIMEOUT = "60s"


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
        self.environment = {**environment, "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
        self.command = command
        self.variables = [f"-var={name}={value}" for name, value in sorted((variables or {}).items())]
        self.parallelism = parallelism
        work.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def plan_file(self) -> Path:
        """The saved plan."""
        return self.work / "plan.tfplan"

    def init(self) -> None:
        """Prepare the directory; touches no infrastructure."""
        self._run("init", "-no-color", timeout_s=180.0)

    def plan(self) -> dict[str, Any]:
        """Save a plan and return it as Terraform's JSON. It holds sensitive values: never write it anywhere."""
        self._run(
            "plan", "-no-color", "-detailed-exitcode", f"-out={self.plan_file}", f"-parallelism={self.parallelism}", *self.variables,
            timeout_s=600.0, good=(0, 2),
        )  # fmt: skip
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
            "apply", ["apply", "-json", f"-parallelism={self.parallelism}", str(self.plan_file)], on_event, timeout_s
        )

    def destroy(self, on_event: Callable[[dict[str, Any]], None], timeout_s: float = 1800.0) -> None:
        """Destroy everything in the state, adopting a Terraform of this run that still lives.

        Raises:
            Failed: it failed every time; says the last error.
        """
        self.adopt(timeout_s)
        for attempt in range(1, _DESTROY_TRIES + 1):
            try:
                self._detached(
                    "destroy",
                    [
                        "destroy",
                        "-json",
                        "-auto-approve",
                        *self.variables,
                        f"-lock-timeout={_LOCK_TIMEOUT}",
                        f"-parallelism={self.parallelism}",
                    ],
                    on_event,
                    timeout_s,
                )
            except Failed:
                if attempt == _DESTROY_TRIES:
                    raise
                time.sleep(2.0**attempt)
            else:
                return

    def adopt(self, timeout_s: float) -> None:
        """End a live apply of this run with SIGINT and wait for it, or wait for a live destroy."""
        for name in ("apply", "destroy"):
            command = DetachedCommand(self.work / name)
            if command.alive():
                if name == "apply":
                    command.interrupt()
                command.wait(timeout_s)

    def outputs(self) -> tuple[Output, ...]:
        """Return the outputs of the applied state."""
        shown = json.loads(self._run("output", "-json", timeout_s=60.0).stdout)
        return tuple(
            Output(name=name, value=item["value"], sensitive=bool(item["sensitive"]))
            for name, item in sorted(shown.items())
        )

    def state_addresses(self) -> tuple[str, ...]:
        """Return the addresses in the state; empty after a complete destroy, or before the first apply."""
        completed = self._run("state", "list", timeout_s=60.0, good=(0, 1))
        if completed.code == 1 and "No state file was found" not in completed.stderr:
            raise Failed(f"terraform state list failed: {completed.last_line}")
        return tuple(
            line
            for line in completed.stdout.splitlines()
            if line and not line.startswith("data.") and ".data." not in line
        )

    def version(self) -> str:
        """Return what Terraform says of its version."""
        return self._run("version", timeout_s=30.0).stdout.splitlines()[0]

    def _run(self, *arguments: str, timeout_s: float, good: tuple[int, ...] = (0,)) -> Completed:
        completed = run_command(
            [self.command, *arguments], cwd=self.directory, environment=self.environment, timeout_s=timeout_s
        )
        if completed.code not in good:
            raise Failed(f"terraform {arguments[0]} failed: {_first_error(completed.stderr or completed.stdout)}")
        return completed

    def _detached(
        self, name: str, arguments: list[str], on_event: Callable[[dict[str, Any]], None], timeout_s: float
    ) -> None:
        errors: list[str] = []

        def read(line: str) -> None:
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                errors.append(line.strip())
                return
            if event.get("@level") == "error":
                errors.append(str(event.get("@message", "")).removeprefix("Error: "))
            on_event(event)

        command = DetachedCommand(self.work / name)
        command.start([self.command, *arguments], cwd=self.directory, environment=self.environment)
        code = command.wait(timeout_s, read)
        if code != 0:
            raise Failed(f"terraform {name} ended with exit code {code}: {(errors or ['no error was named'])[0]}")


def _first_error(text: str) -> str:
    lines = [line.strip(" │╷╵") for line in text.splitlines()]
    start = next((index for index, line in enumerate(lines) if line.startswith("Error")), None)
    if start is None:
        return next((line for line in reversed(lines) if line), "it said nothing")
    details = [line for line in lines[start + 1 : start + 8] if line]
    return " ".join([lines[start], *details])[:400]
