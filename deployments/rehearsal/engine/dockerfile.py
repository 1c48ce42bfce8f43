"""Reads a Dockerfile into instructions. What a rehearsal's file may contain; anything else is refused by name."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from deployments.rehearsal.engine.errors import EngineError

KEYWORDS = frozenset(
    "FROM WORKDIR COPY ADD RUN ENV ARG EXPOSE LABEL USER CMD ENTRYPOINT HEALTHCHECK STOPSIGNAL VOLUME SHELL".split()  # noqa: SIM905
)
"""Instructions that are understood. RUN is recorded but not executed, VOLUME and SHELL are refused when built."""

_FLAG = re.compile(r"--([a-z\-]+)(?:=(\S+))?\s+")
_VARIABLE = re.compile(r"\\(\$)|\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        keyword: Upper case.
        flags: `--from=build` as `{"from": "build"}`.
        rest: What follows the flags, continuation lines joined.
        line: Line number in the file, from 1.
    """

    keyword: str
    flags: Mapping[str, str]
    rest: str
    line: int

    @property
    def text(self) -> str:
        """The instruction as written, on one line."""
        flags = "".join(f"--{name}={value} " for name, value in self.flags.items())
        return f"{self.keyword} {flags}{self.rest}"

    def exec_form(self) -> list[str] | None:
        """Returns the words of a JSON form (`["python", "-m", "api"]`), or None for the shell form."""
        try:
            words = json.loads(self.rest)
        except ValueError:
            return None
        return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def parse_dockerfile(text: str) -> list[Instruction]:
    """Splits a Dockerfile into instructions.

    Raises:
        EngineError: An instruction is unknown, or a here-document is used.
    """
    instructions: list[Instruction] = []
    pending, started = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        started = started if pending else number
        if line.endswith("\\"):
            pending += line[:-1].rstrip() + " "
            continue
        instructions.append(_instruction(pending + line, started))
        pending = ""
    if pending:
        instructions.append(_instruction(pending.strip(), started))
    if not instructions:
        raise EngineError("ERROR: failed to solve: the Dockerfile cannot be empty")
    return instructions


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """Replaces `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+other}`; an unknown name becomes empty."""

    def replacement(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        value = variables.get(match[2] or match[3], "")
        if match[4] == "-":
            return value or match[5]
        if match[4] == "+":
            return match[5] if value else ""
        return value

    return _VARIABLE.sub(replacement, text)


def key_values(rest: str) -> dict[str, str]:
    """Reads `A=1 B="two words"`, and the old form `A the rest`."""
    first = rest.split(maxsplit=1)
    if "=" not in first[0]:
        return {first[0]: first[1] if len(first) > 1 else ""}
    return dict(word.split("=", 1) for word in shlex.split(rest) if "=" in word)


def _instruction(text: str, line: int) -> Instruction:
    keyword, _, rest = text.partition(" ")
    keyword, rest = keyword.upper(), rest.strip()
    if keyword not in KEYWORDS:
        raise EngineError(
            f"ERROR: failed to solve: dockerfile parse error on line {line}: unknown instruction: {keyword}"
        )
    if "<<" in rest and keyword in {"RUN", "COPY", "ADD"}:
        raise EngineError(f"stand-in engine: here-documents in a Dockerfile (line {line}) are not supported")
    flags: dict[str, str] = {}
    while match := _FLAG.match(rest):
        flags[match[1]] = match[2] or "true"
        rest = rest[match.end() :]
    return Instruction(keyword, flags, rest, line)
