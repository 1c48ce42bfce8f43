"""Which stage's evidence is to be taken now: said by the ramp, heard by the thread that takes it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event

# Longer than all pieces take where all servers answer; a piece that hangs has a time-out of its own.
_LIMIT_S = 90.0


@dataclass
class Order:
    """A stage whose evidence is to be taken until somebody needs the quiet."""

    number: int
    _hushed: Event = field(default_factory=Event)
    _until_s: float = field(default_factory=lambda: time.monotonic() + _LIMIT_S)

    def go_on(self) -> bool:
        """Whether more may be taken now."""
        return not self.why_not()

    def why_not(self) -> str:
        """Say why no more may be taken; empty when it may."""
        if self._hushed.is_set():
            return "the next stage needed the quiet before it was taken"
        return f"it was not taken within {_LIMIT_S:g} s" if time.monotonic() > self._until_s else ""

    def hush(self) -> None:
        """Leave what has not been taken."""
        self._hushed.set()


class Captures:
    """The orders of one ramp, in turn. Ordering returns at once: nothing waits for evidence."""

    def __init__(self) -> None:
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        self._given: list[Order] = []

    def take(self, number: int) -> None:
        """Have a stage's evidence taken from now on."""
        order = Order(number)
        self._given.append(order)
        self._orders.put(order)

    def hush(self) -> None:
        """Leave what has not been taken: a gate's window or a short rise begins, and nothing of ours may be seen in it."""
        while self._given:
            self._given.pop().hush()

    def close(self) -> None:
        """Say that no order follows."""
        self._orders.put(None)

    def __iter__(self) -> Iterator[Order]:
        """Wait for the orders until there are no more."""
        while (order := self._orders.get()) is not None:
            yield order
