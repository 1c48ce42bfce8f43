"""The rules of smoke, guard and gate, as data that an operator may edit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Unit = Literal["ms", "ratio", "jobs"]

Metric = Literal[
    "p95_ms",
    "error_rate",
    "container_cpu_ratio",
    "queue_depth",
    "ws_handshake_success",
]

Reason = Annotated[str, Field(min_length=1)]


class StabilityRule(BaseModel):
    """When a stage counts as flat: the two-minute rule of the checklist.

    The constants are those that judged 30 of 30 windows of six recorded series correctly.
    """

    model_config = ConfigDict(frozen=True)

    window_s: float = Field(120.0, gt=0, description="Length of the look in seconds.")
    step_s: float = Field(10.0, ge=1, le=10, description="Distance of the points in seconds.")
    relative_drift: float = Field(
        0.10, gt=0, description="Drift over the window that still counts as flat, of the median."
    )
    floor_ms: float = Field(10.0, ge=0, description="Drift in milliseconds below which nothing counts.")
    floor_ratio: float = Field(0.005, ge=0, description="Drift of an error rate below which nothing counts.")
    floor_jobs: float = Field(5.0, ge=0, description="Drift of a queue's depth below which nothing counts.")
    significance: float = Field(0.05, gt=0, lt=1, description="One-sided Mann-Kendall level.")
    min_points: int = Field(8, ge=4, description="Fewer points are INCONCLUSIVE.")
    max_missing: float = Field(0.2, ge=0, lt=1, description="A larger missing part is INCONCLUSIVE.")

    def floor(self, unit: Unit) -> float:
        """The drift below which nothing counts, in the series' own unit."""
        return {"ms": self.floor_ms, "ratio": self.floor_ratio, "jobs": self.floor_jobs}[unit]


class Series(BaseModel):
    """A metric at a fixed step over the gate's look; None where a point is missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    unit: Unit
    points: tuple[tuple[float, float | None], ...]
    """(seconds, value)"""


class GuardRule(BaseModel):
    """A limit that stops the load when it is crossed."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(min_length=1, description="What the operator reads in the breach, such as 'sign-in p95'.")
    metric: Metric = Field(description="What is measured.")
    scope: str = Field(
        "",
        description="An endpoint, container or queue; empty = each of them (error rate and handshakes: all together). "
        "p95 of the endpoint ws is that of its handshakes.",
    )
    operator: Literal[">", "<"] = Field(">", description="The side on which the limit is crossed.")
    limit: float = Field(gt=0, description="In the metric's unit: ms, ratio (0.05 = 5 %), jobs; above 0.")
    window_s: float = Field(10.0, ge=2, le=300, description="Seconds each value looks back.")
    for_s: float = Field(0.0, ge=0, le=600, description="Seconds it has to stay crossed.")
    settle_s: float = Field(0.0, ge=0, le=600, description="Seconds after a stage's start in which it is not applied.")
    expected: dict[str, Reason] = Field(
        default_factory=dict,
        description="Endpoints, containers or queues that are known to cross it, each with the reason: recorded, not a breach.",
    )


class ExpectedException(BaseModel):
    """A value that is known to be over its limit: recorded, not a blocker."""

    model_config = ConfigDict(frozen=True)

    endpoint: str = Field(description="The endpoint, such as 'bet'.")
    p95_ms: float = Field(gt=0, description="From this p95 in milliseconds on the exception is recorded.")
    reason: str = Field(min_length=1, description="Why it is accepted.")


DEFAULT_GUARD_RULES: tuple[GuardRule, ...] = (
    GuardRule(name="sign-in p95", metric="p95_ms", scope="signin", limit=500.0),
    GuardRule(name="error rate", metric="error_rate", limit=0.05),
    GuardRule(name="container CPU", metric="container_cpu_ratio", limit=0.98, window_s=15.0, for_s=60.0),
    GuardRule(name="queue depth", metric="queue_depth", limit=1000.0, for_s=30.0),
    GuardRule(
        name="WebSocket handshakes", metric="ws_handshake_success", operator="<", limit=0.9, window_s=20.0, for_s=5.0
    ),
)
"""The checklist's three abort criteria (a CPU at its limit reads 0.98 to 1.0, facts on cadvisor), and two of Rampart's own:
a queue that is this deep for half a minute is not emptied before the next stage, and where one handshake of ten fails
the virtual users are not on the system any more; a session lasts seconds, so 20 s hold several handshakes of each."""
