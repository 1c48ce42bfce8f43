"""Smoke: 50 virtual users for a minute, and everything that has to be visible of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.phase import phase
from tasks.checks import check, stop_unless_passed
from tasks.dashboard import find_trace
from tasks.load import run_smoke
from tasks.metrics import read_most_users, read_service_rates
from tasks.rules.smoke import (
    judge_exceptions,
    judge_exit,
    judge_scenarios,
    judge_signin,
    judge_trace,
    judge_traffic,
    judge_users_seen,
    smoke_numbers,
)


@flow(name="smoke", flow_run_name="smoke of {environment}")
def smoke(run_id: str, environment: str, profile: str, *, attempt: int = 1) -> State[Any]:
    """Run the smoke test and judge it by k6, Prometheus and Jaeger; after a fix it is run again as another attempt."""
    with phase("smoke", run_id, environment, profile) as opened:
        run = opened.run
        rules = run.profile.smoke
        name = "smoke" if attempt == 1 else f"smoke-{attempt}"
        summary = run.evidence / name / "summary.json"
        with check(run, "smoke.run") as checking:
            result = run_smoke(run, name)
            checking.judge(judge_exit(result["exit_code"], result["error"], result["metrics"]), summary)
        metrics = result["metrics"]
        run.journal.append("smoke", "smoke", numbers=smoke_numbers(metrics))
        started, ended = (datetime.fromisoformat(result[key]) for key in ("started", "ended"))
        with check(run, "smoke.scenarios", needed=False) as checking:
            checking.judge(judge_scenarios(metrics, rules.endpoints), summary)
        with check(run, "smoke.vus", needed=False) as checking:
            checking.judge(judge_users_seen(read_most_users(run, name, started, ended), rules.vus))
        with check(run, "smoke.traffic", needed=False) as checking:
            rates = read_service_rates(run, ended, max(10.0, (ended - started).total_seconds()))
            checking.judge(judge_traffic(rates, run.environment.services.traced))
        with check(run, "smoke.trace_link", needed=False) as checking:
            trace = find_trace(run, started, ended)
            checking.judge(judge_trace(trace), *([run.folder / trace.file] if trace.file else []))
        with check(run, "smoke.signin_p95", needed=False) as checking:
            checking.judge(judge_signin(metrics, rules.signin_p95_ms), summary)
        with check(run, "smoke.bet_exception", needed=False) as checking:
            checking.judge(judge_exceptions(metrics, run.profile.exceptions), summary)
        stop_unless_passed(run, "smoke")
    return opened.outcome
