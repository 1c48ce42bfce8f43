"""The guard: watches the running load, also while a person decides, and stops it on a breach: load off first."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from prefect.states import Running
from prefect.variables import Variable

from blocks.models.breach import Breached
from blocks.models.errors import RampartError, Unavailable
from tasks.clients.loadgen import Job
from tasks.lease import held_by_this_process
from tasks.limits import Limits, Look
from tasks.load import journal_ended_segments
from tasks.rules.users import UsersLost
from tasks.run import PREFECT_SILENT, Run
from tasks.watch import LoadWatch

CANCELLED = "cancelled"
"""The rule of a breach that says that somebody cancelled the run."""


def hold_reason(run: Run) -> str:
    """Return the reason in the hold variable of the environment; empty when it is not set."""
    return str(Variable.get(_hold_variable(run), default="") or "")


# A guard is never answered from a cache, and its parameters hold locks and connections.
@task(cache_policy=NO_CACHE)
def watch_load(run: Run, watch: LoadWatch, limits: Limits, own_run: str) -> None:
    """Look at the load every second or two until the ramp is finished; on a breach stop the load first.

    While load is expected it is *watching*; after a breach it is *stopped*: then it asserts that no k6 runs, until
    the ramp begins another attempt. The hold variable and a cancelled run end the ramp in both.

    Args:
        run: the run.
        watch: the load.
        limits: what is looked at.
        own_run: id of the ramp's flow run; a breach ends its pause.
    """
    guard = _Guard(run, watch, limits, UUID(own_run))
    with get_client(sync_client=True) as client, ThreadPoolExecutor(3) as pool:
        while not watch.finished.wait(run.profile.guard_poll_s):
            guard.look(client, pool)


def stop_on_breach(run: Run, watch: LoadWatch, breach: Breached) -> bool:
    """Stop all load for a breach; return False when there was a breach already or the ramp is over.

    The order is fixed: load off, then the journal. The load is stopped again until no k6 is left.
    """
    detected = datetime.now(UTC)
    if not watch.report(breach):
        return False
    logger = get_run_logger()
    while True:
        try:
            gone = watch.stop_load()
            break
        except RampartError as error:
            # k6's own watchdog ends it when the load generator stays away longer than its lease.
            logger.error("The load could not be stopped yet: %s", error)  # noqa: TRY400 - a sentence for the operator
            if watch.finished.wait(run.profile.guard_poll_s):
                gone = datetime.now(UTC)
                break
    run.journal.append(
        "ramp", "breach", rule=breach.rule, observed=breach.observed, limit=breach.limit, stage=watch.stage or None,
        detected=detected.isoformat(),
    )  # fmt: skip
    run.journal.append("ramp", "load_stopped", stopped=gone.isoformat())
    logger.error("BREACH %s; load off after %.1f s", breach, (gone - detected).total_seconds())
    journal_ended_segments(run, watch)
    watch.gone = gone
    watch.stopped.set()
    return True


class _Guard:
    """One guard and what it remembers between two looks."""

    def __init__(self, run: Run, watch: LoadWatch, limits: Limits, own_run: UUID) -> None:
        self._run, self._watch, self._limits = run, watch, limits
        self._own_run = own_run
        self._last_sight_s = time.monotonic()
        self._users = UsersLost()
        self._logger = get_run_logger()

    def look(self, client: SyncPrefectClient, pool: ThreadPoolExecutor) -> None:
        """Look once at everything at the same time, and act on it."""
        asked = pool.submit(self._forbidden, client)
        if not self._watch.running:
            # Nothing has to be seen: blindness counts from the next start on.
            self._last_sight_s = time.monotonic()
        if self._watch.breach is not None:
            self._forget()
            self._stay_stopped(asked.result(), client)
            return
        expected = bool(self._watch.running)
        jobs = pool.submit(self._jobs)
        seen = (
            pool.submit(self._limits.look, time.monotonic(), self._watch.stage_started_s) if self._load_is_on else None
        )
        breach = asked.result()
        found_jobs, look = jobs.result(), seen.result() if seen else None
        if found_jobs is not None:
            breach = breach or self._watch.lost(found_jobs)
        if look is not None:
            breach = breach or self._judge(look)
        if expected:
            breach = breach or self._blind(look, found_jobs)
        elif not self._load_is_on:
            self._forget()
        self._watch.polls += 1
        if breach is not None and stop_on_breach(self._run, self._watch, breach):
            self._end_pause(client, breach)

    @property
    def _load_is_on(self) -> bool:
        return bool(self._watch.running) or self._watch.smoking

    def _judge(self, look: Look) -> Breached | None:
        for failure in look.failures:
            self._logger.warning("The guard does not see all: %s", failure)
        for text in look.noted:
            self._run.journal.append("ramp", "note", text=text)
        self._watch.saturation.extend(look.saturation)
        return look.breach or look.inconclusive or self._users_lost(look.users)

    def _users_lost(self, users: Mapping[str, float] | None) -> Breached | None:
        """Return a breach when a held segment lost virtual users; rates have no fixed number of them."""
        if users is None or self._watch.plan.unit != "vus":
            return None
        held = [name for name, segment in self._watch.running.items() if segment.amounts]
        short = self._users.judge(users, held, time.monotonic())
        if short is None:
            return None
        name, now, most = short
        return Breached(f"{name} lost virtual users", f"{now:g}", f"{most:g} while it is held")

    def _blind(self, look: Look | None, jobs: dict[str, Job] | None) -> Breached | None:
        """Return a breach when the load was not seen for too long."""
        now = time.monotonic()
        if look is not None and look.seen and jobs is not None:
            self._last_sight_s = now
        blind_s = now - self._last_sight_s
        limit_s = self._run.profile.blind_after_s
        if blind_s <= limit_s:
            return None
        what = "no new sample of k6_vus" if jobs is not None else "the load generators do not answer"
        return Breached("no data", f"{what} for {blind_s:.0f} s", f"{limit_s:g} s")

    def _forget(self) -> None:
        """Begin anew: what was seen of the last attempt says nothing of the next one."""
        self._last_sight_s = time.monotonic()
        self._users = UsersLost()
        self._limits.reset()

    def _jobs(self) -> dict[str, Job] | None:
        try:
            return self._watch.jobs()
        except Unavailable as error:
            self._logger.warning("The guard does not see the load generators: %s", error)
            return None

    def _stay_stopped(self, forbidden: Breached | None, client: SyncPrefectClient) -> None:
        """Assert zero load after a breach, and end the ramp when it is put on hold or cancelled meanwhile."""
        alive = [job.name for job in (self._jobs() or {}).values() if job.alive]
        if alive and not self._watch.may_start():
            self._run.journal.append(
                "ramp", "note", text=f"{', '.join(alive)} ran although the load was stopped; interrupted."
            )
            self._watch.stop_load()
        if forbidden is not None and self._watch.breach is not None and not self._watch.breach.final:
            self._watch.overrule(forbidden)
            self._run.journal.append("ramp", "note", text=f"After the breach: {forbidden}")
            self._end_pause(client, forbidden)

    def _forbidden(self, client: SyncPrefectClient) -> Breached | None:
        """Return why nobody may go on: a lease that was taken over, the hold variable, or a cancelled run."""
        held = held_by_this_process(self._run)
        if held is not None and held.lost.is_set():
            return Breached("lease", f"epoch {held.epoch} was taken over", "this run holds the newest", final=True)
        try:
            for run_id, whose in ((self._own_run, "the ramp"), (UUID(self._run.id), "the run")):
                state = client.read_flow_run(run_id).state
                if state is not None and (state.is_cancelling() or state.is_cancelled()):
                    return Breached(CANCELLED, f"{whose} was cancelled", "it is not", final=True)
            variable = client.read_variable_by_name(_hold_variable(self._run))
        except PREFECT_SILENT as error:
            self._logger.warning("The guard does not see Prefect (%s); it goes on watching.", type(error).__name__)
            return None
        reason = str(variable.value or "") if variable else ""
        return (
            Breached("hold", reason, f"variable {_hold_variable(self._run)} is not set", final=True) if reason else None
        )

    def _end_pause(self, client: SyncPrefectClient, breach: Breached) -> None:
        """End a pause of the ramp; that there is none, or that somebody answered just now, is fine.

        A cancelled run cannot be resumed, so its state is set: the ramp reads the breach and ends as cancelled.
        """
        try:
            run: FlowRun = client.read_flow_run(self._own_run)
            if run.state is None:
                return
            if run.state.is_paused():
                client.resume_flow_run(
                    self._own_run, run_input={"decision": "halt", "name": f"guard ({breach.rule})"[:80]}
                )
                run = client.read_flow_run(self._own_run)
            if run.state is not None and (run.state.is_cancelling() or run.state.is_cancelled()):
                client.set_flow_run_state(self._own_run, Running(message="Ending after a cancel"), force=True)
        except (*PREFECT_SILENT, ObjectNotFound) as error:
            self._logger.warning("The pause could not be ended (%s); it ends at its time-out.", type(error).__name__)


def _hold_variable(run: Run) -> str:
    return f"rampart_hold_{run.environment_name}"
