"""The CPU of a load generator while the load runs: how busy the host is, and how long k6 waits for it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime

from blocks.models.errors import Failed
from blocks.models.triage import Saturation
from tasks.clients.loadgen import LoadGenerator

# A reading that takes longer is given up: the next one is due every two seconds.
_TIMEOUT_S = 5.0
# The first line of /proc/stat; the names of the running jobs; and for each thread of their k6
# /proc/<pid>/task/<tid>/schedstat, "ran waited slices" in ns (proc(5), Documentation/scheduler/sched-stats).
_LINE = (
    'read -r cpu < /proc/stat; echo "$cpu"; '
    "cd {folder}/jobs 2>/dev/null || exit 0; files=; for job in */; do job=${{job%/}}; "
    '[ -e "$job/pid" ] && [ ! -e "$job/exit" ] && read -r pid rest < "$job/pid" || continue; '
    'echo "job $job"; files="$files /proc/$pid/task/*/schedstat"; done; '
    '[ -z "$files" ] || cat $files 2>/dev/null; exit 0'
)


@dataclass(frozen=True)
class Counters:
    """What a host has counted since its boot."""

    busy: int
    """Ticks of all CPUs that were not idle."""
    total: int
    jobs: tuple[str, ...]
    """The k6 processes that run, by their job's name."""
    ran_s: float
    """How long their threads ran."""
    waited_s: float
    """How long their threads were ready to run and waited for a CPU."""


def read_counters(loadgen: LoadGenerator) -> Counters:
    """Read a load generator's counters: one round trip.

    Raises:
        Unavailable: it does not answer in time.
        Failed: it answers something else.
    """
    said = loadgen.host.run_line(_LINE.format(folder=shlex.quote(loadgen.folder)), timeout_s=_TIMEOUT_S)
    try:
        return parse_counters(said.stdout)
    except (ValueError, IndexError) as error:
        raise Failed(
            f"{loadgen.host.address} told nothing of its CPU: {said.last_line!r}; /proc of a Linux host is wanted."
        ) from error


def parse_counters(text: str) -> Counters:
    """Read the counters out of what the host printed."""
    rows = [line.split() for line in text.splitlines()]
    # user nice system idle iowait irq softirq steal; guest time is in user already (proc(5)).
    ticks = [int(field) for field in rows[0][1:9]]
    threads = [row for row in rows if row[0].isdigit()]
    return Counters(
        busy=sum(ticks) - ticks[3] - ticks[4],
        total=sum(ticks),
        jobs=tuple(row[1] for row in rows if row[0] == "job"),
        ran_s=sum(int(row[0]) for row in threads) / 1e9,
        waited_s=sum(int(row[1]) for row in threads) / 1e9,
    )


def reading_between(address: str, before: Counters, after: Counters, lag_ms: float | None) -> Saturation:
    """Return what happened between two readings of a load generator.

    k6's wait is the part of the time in which its threads were ready and did not run. Measured with 2,500 virtual users on
    two cores: 0.26 to 0.57 healthy, 0.76 to 0.90 beside six programs that compute.
    """
    ticks = after.total - before.total
    waited_s, ran_s = after.waited_s - before.waited_s, after.ran_s - before.ran_s
    comparable = before.jobs == after.jobs and min(waited_s, ran_s) >= 0 and waited_s + ran_s > 0
    return Saturation(
        loadgen=address,
        at=datetime.now(UTC),
        cpu_busy=(after.busy - before.busy) / ticks if ticks > 0 else None,
        lag_ms=lag_ms,
        run_queue_share=waited_s / (waited_s + ran_s) if comparable else None,
    )
