"""The operator of a drill: reads the row that triage ranked first, repairs what it names, and answers as the matrix says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from blocks.models.errors import RampartError
from blocks.models.event import Event
from deployments.rehearsal import layout
from deployments.rehearsal.drills.blocks import set_bypass
from deployments.rehearsal.drills.faults import DECISIONS
from deployments.rehearsal.drills.sut import AdminPorts
from deployments.rehearsal.drills.verdict import detected

# Prisma's default is twice the cores and one; a pool that holds a stage's users waits for nobody.
_POOL_SIZE = 40
_POOLED = ("auth", "bet")
# The scenario whose bets fill the queues, and what is left of it: a quarter.
_THROTTLED = {"scenario": "bet", "share": 0.25}
_NAME = "drill operator"


class Responder:
    """Answers triage. It knows what the run's journal says and nothing of what was injected.

    Args:
        services: the system's admin ports, for repairs.
    """

    def __init__(self, services: AdminPorts) -> None:
        self._services = services
        self._answered: set[str] = set()
        self._repairs: Mapping[str, Callable[[], None]] = {
            "prisma-pool": self._enlarge_pools,
            "http-429": self._pass_the_limit,
        }

    def answer(self, events: Sequence[Event]) -> dict[str, Any]:
        """Return the form's values for the last triage of a journal; repairs are done when this returns.

        The row ranked first decides. Before a resume every row that matched and can be repaired is repaired: the
        smoke test that follows would find what was left. What cannot be repaired is a halt, and so is a row that
        comes first again after its answer.
        """
        rows = [event for event in events if event.kind == "triage"][-1].data["rows"]
        first = detected(rows)
        if first in self._answered:
            return {"decision": "halt", "name": f"{_NAME}: {first} came back"}
        self._answered.add(first)
        decision = DECISIONS[first]
        if decision == "resume":
            try:
                for row in rows:
                    if row["matched"] and row["row"] in self._repairs:
                        self._repairs[row["row"]]()
            except RampartError as error:
                return {"decision": "halt", "name": f"{_NAME}: {error}"[:80]}
        return {"decision": decision, "name": _NAME, **(_THROTTLED if decision == "throttle" else {})}

    def _enlarge_pools(self) -> None:
        for service in _POOLED:
            self._services.change(service, {"prisma_pool_size": _POOL_SIZE})

    def _pass_the_limit(self) -> None:
        set_bypass(bypass_key())


def bypass_key() -> str:
    """Return the secret that passes the system's rate limit, as its compose environment has it."""
    lines = (layout.COMPOSE / ".env").read_text().splitlines()
    return dict(line.partition("=")[::2] for line in lines)["LOAD_TEST_BYPASS"]
