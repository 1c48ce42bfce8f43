"""Variables of a compose file: `$NAME`, `${NAME:-default}`, `${NAME:?why}`, `${NAME:+other}`, `$$`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from deployments.rehearsal.engine.errors import EngineError

_NAME = re.compile(r"[A-Za-z_]\w*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class Interpolation:
    """Fills variables in.

    Args:
        variables: Names and values.
        warn: Takes the name of a variable that is not set, once each.
    """

    def __init__(self, variables: Mapping[str, str], warn: Callable[[str], None]) -> None:
        self._variables, self._warn = variables, warn
        self._warned: set[str] = set()

    def tree(self, value: Any, path: str = "") -> Any:  # noqa: ANN401 - what YAML holds
        """Returns a copy of a YAML value with every string filled in (keys are left alone, as compose does).

        Raises:
            EngineError: A required variable is missing, or the syntax is wrong; the message names the place.
        """
        if isinstance(value, dict):
            return {key: self.tree(item, f"{path}.{key}".lstrip(".")) for key, item in value.items()}
        if isinstance(value, list):
            return [self.tree(item, f"{path}.[{i}]") for i, item in enumerate(value)]
        if isinstance(value, str) and "$" in value:
            try:
                return self.text(value)
            except EngineError as error:
                raise EngineError(f"error while interpolating {path}: {error}") from error
        return value

    def text(self, text: str) -> str:
        """Fills one string in."""
        made, at = "", 0
        while (found := text.find("$", at)) >= 0:
            made += text[at:found]
            following = text[found + 1 : found + 2]
            if following == "$":
                made, at = made + "$", found + 2
            elif following == "{":
                end = _closing(text, found + 2)
                made, at = made + self._braced(text[found + 2 : end], text), end + 1
            elif match := _NAME.match(text, found + 1):
                made, at = made + self._plain(match[0]), match.end()
            else:
                raise EngineError(f'invalid interpolation format: "{text}"')
        return made + text[at:]

    def _braced(self, inside: str, whole: str) -> str:
        match = _NAME.match(inside)
        if not match:
            raise EngineError(f'invalid interpolation format: "{whole}"')
        name, rest = match[0], inside[match.end() :]
        if not rest:
            return self._plain(name)
        operator = next((o for o in _OPERATORS if rest.startswith(o)), None)
        if operator is None:
            raise EngineError(f'invalid interpolation format: "{whole}"')
        word = rest[len(operator) :]
        value = self._variables.get(name)
        given = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("+"):
            return self.text(word) if given else ""
        if given:
            return value or ""
        if operator.endswith("?"):
            raise EngineError(f"required variable {name} is missing a value: {self.text(word)}")
        return self.text(word)

    def _plain(self, name: str) -> str:
        if name not in self._variables and name not in self._warned:
            self._warned.add(name)
            self._warn(name)
        return self._variables.get(name, "")


def _closing(text: str, at: int) -> int:
    depth = 1
    for place in range(at, len(text)):
        if text.startswith("${", place):
            depth += 1
        elif text[place] == "}":
            depth -= 1
            if depth == 0:
                return place
    raise EngineError(f'invalid interpolation format: "{text}"')
