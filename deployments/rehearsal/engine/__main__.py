"""`docker ...` of a rehearsal host: `python -m deployments.rehearsal.engine ARGUMENTS`.

Every call is a process, as with docker itself, so only what a command needs is imported.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from deployments.rehearsal.engine.errors import EngineError, Unsupported
from deployments.rehearsal.engine.output import err

_COMMANDS = {
    "build": "building:build",
    "buildx build": "building:buildx_build",
    "buildx version": "building:buildx_version",
    "image build": "building:build",
    "login": "registries:login",
    "logout": "registries:logout",
    "push": "registries:push",
    "pull": "registries:pull",
    "image push": "registries:push",
    "image pull": "registries:pull",
    "manifest inspect": "registries:manifest_inspect",
    "tag": "images:tag",
    "image tag": "images:tag",
    "images": "images:images",
    "image ls": "images:images",
    "image inspect": "images:image_inspect",
    "ps": "containers:ps",
    "container ls": "containers:ps",
    "inspect": "containers:inspect",
    "container inspect": "containers:inspect",
    "stats": "containers:stats",
    "container stats": "containers:stats",
    "logs": "containers:logs",
    "container logs": "containers:logs",
    "start": "containers:start",
    "stop": "containers:stop",
    "kill": "containers:kill",
    "restart": "containers:restart",
    "rm": "containers:rm",
    "exec": "containers:execute",
    "version": "system:version",
    "--version": "system:short_version",
    "-v": "system:short_version",
    "info": "system:info",
    "system info": "system:info",
    "compose": "composition:compose",
}
"""What may follow `docker` -> module of `commands` and function (takes the remaining words)."""

_GROUPS = frozenset({"buildx", "image", "manifest", "container", "system"})
_INTERRUPTED = 130


def main(words: list[str]) -> int:
    """Runs one command and returns its exit code."""
    try:
        words = _global_options(words)
        name = " ".join(words[: 2 if words[0] in _GROUPS else 1])
        if name not in _COMMANDS:
            raise Unsupported(name)
        module, function = _COMMANDS[name].split(":")
        run = getattr(import_module(f"deployments.rehearsal.engine.commands.{module}"), function)
        code = run(words[len(name.split()) :])
    except EngineError as error:
        err(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader has enough; point standard output elsewhere so that the interpreter's last flush is quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return int(code or 0)


def _global_options(words: list[str]) -> list[str]:
    """Takes off what may stand before the command: `--config DIR` (credentials) and `--log-level`."""
    while words and words[0] in {"--config", "--log-level", "-l"}:
        if len(words) == 1:
            raise EngineError(f"flag needs an argument: {words[0]}")
        if words[0] == "--config":
            os.environ["DOCKER_CONFIG"] = words[1]
        words = words[2:]
    if not words:
        raise EngineError("stand-in engine: 'docker' without a command is not supported")
    return words


if __name__ == "__main__":
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
