"""What a k6 script asks for, and the stages Rampart makes of it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value: compared by content, never changed."""

    model_config = ConfigDict(frozen=True)


class Level(Frozen):
    """A height of the load that the script holds."""

    number: int
    """1 for the lowest."""
    amounts: dict[str, float]
    """Virtual users, or iterations per second for arrival-rate scripts, of each scenario."""
    rise_s: float
    """How long the script takes from the level below to this one."""
    hold_s: float
    """How long the script stays on it."""

    @property
    def amount(self) -> float:
        """Virtual users, or iterations per second, over all scenarios."""
        return sum(self.amounts.values())


class ScenarioLoad(Frozen):
    """One scenario of the script."""

    name: str
    executor: Literal["ramping-vus", "ramping-arrival-rate"]
    """The executor a segment of it runs with."""
    options: dict[str, Any]
    """What the script says beside the load itself: exec, env, tags, gracefulStop, preAllocatedVUs, …"""
    resolved: dict[str, Any]
    """The scenario as k6 resolved it, for running the script literally."""


class LoadPlan(Frozen):
    """The script, resolved by k6 and read by Rampart."""

    unit: Literal["vus", "rate"]
    levels: tuple[Level, ...]
    scenarios: tuple[ScenarioLoad, ...]
    thresholds: dict[str, Any]
    tags: dict[str, str]
    other: dict[str, Any]
    """Options of the script that a segment keeps as they are (noConnectionReuse, userAgent, …)."""

    @property
    def script_seconds(self) -> float:
        """How long the script's own ramp takes, rises and holds together."""
        return sum(level.rise_s + level.hold_s for level in self.levels)


class Segment(Frozen):
    """One cut of the load: a k6 process that runs from its stage until it is stopped."""

    index: int
    """Its own at every start; a cut that is started again gets another one."""
    stage: int
    """The stage that starts it."""
    loadgen: int
    """Which load generator runs it, 0 for the first."""
    start: Fraction
    end: Fraction
    rise_s: float
    amounts: dict[str, float] = {}
    """Virtual users, or iterations per second, it adds to each scenario; empty when it runs the script as it is."""
    targets: dict[str, float] = {}
    """What k6 is told for each scenario: the cut from start to end of it is the amount."""

    @property
    def name(self) -> str:
        """The name of its k6 job and the value of its `instance` tag."""
        return f"segment-{self.index:02d}"

    @property
    def share(self) -> float:
        """Its part of the whole load, 0 to 1."""
        return float(self.end - self.start)
