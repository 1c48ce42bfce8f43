"""Sizes, durations and times, read and written as docker does."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from deployments.rehearsal.engine.errors import EngineError

ZERO_TIME = "0001-01-01T00:00:00Z"
"""How docker writes a time that never was."""

_BINARY_STEP = 1024
_DECIMAL_STEP = 1000
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*$", re.IGNORECASE)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_NANOSECONDS = 1_000_000_000


def parse_size_bytes(text: str) -> int:
    """Returns bytes of `512m`, `1gb`, `4096`: steps of 1024, as `mem_limit` counts.

    Raises:
        EngineError: The text is no size.
    """
    match = _SIZE.match(text)
    if not match:
        raise EngineError(f"invalid size: '{text}'")
    return int(float(match[1]) * _BINARY_STEP ** " kmgt".index(match[2].lower() or " "))


def parse_duration_s(text: str) -> float:
    """Returns seconds of `1m30s`, `500ms`; a bare number is seconds.

    Raises:
        EngineError: The text is no duration.
    """
    bare = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", bare):
        return float(bare)
    parts = _DURATION_PART.findall(bare)
    if not parts or "".join(number + unit for number, unit in parts) != bare:
        raise EngineError(f'time: invalid duration "{text}"')
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def binary_size(size_bytes: float) -> str:
    """Writes bytes as `docker stats` does for memory: `208KiB`, `23.54GiB`."""
    return _scaled(size_bytes, _BINARY_STEP, ("B", "KiB", "MiB", "GiB", "TiB"), ".4g")


def decimal_size(size_bytes: float, digits: int = 4) -> str:
    """Writes bytes as `docker images` does (3 digits) and `docker stats` for traffic (4): `12.3MB`."""
    return _scaled(size_bytes, _DECIMAL_STEP, ("B", "kB", "MB", "GB", "TB"), f".{digits}g")


def rfc3339(seconds: float) -> str:
    """Writes seconds since the epoch with nanoseconds and Z."""
    whole, nanoseconds = divmod(int(seconds * _NANOSECONDS), _NANOSECONDS)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def created_at(seconds: float) -> str:
    """Writes a time as `docker ps` does in CreatedAt."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} +0000 UTC"


def seconds_since_epoch(stamp: str) -> float:
    """Reads an RFC 3339 time with any number of decimals."""
    head, _, tail = stamp.removesuffix("Z").partition(".")
    whole = datetime.fromisoformat(head).replace(tzinfo=UTC).timestamp()
    return whole + (float(f"0.{tail}") if tail else 0.0)


def age(seconds: float) -> str:
    """Writes a span as docker's `Up 5 minutes` does (units.HumanDuration of docker/go-units)."""
    whole = max(0, int(seconds))
    minutes, hours = whole // 60, round(whole / 3600)
    table = (
        (whole < 1, "Less than a second"),
        (whole == 1, "1 second"),
        (whole < 60, f"{whole} seconds"),  # noqa: PLR2004
        (minutes == 1, "About a minute"),
        (minutes < 60, f"{minutes} minutes"),  # noqa: PLR2004
        (hours == 1, "About an hour"),
        (hours < 48, f"{hours} hours"),  # noqa: PLR2004
        (hours < 24 * 14, f"{hours // 24} days"),
        (hours < 24 * 60, f"{hours // 24 // 7} weeks"),
        (hours < 24 * 730, f"{hours // 24 // 30} months"),
    )
    return next((text for holds, text in table if holds), f"{hours // 24 // 365} years")


def ago(then: float) -> str:
    """Writes how long ago a time was, such as `5 minutes ago`."""
    return f"{age(time.time() - then)} ago"


def _scaled(size: float, step: int, units: tuple[str, ...], form: str) -> str:
    index = 0
    while size >= step and index < len(units) - 1:
        size /= step
        index += 1
    return f"{size:{form}}{units[index]}"
