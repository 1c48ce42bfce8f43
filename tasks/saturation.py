"""The CPU of a load generator while the load runs: how busy the host is, and how long k6 waits for it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime

from blocks.models.errors import Failed, Unavailable
from blocks.models.triage import Saturation
from tasks.clients.loadgen import LoadGenerator

# A reading that takes longer is given up: the next one is due every two seconds.
_TIMEOUT_S = 5.0
# /proc/uptime and the first line of /proc/stat; the names of the running jobs; and for each thread of their k6
# /proc/<pid>/task/<tid>/schedstat, "ran waited slices" in ns (proc(5), Documentation/scheduler/sched-stats).
_LINE = (
    'read -r up rest < /proc/uptime; read -r cpu < /proc/stat; echo "up $up"; echo "$cpu"; '
    "cd {folder}/jobs 2>/dev/null || exit 0; for job in */; do job=${{job%/}}; "
    '[ -e "$job/pid" ] && [ ! -e "$job/exit" ] && read -r pid rest < "$job/pid" || continue; '
    'echo "job $job"; cat "/proc/$pid/task/"*/schedstat 2>/dev/null; done; exit 0'
)


@dataclass(frozen=True)
class Counters:
    """What a host has counted since its boot."""

    uptime_s: float
    busy: int
    """Ticks of all CPUs that were not idle."""
    total: int
    jobs: tuple[str, ...]
    """The k6 processes that run, by their job's name."""
    waited_s: float | None
    """How long their threads were ready to run and waited for a CPU; None when no thread was seen."""


def read_counters(loadgen: LoadGenerator) -> Counters:
    """Read a load generator's counters: one round trip.

    Raises:
        Unavailable: it does not answer in time.
        Failed: it answers something else.
    """
    said = loadgen.host.run_line(_LINE.format(folder=shlex.quote(loadgen.folder)), timeout_s=_TIMEOUT_S)
    try:
        return parse_counters(said.stdout)
    except (ValueError, IndexError, KeyError) as error:
        raise Failed(
            f"{loadgen.host.address} told nothing of its CPU: {said.last_line!r}; /proc of a Linux host is wanted."
        ) from error


def parse_counters(text: str) -> Counters:
    """Read the counters out of what the host printed."""
    rows = [line.split() for line in text.splitlines()]
    named = {row[0]: row[1:] for row in rows if row[0] in {"up", "cpu"}}
    # user nice system idle iowait irq softirq steal; guest time is in user already (proc(5)).
    ticks = [int(field) for field in named["cpu"][:8]]
    waits = [int(row[1]) for row in rows if row[0].isdigit()]
    return Counters(
        uptime_s=float(named["up"][0]),
        busy=sum(ticks) - ticks[3] - ticks[4],
        total=sum(ticks),
        jobs=tuple(row[1] for row in rows if row[0] == "job"),
        waited_s=sum(waits) / 1e9 if waits else None,
    )


def reading_between(address: str, before: Counters, after: Counters, lag_ms: float | None) -> Saturation:
    """Return what happened between two readings of a load generator."""
    seconds, ticks = after.uptime_s - before.uptime_s, after.total - before.total
    waited = None
    if before.waited_s is not None and after.waited_s is not None and before.jobs == after.jobs and seconds > 0:
        waited = min(1.0, max(0.0, (after.waited_s - before.waited_s) / seconds))
    return Saturation(
        loadgen=address,
        at=datetime.now(UTC),
        cpu_busy=(after.busy - before.busy) / ticks if ticks > 0 else None,
        lag_ms=lag_ms,
        run_queue_share=waited,
    )


def read_saturation(loadgen: LoadGenerator) -> Counters | str:
    """Read a load generator's counters, or say why they could not be read."""
    try:
        return read_counters(loadgen)
    except (Failed, Unavailable) as error:
        return str(error)
