"""The drills and the faults they inject: each changes a mechanism of the system or of a host, never a metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from blocks.models.errors import Refused
from blocks.models.triage import Answer, Row

UNKNOWN = "unknown"
"""What is detected when no row of the matrix matched."""

DECISIONS: Mapping[str, Answer] = {
    "prisma-pool": "resume",
    "bullmq-backlog": "throttle",
    "ws-handshake": "halt",
    "http-429": "resume",
    "oom-kill": "halt",
    "k6-saturated": "halt",
    UNKNOWN: "halt",
}
"""The decision of the matrix by row: for ws-handshake when rt's CPU is saturated, for bullmq-backlog for one queue."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        row: The row of the matrix it belongs to.
        settings: Service -> setting of its admin port -> value.
        burners: Threads that compute beside k6 on the load generator.
        needs: What this machine must be able to limit for it.
    """

    row: Row
    settings: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    burners: int = 0
    needs: Literal["", "memory", "cpu"] = ""


@dataclass(frozen=True)
class Drill:
    """A rehearsal with faults, and what it is to show.

    Attributes:
        name: As given to `make drill NAME=`.
        faults: What is injected; empty for the control.
        renamed: Whether the block names a metric of the fault's row that does not exist: the row is INCONCLUSIVE then.
    """

    name: str
    faults: tuple[Fault, ...]
    renamed: bool = False

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that are injected."""
        return tuple(fault.row for fault in self.faults)


# Stage 2 of the drill's ramp is 40 users who act about once a second: 16 sign in, 20 bet or read their history,
# 4 hold a socket. A closed loop of n users on one connection of 100 ms waits n x 0.1 s - 1 s: 0.6 s and 1 s.
_POOL = Fault("prisma-pool", {name: {"prisma_pool_size": 1, "db_query_ms": 100} for name in ("auth", "bet")})
# 8 jobs a second: fewer than the 12 bets a second of stage 2, more than a quarter of the 30 of the last stage.
_BACKLOG = Fault("bullmq-backlog", {"worker": {"worker_concurrency": 1, "job_ms": 125}})
# Four sockets with a tick a second want 1.6 s of computation a second.
_EVENT_LOOP = Fault("ws-handshake", {"rt": {"rt_block_ms": 400}})
# Of 36 requests a second at stage 2.
_RATE_LIMIT = Fault("http-429", {"api": {"rate_limit_rps": 10}})
# More than the 256 MiB of bet's container.
_MEMORY = Fault("oom-kill", {"bet": {"hold_bytes": 400 * 1024 * 1024}}, needs="memory")
# They use up the one core of the load generator; k6 then waits about 30 ms each time it wants to run.
_BURNER = Fault("k6-saturated", burners=32, needs="cpu")

DRILLS: Mapping[str, Drill] = {
    drill.name: drill
    for drill in (
        *(Drill(fault.row, (fault,)) for fault in (_POOL, _BACKLOG, _EVENT_LOOP, _RATE_LIMIT, _MEMORY, _BURNER)),
        Drill("healthy", ()),
        Drill("two-faults", (_POOL, _RATE_LIMIT)),
        Drill("renamed-metric", (_POOL,), renamed=True),
    )
}
"""Every drill by its name."""


def drill_named(name: str) -> Drill:
    """Return a drill.

    Raises:
        Refused: there is none of this name.
    """
    if name not in DRILLS:
        raise Refused(f"There is no drill '{name}'; give NAME one of: {', '.join(DRILLS)}.")
    return DRILLS[name]
