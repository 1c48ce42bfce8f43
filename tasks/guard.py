"""The guard: watches the running load, also while a person decides, and stops it on a breach."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import UUID

import httpx
from prefect import task
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger
from prefect.variables import Variable

from blocks.models.errors import Unavailable
from tasks.clients.metrics import Prometheus
from tasks.metrics import prometheus_of
from tasks.rules.guard import Reading, crossings
from tasks.rules.queries import freshness_s, guard_query
from tasks.run import Run
from tasks.watch import Breached, LoadWatch


def hold_reason(run: Run) -> str:
    """Return the reason in the hold variable of the environment; empty when it is not set."""
    return str(Variable.get(f"rampart_hold_{run.environment_name}", default="") or "")


@task
def watch_load(run: Run, watch: LoadWatch, paused_run: str) -> None:
    """Look at the load every second or two until the ramp is finished; on a breach stop the load first.

    Args:
        run: the run.
        watch: the load.
        paused_run: id of the flow run whose pause a breach ends.
    """
    logger = get_run_logger()
    prometheus = prometheus_of(run)
    since: dict[str, dict[str, float]] = {}
    last_sight = time.monotonic()
    while not watch.finished.wait(run.profile.guard_poll_s):
        if not watch.running:
            last_sight = time.monotonic()
            continue
        breach = None
        try:
            breach = watch.lost(watch.jobs()) or _held(run) or _crossed(run, watch, prometheus, since)
            age = prometheus.value(freshness_s(run.environment.metrics, run.id))
            if age is not None and age < run.profile.blind_after_s:
                last_sight = time.monotonic() - age
        except Unavailable as error:
            logger.warning("The guard does not see the load: %s", error)
        watch.polls += 1
        blind_s = time.monotonic() - last_sight
        if breach is None and blind_s > run.profile.blind_after_s:
            breach = Breached("no data", f"no sample for {blind_s:.0f} s", f"{run.profile.blind_after_s:g} s")
        if breach is not None and watch.report(breach):
            _stop(run, watch, breach, paused_run)
            return


def _stop(run: Run, watch: LoadWatch, breach: Breached, paused_run: str) -> None:
    """Load off first; then record; then end a pending pause."""
    detected = datetime.now(UTC)
    gone = watch.stop_load()
    run.journal.append(
        "ramp", "breach", rule=breach.rule, observed=breach.observed, limit=breach.limit, stage=watch.stage or None,
        detected=detected.isoformat(),
    )  # fmt: skip
    run.journal.append("ramp", "load_stopped", stopped=gone.isoformat())
    get_run_logger().error("BREACH %s; load off after %.1f s", breach, (gone - detected).total_seconds())
    watch.stopped.set()
    _end_pause(paused_run, breach)


def _end_pause(paused_run: str, breach: Breached) -> None:
    """End a pause of the ramp; that there is none, or that somebody answered just now, is fine."""
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(UUID(paused_run)).state
            if state is not None and state.is_paused():
                client.resume_flow_run(
                    UUID(paused_run), run_input={"decision": "halt", "name": f"guard ({breach.rule})"}
                )
    except (PrefectException, httpx.HTTPError) as error:
        get_run_logger().warning("The pause could not be ended (%s); it ends at its time-out.", type(error).__name__)


def _held(run: Run) -> Breached | None:
    reason = hold_reason(run)
    return Breached("hold", reason, f"variable rampart_hold_{run.environment_name} is not set") if reason else None


def _crossed(run: Run, watch: LoadWatch, prometheus: Prometheus, since: dict[str, dict[str, float]]) -> Breached | None:
    now = time.monotonic()
    for rule in run.profile.guard:
        if now - watch.stage_started_s < rule.settle_s:
            continue
        samples = prometheus.query(guard_query(rule, run.environment.metrics, run.id))
        readings = [Reading(labels=dict(sample.labels), value=sample.value) for sample in samples]
        since[rule.name], found = crossings(rule, readings, since.get(rule.name, {}), now)
        if found:
            return Breached(found[0].rule, found[0].observed, found[0].limit)
    return None
