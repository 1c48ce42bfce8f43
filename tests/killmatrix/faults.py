"""A door in front of AWS that can be shut: real HTTP answers of a service that is overloaded, or of expired credentials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from tests.integration.cloud.tampering import tampered


@dataclass
class Door:
    """Where AWS is reached, and how it answers."""

    url: str = ""
    answers: Literal["itself", "errors", "expired"] = "itself"
    refused: int = 0

    def refuse(self, _operation: str) -> tuple[int, str] | None:
        """Return status and code of a refusal; None lets the call pass."""
        if self.answers == "itself":
            return None
        self.refused += 1
        if self.answers == "expired":
            return 403, "ExpiredToken"
        return (500, "InternalError") if self.refused % 2 else (503, "Throttling")


@contextmanager
def door(upstream: str) -> Iterator[Door]:
    """Serve a door to a server."""
    made = Door()
    with tampered(upstream, made.refuse) as made.url:
        yield made
