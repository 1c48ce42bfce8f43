"""Time ranges: Grafana's `from` and `to`, durations and steps. All moments are epoch milliseconds."""

import re
from dataclasses import dataclass

UNIT_MS = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "M": 2_592_000_000,
    "y": 31_536_000_000,
}
"""Lengths of Grafana's units; a month is 30 days and a year 365, as in its Go code."""

STEPS_MS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 30_000),
    *(60_000, 120_000, 300_000, 600_000, 900_000, 1_200_000, 1_800_000),
    *(3_600_000, 7_200_000, 10_800_000, 21_600_000, 43_200_000, 86_400_000, 604_800_000),
)
"""Steps Grafana rounds to (grafana pkg/tsdb/intervalv2, roundInterval)."""

MAX_POINTS = 11_000
"""Prometheus refuses more points a series (its own limit; promlib's safeResolution)."""

_ABSOLUTE = re.compile(r"\d+")
_RELATIVE = re.compile(r"now(?:([+-])(\d+)(ms|[smhdwMy]))?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdwMy])")


@dataclass(frozen=True)
class TimeRange:
    """A range of time, epoch milliseconds."""

    from_ms: int
    to_ms: int

    @property
    def length_ms(self) -> int:
        """Length in milliseconds."""
        return self.to_ms - self.from_ms


def parse_moment(text: str, now_ms: int) -> int:
    """`1795421400000`, `now` or `now-15m` as epoch milliseconds.

    Raises:
        ValueError: Anything else.
    """
    if _ABSOLUTE.fullmatch(text):
        return int(text)
    match = _RELATIVE.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a moment; wanted epoch milliseconds, now or now-15m.")
    sign, amount, unit = match.groups()
    if not sign:
        return now_ms
    offset = int(amount) * UNIT_MS[unit]
    return now_ms + offset if sign == "+" else now_ms - offset


def parse_duration(text: str) -> int:
    """`2500ms`, `10s`, `1m` in milliseconds; a leading `>` (Grafana's "at least") is dropped.

    Raises:
        ValueError: Anything else.
    """
    match = _DURATION.fullmatch(text.strip().lstrip(">"))
    if not match:
        raise ValueError(f"{text!r} is not a duration; wanted for example 10s.")
    return max(1, round(float(match[1]) * UNIT_MS[match[2]]))


def format_duration(length_ms: int) -> str:
    """A length as Prometheus reads it: the largest unit that divides it."""
    for unit in ("d", "h", "m", "s"):
        if length_ms >= UNIT_MS[unit] and length_ms % UNIT_MS[unit] == 0:
            return f"{length_ms // UNIT_MS[unit]}{unit}"
    return f"{length_ms}ms"


def choose_step(span: TimeRange, min_step_ms: int, max_points: int) -> int:
    """The step of a range query in milliseconds: a round one, not below the minimum, within Prometheus' limit."""
    step = max(min_step_ms, _round_up(span.length_ms / max(1, max_points)))
    return max(step, _round_up(span.length_ms / MAX_POINTS))


def _round_up(step_ms: float) -> int:
    return next((step for step in STEPS_MS if step >= step_ms), STEPS_MS[-1])
