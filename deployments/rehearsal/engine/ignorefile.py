"""`.dockerignore`: which files of a build context are left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath


class IgnoreRules:
    """The rules of one ignore file, the last that matches decides (docker's patternmatcher).

    Args:
        lines: Lines of the file; `#` starts a comment, `!` takes a path back in, `**` spans folders.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._rules: list[tuple[bool, re.Pattern[str]]] = []
        for raw in lines:
            line = raw.strip()
            if not line or line.startswith("#"):
                continue
            keeps = line.startswith("!")
            pattern = str(PurePosixPath(line.removeprefix("!").strip().lstrip("/")))
            if pattern != ".":
                self._rules.append((keeps, re.compile(_expression(pattern))))

    def leaves_out(self, path: str) -> bool:
        """Says whether a path (relative to the context, with `/`) is left out; a rule for a folder covers what is in it."""
        parts = path.split("/")
        candidates = ["/".join(parts[: i + 1]) for i in range(len(parts))]
        left_out = False
        for keeps, expression in self._rules:
            if any(expression.fullmatch(candidate) for candidate in candidates):
                left_out = not keeps
        return left_out


def read_ignore_rules(context: Path, dockerfile: Path) -> IgnoreRules:
    """Reads `<Dockerfile>.dockerignore` if there is one, else `.dockerignore` of the context."""
    own = dockerfile.with_name(dockerfile.name + ".dockerignore")
    for path in (own, context / ".dockerignore"):
        if path.is_file():
            return IgnoreRules(path.read_text().splitlines())
    return IgnoreRules([])


def _expression(pattern: str) -> str:
    made = ""
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            made, at = made + "(?:.*/)?", at + 3
        elif pattern.startswith("**", at):
            made, at = made + ".*", at + 2
        elif pattern[at] == "*":
            made, at = made + "[^/]*", at + 1
        elif pattern[at] == "?":
            made, at = made + "[^/]", at + 1
        elif pattern[at] == "[" and "]" in pattern[at:]:
            end = pattern.index("]", at) + 1
            made, at = made + pattern[at:end].replace("[!", "[^"), end
        else:
            made, at = made + re.escape(pattern[at]), at + 1
    return made
