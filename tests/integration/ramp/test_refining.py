"""A refined ceiling is found by probes that say nothing of each other."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from blocks.models.breach import Breached
from blocks.models.rules import StabilityRule
from blocks.models.settings import Ramp
from blocks.models.verdict import Verdict
from flows.breach import refine
from tasks.guard import stop_on_breach
from tasks.rules.ceiling import Ascent
from tasks.rules.stages import read_load_plan
from tasks.run import Run
from tests.integration.guard.conftest import System
from tests.unit.rules.plans import inspected, steps

from .conftest import Held

pytestmark = pytest.mark.integration

# A gate to which everything is flat that has numbers: what fails here is the guard's.
_GATE = StabilityRule(window_s=5.0, step_s=1.0, min_points=4, max_missing=0.9, floor_ms=1e6, floor_ratio=1.0)


@pytest.fixture
def run(run: Run) -> Run:
    """Its guard looks back further than a probe takes to begin."""
    rules = tuple(rule.model_copy(update={"window_s": 8.0}) for rule in run.profile.guard)
    return replace(run, profile=run.profile.model_copy(update={"guard": rules}))


def _breached(held: Held, system: System) -> tuple[Run, Ascent]:
    """Stop the held load at stage 2 of a script of 1 and 9 virtual users, of which stage 1 was stable."""
    run, watch = held.run, held.watch
    services = run.environment.services.model_copy(update={"api_port": int(system.url.rsplit(":", 1)[1])})
    profile = run.profile.model_copy(update={"gate": _GATE, "ramp": Ramp(script=Path("tests-perf/load.js"))})
    run = replace(run, environment=run.environment.model_copy(update={"services": services}), profile=profile)
    (run.folder / "outputs.json").write_text(json.dumps({"sut_public_ip": "127.0.0.1"}))
    watch.plan = read_load_plan(inspected({"signin": steps([1, 9], rise="1s", exec="signin")}), "load.js")
    watch.used = 1
    watch.enter_stage(2)
    ascent = Ascent(unit="vus")
    ascent.stable(1, 1.0, (datetime.now(UTC), datetime.now(UTC)))
    assert held.context is not None
    assert held.context.run(stop_on_breach, run, watch, Breached("sign-in p95", "2500 ms", "> 1500 ms"))
    return run, ascent


@contextmanager
def _acting(act: Callable[[], None]) -> Iterator[None]:
    """Do something every tenth of a second."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.1):
            act()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _of(held: Held, kind: str, field: str) -> list[Any]:
    return [event.data[field] for event in held.run.journal.read()[0] if event.kind == kind]


@pytest.mark.long
def test_a_failed_probe_leaves_nothing_to_the_next_one_and_the_ceiling_is_found(held: Held, system: System) -> None:
    run, ascent = _breached(held, system)

    def bear_three() -> None:
        system.delay_s["/signin"] = 2.5 if len(held.watch.expected()) > 3 else 0.0

    assert held.context is not None
    with _acting(bear_three):
        held.context.run(refine, run, held.watch, ascent)
    notes = [text.split(":")[1].strip() for text in _of(held, "note", "text")]
    assert notes == ["5 vus was not stable", "3 vus was stable.", "4 vus was not stable"]
    assert ascent.probed == 3
    assert held.alive() == []
    # Also of the probe that ended without a breach.
    assert set(_of(held, "segment_started", "index")) <= set(_of(held, "segment_ended", "index"))


def test_a_probe_that_says_nothing_of_the_system_ends_the_refining(held: Held, system: System) -> None:
    run, ascent = _breached(held, system)
    context = held.context
    assert context is not None
    saturated = Breached("load generator is saturated", "60 ms late", "20 ms", verdict=Verdict.INCONCLUSIVE)

    def saturate() -> None:
        if held.watch.breach is None and held.watch.expected():
            context.copy().run(stop_on_breach, run, held.watch, saturated)

    with _acting(saturate):
        context.copy().run(refine, run, held.watch, ascent)
    (note,) = _of(held, "note", "text")
    assert note == f"Refining the ceiling: 5 vus could not be judged, so no further level is tried: {saturated}."
    assert ascent.probed is None
    assert held.alive() == []
