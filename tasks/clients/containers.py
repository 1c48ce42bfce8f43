"""The container engine on the worker: log in, build, push. Secrets go through standard input only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from blocks.models.errors import Failed
from tasks.clients.account import RegistryLogin
from tasks.clients.processes import Completed, run_command

# Building and pushing one image; a cold build of a service takes a few minutes.
_BUILD_S = 1200.0


class ContainerEngine:
    """The docker command line.

    Args:
        command: how it is called, such as ``("docker",)``.
        config_folder: where the log-in is kept for this run only (DOCKER_CONFIG).
    """

    def __init__(self, command: Sequence[str], config_folder: Path) -> None:
        self._command = tuple(command)
        self._environment = {"DOCKER_CONFIG": str(config_folder)}
        config_folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def version(self) -> str:
        """Return the engine's version; fails when only the client is there."""
        return self._must("version", "--format", "{{.Server.Version}}").stdout.strip()

    def log_in(self, login: RegistryLogin) -> str:
        """Log in to the registry and return what the engine said."""
        registry = login.endpoint.removeprefix("https://").removeprefix("http://")
        return self._must("login", "-u", login.user, "--password-stdin", registry, stdin=login.password).stdout.strip()

    def build(self, context: Path, dockerfile: Path, tag: str, architecture: str) -> None:
        """Build an image for an architecture (``arm64`` or ``amd64``)."""
        self._must(
            "build", "--platform", f"linux/{architecture}", "-t", tag, "-f", str(dockerfile), str(context),
            timeout_s=_BUILD_S,
        )  # fmt: skip

    def architecture(self, tag: str) -> str:
        """Return the architecture an image really has; builders can silently make another one."""
        shown = json.loads(self._must("image", "inspect", tag).stdout)
        return str(shown[0]["Architecture"])

    def push(self, tag: str) -> str:
        """Push an image and return the digest the registry gave it."""
        completed = self._must("push", tag, timeout_s=_BUILD_S)
        for line in reversed(completed.stdout.splitlines()):
            if "digest: sha256:" in line:
                return "sha256:" + line.partition("digest: sha256:")[2].split()[0]
        raise Failed(f"Pushing {tag} ended without a digest: {completed.last_line}")

    def _must(self, *arguments: str, stdin: str | None = None, timeout_s: float = 60.0) -> Completed:
        completed = run_command(
            [*self._command, *arguments], environment=self._environment, stdin=stdin, timeout_s=timeout_s
        )
        if completed.code != 0:
            raise Failed(f"{self._command[0]} {arguments[0]} failed: {completed.last_line}")
        return completed
