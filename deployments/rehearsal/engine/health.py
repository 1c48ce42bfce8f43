"""Health checks. No daemon runs them: they run while `up --wait` waits, and when somebody asks and the last result is old.

The last results are kept in docker's shape beside the container, with the times they were taken at.
"""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from typing import Any

from deployments.rehearsal.engine.containers import Container
from deployments.rehearsal.engine.environment import process_for
from deployments.rehearsal.engine.home import read_json, write_json
from deployments.rehearsal.engine.units import rfc3339, seconds_since_epoch

_NANOSECONDS = 1_000_000_000
_KEPT_RESULTS = 5
_LONGEST_OUTPUT = 4096
"""Results and bytes of output docker keeps of each check."""

_WAIT_INTERVAL_S = 0.2
"""Longest pause between two checks while somebody waits; docker would wait the whole interval."""

_TIMED_OUT = -1


@dataclass(frozen=True)
class Check:
    """A health check with docker's defaults filled in.

    Attributes:
        test: Words after CMD or CMD-SHELL.
        interval_s: Time between checks, default 30.
        timeout_s: Longest check, default 30.
        retries: Failures in a row that make it unhealthy, default 3.
        start_period_s: Time after the start in which failures do not count, default 0.
    """

    test: list[str]
    interval_s: float
    timeout_s: float
    retries: int
    start_period_s: float

    @property
    def wait_interval_s(self) -> float:
        """Pause between checks while somebody waits."""
        return min(self.interval_s, _WAIT_INTERVAL_S)

    @property
    def gives_up_after_s(self) -> float:
        """Time after the start at which docker would call a container that never answered unhealthy."""
        return self.start_period_s + self.interval_s * self.retries


def check_of(container: Container) -> Check | None:
    """Returns the container's health check, or None if it has none."""
    raw = container.definition.healthcheck
    test = raw.get("Test") or ["NONE"]
    if test[0] == "NONE":
        return None
    words = ["/bin/sh", "-c", test[1]] if test[0] == "CMD-SHELL" else test[1:]
    return Check(
        words,
        _seconds(raw, "Interval", 30.0),
        _seconds(raw, "Timeout", 30.0),
        int(raw.get("Retries") or 3),
        _seconds(raw, "StartPeriod", 0.0),
    )


def health(container: Container) -> dict[str, Any]:
    """Returns docker's Health object {Status, FailingStreak, Log}, checking again if the last result is older than the interval.

    Empty if the container has no health check. A container that has ended keeps its last result.
    """
    check = check_of(container)
    if check is None:
        return {}
    record = _record(container)
    if container.state().running:
        last = seconds_since_epoch(record["Log"][-1]["End"]) if record["Log"] else 0.0
        if time.time() - last > check.interval_s:
            return run_check(container, check)
    return record


def run_check(container: Container, check: Check) -> dict[str, Any]:
    """Runs the check once and returns the new Health object."""
    record = _record(container)
    started = time.time()
    exit_code, output = _execute(container, check)
    record["FailingStreak"] = 0 if exit_code == 0 else record["FailingStreak"] + 1
    record["Log"] = [
        *record["Log"],
        {"Start": rfc3339(started), "End": rfc3339(time.time()), "ExitCode": exit_code, "Output": output},
    ][-_KEPT_RESULTS:]
    started_at = container.state().started_at
    up_s = time.time() - seconds_since_epoch(started_at) if started_at else 0.0
    if exit_code == 0:
        record["Status"] = "healthy"
    elif record["FailingStreak"] >= check.retries and up_s > check.gives_up_after_s:
        record["Status"] = "unhealthy"
    write_json(container.folder / "health.json", record)
    return record


def _execute(container: Container, check: Check) -> tuple[int, str]:
    process = process_for(container, check.test)
    group = container.state().group
    try:
        done = subprocess.run(
            process.argv,
            env=process.env,
            cwd=process.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=check.timeout_s,
            check=False,
            preexec_fn=group.join,  # safe: this program has one thread
        )
    except subprocess.TimeoutExpired:
        return _TIMED_OUT, f"Health check exceeded timeout ({check.timeout_s:g}s)"
    except OSError as error:
        return _TIMED_OUT, f"OCI runtime exec failed: {error}"
    return done.returncode, done.stdout.decode(errors="replace")[:_LONGEST_OUTPUT]


def _record(container: Container) -> dict[str, Any]:
    return {"Status": "starting", "FailingStreak": 0, "Log": []} | read_json(container.folder / "health.json")


def _seconds(raw: dict[str, Any], key: str, default_s: float) -> float:
    return (int(raw.get(key) or 0) / _NANOSECONDS) or default_s
