"""What is asked of Prometheus, as windowed queries: k6's own gauges look at the whole run."""

from __future__ import annotations

from blocks.models.rules import GuardRule
from blocks.models.settings import MetricNames
from tasks.rules.durations import go_duration


def p95_ms(names: MetricNames, run_id: str, window_s: float) -> str:
    """p95 of request duration per scenario in ms, from the native histogram."""
    series = f'{names.http_duration}{{run_id="{run_id}",scenario!="ws"}}'
    return f"histogram_quantile(0.95, sum by(scenario)(rate({series}[{go_duration(window_s)}]))) * 1000"


def ws_p95_ms(names: MetricNames, run_id: str, window_s: float) -> str:
    """p95 of the WebSocket handshake in ms."""
    series = f'{names.ws_connecting}{{run_id="{run_id}"}}'
    return f"histogram_quantile(0.95, sum by(scenario)(rate({series}[{go_duration(window_s)}]))) * 1000"


def error_rate(names: MetricNames, run_id: str, window_s: float) -> str:
    """Failed requests of all requests; empty when there was no request."""
    series, window = names.http_requests, f"[{go_duration(window_s)}]"
    return (
        f'(sum(rate({series}{{run_id="{run_id}",expected_response="false"}}{window})) or vector(0)) '
        f'/ sum(rate({series}{{run_id="{run_id}"}}{window}))'
    )


def ws_handshake_success(names: MetricNames, run_id: str, window_s: float) -> str:
    """Accepted handshakes of all handshakes; empty when there was none."""
    series, window = names.ws_sessions, f"[{go_duration(window_s)}]"
    return (
        f'(sum(rate({series}{{run_id="{run_id}",status="101"}}{window})) or vector(0)) '
        f'/ sum(rate({series}{{run_id="{run_id}"}}{window}))'
    )


def virtual_users(names: MetricNames, run_id: str) -> str:
    """Virtual users of all k6 processes of the run."""
    return f'sum({names.vus}{{run_id="{run_id}"}})'


def freshness_s(names: MetricNames, run_id: str) -> str:
    """Age of the newest sample in seconds."""
    return f'time() - max(timestamp({names.vus}{{run_id="{run_id}"}}))'


def queue_depth(names: MetricNames) -> str:
    """Waiting jobs by queue."""
    return f'sum by(queue)({names.queue_jobs}{{state="{names.queue_wait_state}"}})'


def service_rates(names: MetricNames, window_s: float) -> str:
    """Requests per second each service served."""
    series = f'{names.span_calls}{{span_kind="SPAN_KIND_SERVER"}}'
    return f"sum by(service_name)(rate({series}[{go_duration(window_s)}]))"


def container_cpu_ratio(names: MetricNames, window_s: float) -> str:
    """CPU of each container as a part of its quota; no series without a quota."""
    used = f'sum by(name)(rate({names.container_cpu}{{name!=""}}[{go_duration(window_s)}]))'
    limit = f'max by(name)({names.container_quota}{{name!=""}} / {names.container_period}{{name!=""}})'
    return f"{used} / on(name) {limit}"


def guard_query(rule: GuardRule, names: MetricNames, run_id: str) -> str:
    """Return the query of a guard rule."""
    if rule.metric == "p95_ms":
        return ws_p95_ms(names, run_id, rule.window_s) if rule.scope == "ws" else p95_ms(names, run_id, rule.window_s)
    if rule.metric == "error_rate":
        return error_rate(names, run_id, rule.window_s)
    if rule.metric == "ws_handshake_success":
        return ws_handshake_success(names, run_id, rule.window_s)
    if rule.metric == "queue_depth":
        return queue_depth(names)
    return container_cpu_ratio(names, rule.window_s)


def guard_label(rule: GuardRule) -> str:
    """Return the label a rule's scope selects by."""
    return {"p95_ms": "scenario", "queue_depth": "queue", "container_cpu_ratio": "name"}.get(rule.metric, "")
