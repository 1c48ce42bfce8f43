"""A part of the rehearsal for which a real server may be at hand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """What serves one part of the rehearsal; without a program and an address it is the stand-in.

    Attributes:
        line: What the first lines of a run say of it.
        program: Program of this machine that is used.
        url: Address of what serves already; empty when the stack starts it.
        otlp_url: Of Jaeger only: where it takes spans (OTLP over HTTP), without the path.
    """

    line: str
    program: str = ""
    url: str = ""
    otlp_url: str = ""

    @property
    def real(self) -> bool:
        """Whether the real thing is used."""
        return bool(self.program or self.url)


class NotUsable(Exception):
    """Why a real part is not used; the text goes into brackets behind the stand-in's line."""
