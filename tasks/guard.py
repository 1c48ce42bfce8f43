"""The guard: watches the running load, also while a person decides, and stops it on a breach: load off first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.logging import get_run_logger
from prefect.states import Running
from prefect.variables import Variable

from blocks.models.breach import Breached
from blocks.models.errors import RampartError
from blocks.models.load import Segment
from tasks.clients.loadgen import LEASE_S, Job, LoadGenerator
from tasks.lease import held_by_this_process
from tasks.limits import Limits, Look
from tasks.load import journal_ended_segments
from tasks.polled import Polled, asking
from tasks.rules.sight import LastSeen
from tasks.rules.users import UsersLost
from tasks.run import Run
from tasks.watch import LoadWatch

CANCELLED = "cancelled"
"""The rule of a breach that says that somebody cancelled the run."""
STOPPING_S = LEASE_S + 90.0
"""How long the end of a breach's load is tried for: a load generator that is away stops k6 itself when its lease ends, k6 has
60 s to end, and the lease may have been renewed half a minute after the load generator was last seen."""
SETTLED_S = STOPPING_S + 120.0
"""How long the ramp waits for the guard: its last try may begin right before, and take as long as a frozen connection's
command and the ending of k6 do."""
# An answer is judged this soon after it came: a part of the time between two questions.
_LOOKS_A_POLL = 4


def hold_reason(run: Run) -> str:
    """Return the reason in the hold variable of the environment; empty when it is not set."""
    return str(Variable.get(_hold_variable(run), default="") or "")


# A guard is never answered from a cache, and its parameters hold locks and connections.
@task(cache_policy=NO_CACHE)
def watch_load(run: Run, watch: LoadWatch, limits: Limits, own_run: str) -> None:
    """Look at the load several times a second until the ramp is finished; on a breach stop the load first.

    What is looked at is asked in threads of its own, every second or two: a Prefect or a load generator that does not
    answer blinds the guard to nothing else. While load is expected it is *watching*; after a breach it is *stopped*: then
    it asserts that no k6 runs, until the ramp begins another attempt. The hold variable and a cancelled run end the ramp
    in both.

    Args:
        run: the run.
        watch: the load.
        limits: what is looked at.
        own_run: id of the ramp's flow run; a breach ends its pause.
    """
    with get_client(sync_client=True) as client:
        guard = _Guard(run, watch, limits, UUID(own_run), client)
        said = ""
        with guard.asking():
            while not watch.finished.wait(run.profile.guard_poll_s / _LOOKS_A_POLL):
                try:
                    guard.look()
                except Exception as error:  # noqa: BLE001 - whatever it is, a load that nobody watches is stopped
                    seen = f"{type(error).__name__}: {error}"
                    if seen != said:
                        get_run_logger().exception("The guard failed")
                    said = seen
                    stop_on_breach(run, watch, Breached("the guard failed", seen, "it looks at everything"))


def stop_on_breach(run: Run, watch: LoadWatch, breach: Breached) -> bool:
    """Stop all load for a breach; return False when there was a breach already or the ramp is over.

    The order is fixed: load off, then the journal. The load is stopped again until no k6 is left, or nobody waits for
    it any more: then the journal does not say that it is off.
    """
    detected = datetime.now(UTC)
    if not watch.report(breach):
        return False
    gone: datetime | None = None
    try:
        gone, problem = _stop(run, watch, breach)
        _journal_stop(run, watch, breach, detected, gone, problem)
    except Exception:  # noqa: BLE001 - the load comes first: nobody waits for it, or goes unwatched, for a line of the journal
        get_run_logger().exception("BREACH %s; it could not be journaled", breach)
    finally:
        if gone is not None:
            watch.see_gone(gone)
            watch.stopped.set()
        watch.settled.set()
    return True


def _journal_stop(  # noqa: PLR0913, PLR0917 - what one breach left
    run: Run, watch: LoadWatch, breach: Breached, detected: datetime, gone: datetime | None, problem: str
) -> None:
    """Journal a breach, when its load was gone or why it was not seen to be, and how the segments ended."""
    run.journal.append(
        "ramp", "breach", rule=breach.rule, observed=breach.observed, limit=breach.limit, stage=watch.stage or None,
        detected=detected.isoformat(),
    )  # fmt: skip
    logger = get_run_logger()
    if gone is None:
        text = (
            f"After the breach the load was not seen to be off: {problem} k6 ends by itself {LEASE_S} s after it was asked for "
            "last; teardown stops it again. See that none runs there."
        )
        run.journal.append("ramp", "note", text=text)
        logger.error("BREACH %s; %s", breach, text)
        return
    run.journal.append("ramp", "load_stopped", stopped=gone.isoformat())
    logger.error("BREACH %s; load off after %.1f s", breach, (gone - detected).total_seconds())
    try:
        journal_ended_segments(run, watch)
    except RampartError as error:
        logger.warning("How the segments ended is not known: %s", error)


def _stop(run: Run, watch: LoadWatch, breach: Breached) -> tuple[datetime | None, str]:
    """Stop the load; return when it was seen to be gone, or None and why it was not."""
    deadline = time.monotonic() + STOPPING_S
    while True:
        try:
            return watch.stop_load(), ""
        except Exception as error:  # noqa: BLE001 - whatever it is, the load is stopped again
            # k6's own watchdog ends it when the load generator stays away longer than its lease.
            problem = str(error) if isinstance(error, RampartError) else f"{type(error).__name__}: {error}."
            get_run_logger().error("BREACH %s; the load could not be stopped yet: %s", breach, problem)
            if watch.finished.wait(run.profile.guard_poll_s) or time.monotonic() > deadline:
                return None, problem


class _Guard:
    """One guard and what it remembers between two looks."""

    def __init__(self, run: Run, watch: LoadWatch, limits: Limits, own_run: UUID, client: SyncPrefectClient) -> None:
        self._run, self._watch, self._limits = run, watch, limits
        self._own_run, self._client = own_run, client
        every_s = run.profile.guard_poll_s
        self._prefect = Polled("Prefect", self._ask_prefect, every_s)
        # The ramp may open a pause a moment after a breach: it is looked for until the ramp has read the breach.
        self._pause = Polled("the ramp's pause", self._end_pause, every_s / _LOOKS_A_POLL)
        self._jobs = {
            loadgen: Polled(f"the load generator {loadgen.host.address}", loadgen.jobs, every_s)
            for loadgen in watch.loadgens
        }
        self._answering = LastSeen[LoadGenerator](run.profile.blind_after_s)
        self._sending = LastSeen[str](run.profile.blind_after_s)
        self._users = UsersLost()
        self._failures: frozenset[str] = frozenset()
        self._logger = get_run_logger()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask everything, each question by itself, while the body works."""
        with asking([self._prefect, self._pause, *self._jobs.values()]), self._limits.asking():
            yield

    def look(self) -> None:
        """Look once at the newest answers and how old they are, and act on them."""
        watch, now_s = self._watch, time.monotonic()
        forbidden = self._forbidden()
        if watch.breach is not None:
            self._forget()
            self._stay_stopped(forbidden)
            return
        expected, breach = watch.expected(), forbidden
        breach = breach or watch.lost(self._jobs_since(0.0))
        if expected or watch.smoking:
            look = self._limits.look(now_s, watch.stage_started_s, watch.loaded())
            breach = breach or self._judge(look, expected)
            breach = breach or self._blind(look.seen_s, expected, now_s)
        else:
            self._forget()
        watch.polls += 1
        if breach is not None:
            stop_on_breach(self._run, watch, breach)

    def _judge(self, look: Look, expected: Mapping[str, Segment]) -> Breached | None:
        for failure in look.failures:
            if failure not in self._failures:
                self._logger.warning("The guard does not see all: %s", failure)
        self._failures = frozenset(look.failures)
        for text in look.noted:
            self._run.journal.append("ramp", "note", text=text)
        self._watch.saturation.extend(look.saturation)
        return look.breach or look.inconclusive or self._users_lost(look.users, expected)

    def _users_lost(self, users: Mapping[str, float] | None, expected: Mapping[str, Segment]) -> Breached | None:
        """Return a breach when a held segment lost virtual users; rates have no fixed number of them."""
        if users is None or self._watch.plan.unit != "vus":
            return None
        held = [name for name, segment in expected.items() if segment.amounts]
        short = self._users.judge(users, held, time.monotonic())
        if short is None:
            return None
        name, now, most = short
        return Breached(f"{name} lost virtual users", f"{now:g}", f"{most:g} while it is held")

    def _blind(self, sent_s: Mapping[str, float], expected: Mapping[str, Segment], now_s: float) -> Breached | None:
        """Return a breach when a load generator or a segment was not seen for too long, whoever else is seen."""
        answered_s = {loadgen: answer.asked_s for loadgen, polled in self._jobs.items() if (answer := polled.answer)}
        mute = self._answering.silent(answered_s, tuple(self._jobs) if expected else (), now_s)
        unseen = self._sending.silent(sent_s, tuple(expected), now_s)
        if mute:
            names = ", ".join(loadgen.host.address for loadgen in mute)
            what, silent_s = f"no answer of the load generator {names}", max(mute.values())
        elif unseen:
            of = "" if len(unseen) == len(expected) else f" of {', '.join(unseen)}"
            what, silent_s = f"no new sample of k6_vus{of}", max(unseen.values())
        else:
            return None
        return Breached("no data", f"{what} for {silent_s:.0f} s", f"{self._run.profile.blind_after_s:g} s")

    def _forget(self) -> None:
        """Begin anew: what was seen of the last attempt says nothing of the next one."""
        self._answering.forget()
        self._sending.forget()
        self._users = UsersLost()
        self._limits.reset()

    def _jobs_since(self, moment_s: float) -> dict[str, Job]:
        """Return the jobs of the load generators that were asked for them after a moment."""
        answers = [polled.newer_than(moment_s) for polled in self._jobs.values()]
        return {job.name: job for answer in answers if answer for job in answer.value}

    def _stay_stopped(self, forbidden: Breached | None) -> None:
        """Assert zero load after a breach, and end the ramp when it is put on hold or cancelled meanwhile."""
        watch = self._watch
        # What ran before the load was seen to be gone says nothing.
        alive = [job.name for job in self._jobs_since(watch.gone_s).values() if job.alive]
        if alive and watch.settled.is_set() and not watch.may_start():
            try:
                watch.see_gone(watch.stop_load())
            except RampartError as error:
                self._logger.error("The load could not be stopped yet: %s", error)  # noqa: TRY400 - a sentence for the operator
            else:
                text = f"{', '.join(alive)} ran although the load had to be off; interrupted."
                self._run.journal.append("ramp", "note", text=text)
        if forbidden is not None and watch.overrule(forbidden):
            self._run.journal.append("ramp", "note", text=f"After the breach: {forbidden}")

    def _forbidden(self) -> Breached | None:
        """Return why nobody may go on: a lease that was taken over, or what Prefect said last."""
        held = held_by_this_process(self._run)
        if held is not None and held.lost.is_set():
            return Breached("lease", f"epoch {held.epoch} was taken over", "this run holds the newest", final=True)
        said = self._prefect.answer
        return said.value if said else None

    def _ask_prefect(self) -> Breached | None:
        """Ask whether the ramp or the run was cancelled, or the environment put on hold."""
        for run_id, whose in ((self._own_run, "the ramp"), (UUID(self._run.id), "the run")):
            state = self._client.read_flow_run(run_id).state
            if state is not None and (state.is_cancelling() or state.is_cancelled()):
                return Breached(CANCELLED, f"{whose} was cancelled", "it is not", final=True)
        variable = self._client.read_variable_by_name(_hold_variable(self._run))
        reason = str(variable.value or "") if variable else ""
        return (
            Breached("hold", reason, f"variable {_hold_variable(self._run)} is not set", final=True) if reason else None
        )

    def _end_pause(self) -> None:
        """End a pause of the breach's stage; that there is none, or that somebody answered just now, is fine.

        A cancelled run cannot be resumed, so its state is set: the ramp reads the breach and ends as cancelled.
        """
        with self._watch.pause_to_end() as breach:
            if breach is None:
                return
            run: FlowRun = self._client.read_flow_run(self._own_run)
            if run.state is None:
                return
            if run.state.is_paused():
                self._client.resume_flow_run(
                    self._own_run, run_input={"decision": "halt", "name": f"guard ({breach.rule})"[:80]}
                )
                run = self._client.read_flow_run(self._own_run)
            if run.state is not None and (run.state.is_cancelling() or run.state.is_cancelled()):
                self._client.set_flow_run_state(self._own_run, Running(message="Ending after a cancel"), force=True)


def _hold_variable(run: Run) -> str:
    return f"rampart_hold_{run.environment_name}"
