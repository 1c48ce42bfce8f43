"""`.env` and `env_file` files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deployments.rehearsal.engine.compose.interpolation import Interpolation
from deployments.rehearsal.engine.errors import EngineError


def read_env_file(path: Path, outer: Mapping[str, str]) -> dict[str, str]:
    """Reads `NAME=value` lines; single quotes keep a value as it is, otherwise variables are filled in.

    Args:
        path: The file.
        outer: Variables that win over those of the file when a value refers to one.

    Raises:
        EngineError: The file is missing or a line is wrong.
    """
    if not path.is_file():
        raise EngineError(f"couldn't find env file: {path}")
    made: dict[str, str] = {}
    for number, raw in enumerate(path.read_text().splitlines(), 1):
        line = raw.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or " " in name.strip():
            raise EngineError(f'failed to read {path}: line {number}: unexpected character in variable name "{line}"')
        made[name.strip()] = _value(value.strip(), {**made, **outer})
    return made


def _value(text: str, variables: Mapping[str, str]) -> str:
    for quote in ("'", '"'):
        if text.startswith(quote) and quote in text[1:]:
            inside = text[1 : text.index(quote, 1)]
            return inside if quote == "'" else Interpolation(variables, lambda _name: None).text(inside)
    plain = text.split(" #", 1)[0].rstrip()
    return Interpolation(variables, lambda _name: None).text(plain)
