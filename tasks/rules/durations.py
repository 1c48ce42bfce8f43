"""Go's way of writing durations, as k6 and Jaeger use it."""

from __future__ import annotations

import re

from blocks.models.errors import Refused

_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(text: str) -> float:
    """Return the seconds of a Go duration such as ``4m12s`` or ``500ms``.

    Raises:
        Refused: the text is not a duration.
    """
    if text in {"", "0"}:
        return 0.0
    parts = _PART.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise Refused(f"'{text}' is not a duration; k6 writes them like 4m12s.")
    return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))


def go_duration(seconds: float) -> str:
    """Write seconds as k6 reads them, to the millisecond."""
    return f"{max(0, round(seconds * 1000))}ms"
