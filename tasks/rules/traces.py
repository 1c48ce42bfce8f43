"""Which traces of a stage are worth keeping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

# Slow is what is slower than this part of the traces that were seen; the endpoints are compared by it too.
_SLOW = 0.9


class Timed(Protocol):
    """What is known of a trace from a search."""

    @property
    def root(self) -> str:
        """The operation it began with."""

    @property
    def duration_ms(self) -> float:
        """How long it took."""


def slowest_operation(traces: Sequence[Timed]) -> str:
    """Return the operation whose slow requests are the slowest; empty when there is no trace."""
    by_operation: dict[str, list[float]] = {}
    for trace in traces:
        by_operation.setdefault(trace.root, []).append(trace.duration_ms)
    return max(sorted(by_operation), key=lambda name: _quantile(by_operation[name]), default="")


def slow_ms(traces: Sequence[Timed]) -> float:
    """Return from which duration on a request of the slowest operation is slow."""
    slowest = slowest_operation(traces)
    return _quantile([trace.duration_ms for trace in traces if trace.root == slowest])


def _quantile(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * _SLOW))] if ordered else 0.0
