"""Shapes of k6's inspect output and the load plans made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blocks.models.load import LoadPlan
from tasks.rules.stages import read_load_plan


def ramping(corners: Sequence[tuple[str, float]], *, executor: str = "ramping-vus", **more: object) -> dict[str, Any]:
    """One scenario as ``k6 inspect`` prints it: k6 writes what is not set as null."""
    begin = "startVUs" if executor == "ramping-vus" else "startRate"
    return {
        "executor": executor,
        "startTime": None,
        "gracefulStop": "10s",
        "env": None,
        "exec": None,
        "tags": None,
        begin: 0,
        "stages": [{"duration": duration, "target": target} for duration, target in corners],
        **more,
    }


def steps(amounts: Sequence[float], rise: str = "1m0s", hold: str = "3m12s", **more: Any) -> dict[str, Any]:
    """A scenario that rises to each amount and holds it."""
    return ramping([corner for amount in amounts for corner in ((rise, amount), (hold, amount))], **more)


def inspected(scenarios: dict[str, dict[str, Any]], **more: object) -> dict[str, Any]:
    return {"scenarios": scenarios, "totalDuration": "42m10s", "maxVUs": 100, "paused": None, **more}


def mixed_plan(levels: Sequence[int] = (10, 20, 30)) -> LoadPlan:
    """70 % signin and 30 % ws at every level."""
    return read_load_plan(
        inspected(
            {
                "signin": steps([level * 7 // 10 for level in levels], exec="signin"),
                "ws": steps([level * 3 // 10 for level in levels], exec="ws"),
            },
            thresholds={
                "http_req_failed": [{"threshold": "rate<0.05", "abortOnFail": True, "delayAbortEval": "30s"}],
                "checks": ["rate>0.95"],
            },
            tags={"testid": "ramp", "project": "ebit"},
            noConnectionReuse=True,
            dns={"ttl": None, "select": None},
        ),
        "ramp.js",
    )


def rate_plan(rates: Sequence[float], **more: Any) -> LoadPlan:
    """One scenario of arrival rates."""
    options = {"preAllocatedVUs": 8, **more}
    return read_load_plan(inspected({"a": steps(rates, executor="ramping-arrival-rate", **options)}), "rate.js")
