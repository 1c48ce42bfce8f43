"""Output of containers, as the shim kept it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from deployments.rehearsal.engine.containers import Container
from deployments.rehearsal.engine.errors import EngineError


@dataclass(frozen=True)
class LogLine:
    """One line.

    Attributes:
        text: Without its line end.
        stream: `stdout` or `stderr`.
        time: RFC 3339 with nanoseconds.
    """

    text: str
    stream: str
    time: str


def read_log(container: Container, tail: str = "all", since: str = "") -> list[LogLine]:
    """Returns the last lines of a container's output.

    Args:
        container: The container.
        tail: Number of lines, or `all`.
        since: RFC 3339 time in UTC; earlier lines are left out. Empty = from the start.

    Raises:
        EngineError: `tail` is no number.
    """
    lines = list(_lines(container))
    if since:
        lines = [line for line in lines if line.time >= since]
    if tail in {"all", "-1"}:
        return lines
    if not tail.isdigit():
        raise EngineError(f'invalid value for "tail": {tail}')
    return lines[len(lines) - min(int(tail), len(lines)) :]


def _lines(container: Container) -> Iterator[LogLine]:
    if not container.log.exists():
        return
    with container.log.open() as log:
        for raw in log:
            entry = json.loads(raw)
            yield LogLine(entry["log"].removesuffix("\n"), entry["stream"], entry["time"])
