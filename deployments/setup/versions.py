"""Versions as tools print them, and whether one is in a range."""

import re


def parse_version(output: str, pattern: str) -> str | None:
    """The first group of `pattern` in what a tool printed, or None."""
    match = re.search(pattern, output)
    return match.group(1) if match else None


def version_key(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, for comparing: `9.2p1` is (9, 2), `1.9.4-dev` is (1, 9, 4)."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def fits(version: str, minimum: str, below: str | None = None) -> bool:
    """Whether `minimum <= version < below`; a version without numbers never fits."""
    key = version_key(version)
    return bool(key) and key >= version_key(minimum) and (below is None or key < version_key(below))
