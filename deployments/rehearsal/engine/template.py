r"""The part of Go's templates that operators use in `--format`.

`{{.State.Status}}`, `{{json .}}`, `{{index .RepoDigests 0}}`, `{{range .RepoDigests}}..{{end}}`, `{{if ..}}..{{else}}..{{end}}`,
`{{len ..}}`, `{{println ..}}`, `{{.Label "name"}}` and pipes; `\t` and `\n` are a tab and a line end. Anything else is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from deployments.rehearsal.engine.errors import EngineError

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\||[^\s|]+')

Evaluated = Any


def render(template: str, data: Evaluated) -> str:
    """Fills a template.

    Args:
        template: As typed after `--format`; `json` alone means `{{json .}}`.
        data: Dictionaries, lists and scalars, as the JSON form of the same object. Values that can be called are methods.

    Raises:
        EngineError: A field is missing or the template uses what is not supported here.
    """
    if template == "json":
        template = "{{json .}}"
    pieces = _ACTION.split(template.replace("\\t", "\t").replace("\\n", "\n"))
    return _Renderer(pieces).block(data)[0]


def to_json(value: Evaluated) -> str:
    """Writes a value as docker's `json` function does: compact, on one line, methods left out."""
    return json.dumps(_without_methods(value), separators=(",", ":"), ensure_ascii=False)


class _Renderer:
    """Walks the pieces of a template: text at even places, actions at odd ones."""

    def __init__(self, pieces: list[str]) -> None:
        self._pieces = pieces

    def block(self, data: Evaluated, at: int = 0, *, live: bool = True) -> tuple[str, int, str]:
        """Renders until `end` or `else`; returns text, the place after it, and which of the two (or "") ended it."""
        text: list[str] = []
        while at < len(self._pieces):
            piece = self._pieces[at]
            at += 1
            if at % 2:
                text.append(piece)
                continue
            word, _, rest = piece.partition(" ")
            if word in {"end", "else"}:
                return "".join(text), at, word
            if word in {"if", "range"}:
                made, at = self._branch(word, rest, data, at, live=live)
                text.append(made)
            elif live:
                text.append(_printed(_pipeline(piece, data)))
        return "".join(text), at, ""

    def _branch(self, word: str, rest: str, data: Evaluated, at: int, *, live: bool) -> tuple[str, int]:
        value = _pipeline(rest, data) if live else None
        items = [data] if value else []
        if word == "range":
            items = list(value.values()) if isinstance(value, dict) else list(value or [])
        made = [self.block(item, at)[0] for item in items]
        _, after, ended_by = self.block(data, at, live=False)
        if ended_by == "else":
            other, after, _ = self.block(data, after, live=live and not items)
            made.append("" if items else other)
        return "".join(made), after


def _pipeline(text: str, data: Evaluated) -> Evaluated:
    words = _WORD.findall(text)
    value: list[Evaluated] = []
    while words:
        end = words.index("|") if "|" in words else len(words)
        value = [_call(words[:end], data, value)]
        words = words[end + 1 :]
    return value[0] if value else None


def _call(words: list[str], data: Evaluated, piped: list[Evaluated]) -> Evaluated:
    head, arguments = words[0], [_value(word, data) for word in words[1:]]
    if head in _FUNCTIONS:
        return _FUNCTIONS[head](*arguments, *piped)
    value = _value(head, data)
    if callable(value):
        return value(*arguments, *piped)
    if arguments:
        raise EngineError(f"template parsing error: stand-in engine: '{' '.join(words)}' is not supported")
    return value


def _value(word: str, data: Evaluated) -> Evaluated:
    if word.startswith('"'):
        return json.loads(word)
    if re.fullmatch(r"-?\d+", word):
        return int(word)
    if not word.startswith("."):
        raise EngineError(f'template parsing error: template: :1: function "{word}" not defined')
    value = data
    for field in filter(None, word.split(".")):
        if not isinstance(value, dict) or field not in value:
            raise EngineError(
                f'template parsing error: template: :1: executing "" at <{word}>: no entry for key "{field}"'
            )
        value = value[field]
    return value


def _index(value: Evaluated, *keys: Evaluated) -> Evaluated:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, "")
        elif isinstance(key, int) and isinstance(value, list) and 0 <= key < len(value):
            value = value[key]
        else:
            raise EngineError(f"template parsing error: error calling index: index out of range: {key}")
    return value


def _printed(value: Evaluated) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "<no value>"
    if isinstance(value, list):
        return "[" + " ".join(map(_printed, value)) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_printed(value[key])}" for key in sorted(value)) + "]"
    return str(value)


def _without_methods(value: Evaluated) -> Evaluated:
    if isinstance(value, dict):
        return {key: _without_methods(item) for key, item in value.items() if not callable(item)}
    return [_without_methods(item) for item in value] if isinstance(value, list) else value


_FUNCTIONS: dict[str, Callable[..., Evaluated]] = {
    "json": to_json,
    "index": _index,
    "len": len,
    "println": lambda *values: " ".join(map(_printed, values)) + "\n",
    "eq": lambda first, *others: any(first == other for other in others),
    "ne": lambda first, other: first != other,
    "not": lambda value: not value,
    "upper": lambda value: str(value).upper(),
    "lower": lambda value: str(value).lower(),
    "join": lambda values, separator: str(separator).join(values),
}
