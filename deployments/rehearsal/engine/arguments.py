"""Command lines, taken apart as strictly as docker does: an option that is not known is an error."""

from __future__ import annotations

import argparse
from typing import NoReturn

from deployments.rehearsal.engine.errors import EngineError


class Arguments(argparse.ArgumentParser):
    """A parser that ends in an EngineError and guesses nothing.

    Args:
        command: The command as typed after `docker`, for messages.
    """

    def __init__(self, command: str) -> None:
        super().__init__(prog=f"docker {command}", add_help=False, allow_abbrev=False)
        self._command = command

    def error(self, message: str) -> NoReturn:
        """Raises what argparse would print."""
        raise EngineError(f"stand-in engine: 'docker {self._command}': {message}")

    def flag(self, *names: str) -> None:
        """Adds a switch."""
        self.add_argument(*names, action="store_true")

    def value(self, *names: str, default: str | None = "") -> None:
        """Adds an option with one value."""
        self.add_argument(*names, default=default)

    def values(self, *names: str) -> None:
        """Adds an option that may be repeated."""
        self.add_argument(*names, action="append", default=[])

    def words(self, name: str, count: str = "+") -> None:
        """Adds positional words."""
        self.add_argument(name, nargs=count)

    def rest(self, name: str) -> None:
        """Adds everything that follows, options included."""
        self.add_argument(name, nargs=argparse.REMAINDER)


def pairs(values: list[str], environment: dict[str, str] | None = None) -> dict[str, str]:
    """Reads `NAME=VALUE` options; a bare NAME takes its value from `environment`, or is left out if it is not there."""
    made: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if equals:
            made[name] = value
        elif environment is None:
            made[name] = ""
        elif name in environment:
            made[name] = environment[name]
    return made
