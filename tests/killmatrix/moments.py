"""Waiting for the moment at which a cell dies."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.killmatrix.cells import Moment
from tests.killmatrix.world import World, until

# The longest way to a moment, on a machine that is shared: set-up, provisioning, smoke, rise.
_REACHED_S = 300.0
# Of the module's 58 resources.
_MOST_MADE = 35


def reach(world: World, moment: Moment) -> bool:
    """Wait until a run is at a moment; False when it ended before, as on a machine too busy for its smoke test."""
    reached = False

    def there() -> bool:
        nonlocal reached
        reached = _REACHED[moment](world)
        return reached or world.ended()

    until(there, f"the run is at {moment}", _REACHED_S)
    return reached


def _log(world: World, operation: str) -> list[dict[str, object]]:
    """Return Terraform's events of an operation so far."""
    file = world.folder / "terraform" / operation / "log"
    lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return [event for event in found if isinstance(event, dict)]


def _count(world: World, kind: str) -> int:
    return sum(event.get("type") == kind for event in _log(world, "apply"))


def _instance_is_made(world: World) -> bool:
    def names(kind: str) -> set[str]:
        hooks = [event["hook"] for event in _log(world, "apply") if event.get("type") == kind]
        return {hook["resource"]["addr"] for hook in hooks if isinstance(hook, dict)}

    return any("aws_instance" in name for name in names("apply_start") - names("apply_complete"))


def _planning(world: World) -> bool:
    return world.has("check", id="preflight.tfvars") and bool(world.terraforms("plan"))


def _paused(world: World, asked: str) -> bool:
    return any(asked in str(paused["name"]) for paused in world.prefect.paused())


_REACHED: dict[Moment, Callable[[World], bool]] = {
    "plan": _planning,
    "apply": lambda world: _count(world, "apply_complete") >= 1,
    "instance": _instance_is_made,
    "late-apply": lambda world: _count(world, "apply_complete") >= _MOST_MADE,
    "provisioning": lambda world: world.has("check", id="provision.outputs"),
    "smoke": lambda world: bool(world.loads()) and world.has("phase_started", phase="smoke"),
    "held-stage": lambda world: world.has("stage_steady", number=1),
    "pause": lambda world: world.has("stage_judged", number=1) and _paused(world, "ramp"),
    "triage": lambda world: world.has("triage") and _paused(world, "ramp"),
    "evidence": lambda world: world.has("phase_started", phase="collect"),
    "destroy": lambda world: bool(world.terraforms("destroy")),
}
