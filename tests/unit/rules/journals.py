"""Journals as a run writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from blocks.models.checklist import CHECKLIST
from blocks.models.event import Event, Kind
from blocks.models.verdict import Verdict

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
COUNTED = tuple(item for item in CHECKLIST if item.implemented)


def event(kind: Kind, second: float = 0.0, **data: Any) -> Event:
    return Event(at=START + timedelta(seconds=second), mono_s=100.0 + second, pid=1, phase="ramp", kind=kind, data=data)


def opened(*left_out: str) -> Event:
    return event("run_opened", run_id="run-1", environment="perf", left_out=list(left_out))


def check(id_: str, verdict: Verdict = Verdict.PASS, detail: str = "as wanted", **more: object) -> Event:
    data = {"id": id_, "verdict": verdict.value, "detail": detail, "started": START.isoformat(), "seconds": 1.5, **more}
    return event("check", 1.0, **data)


def all_passed() -> list[Event]:
    return [check(item.id) for item in CHECKLIST]


def breach(**more: object) -> Event:
    data = {
        "rule": "sign-in p95", "observed": "612 ms", "limit": "> 500 ms", "stage": 3,
        "detected": (START + timedelta(seconds=90)).isoformat(), **more,
    }  # fmt: skip
    return event("breach", 90.0, **data)
