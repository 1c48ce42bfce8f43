"""What is asked of Prometheus, as windowed queries: k6's own gauges look at the whole run."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from urllib.parse import urlencode

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


def virtual_users(names: MetricNames, run_id: str, processes: Collection[str] = ()) -> str:
    """Virtual users of these k6 processes of the run; of all when none is named.

    A killed process marks nothing as ended: Prometheus shows its last sample for five minutes more (its lookback delta).
    """
    which = f',instance=~"{"|".join(sorted(processes))}"' if processes else ""
    return f'sum({names.vus}{{run_id="{run_id}"{which}}})'


def freshness_s(names: MetricNames, run_id: str) -> str:
    """Age of the newest sample of each k6 process in seconds."""
    return f'time() - max by(instance)(timestamp({names.vus}{{run_id="{run_id}"}}))'


def queue_depth(names: MetricNames) -> str:
    """Waiting jobs by queue."""
    return f'sum by(queue)({names.queue_jobs}{{state="{names.queue_wait_state}"}})'


def service_rates(names: MetricNames, window_s: float) -> str:
    """Requests per second each service served."""
    series = f'{names.span_calls}{{span_kind="SPAN_KIND_SERVER"}}'
    return f"sum by(service_name)(rate({series}[{go_duration(window_s)}]))"


def container_cpu_ratio(names: MetricNames, window_s: float) -> str:
    """CPU of each container as a part of its quota; without a quota as a part of the machine's cores."""
    used = f'sum by(name)(rate({names.container_cpu}{{name!=""}}[{go_duration(window_s)}]))'
    quota = f'(max by(name)({names.container_quota}{{name!=""}} / {names.container_period}{{name!=""}}) > 0)'
    return f"{used} / on(name) {quota} or {used} / on() group_left() max({names.machine_cores})"


def scenario_error_rate(names: MetricNames, run_id: str, window_s: float) -> str:
    """Failed requests of all requests by scenario; none for a scenario without a request."""
    series, window = names.http_requests, f"[{go_duration(window_s)}]"
    asked = f'sum by(scenario)(rate({series}{{run_id="{run_id}"}}{window}))'
    wrong = f'sum by(scenario)(rate({series}{{run_id="{run_id}",expected_response="false"}}{window}))'
    return f"({wrong} or {asked} * 0) / {asked}"


def users_by_process(names: MetricNames, run_id: str, window_s: float) -> str:
    """Virtual users of each k6 process that sent a sample within the window."""
    return f'sum by(instance)(last_over_time({names.vus}{{run_id="{run_id}"}}[{go_duration(window_s)}]))'


def time_outside_requests_ms(names: MetricNames, run_id: str, window_s: float) -> str:
    """What an iteration lasts beside its HTTP requests on average in ms, by k6 process and scenario: pauses and lag."""
    window = f"[{go_duration(window_s)}]"
    which = f'{{run_id="{run_id}",scenario!="ws"}}'
    iterations = f"sum by(instance,scenario)(rate({names.iteration_duration}{which}{window}))"
    requests = f"sum by(instance,scenario)(rate({names.http_duration}{which}{window}))"
    return f"(histogram_sum({iterations}) - histogram_sum({requests})) / histogram_count({iterations}) * 1000"


def dropped_share(names: MetricNames, run_id: str, window_s: float) -> str:
    """Iterations that k6 dropped, of all it was to begin, by scenario; 0 where it dropped none, as it counts none then."""
    which, window = f'{{run_id="{run_id}"}}', f"[{go_duration(window_s)}]"
    dropped = f"sum by(scenario)(rate({names.dropped_iterations}{which}{window}))"
    ended = f"histogram_count(sum by(scenario)(rate({names.iteration_duration}{which}{window})))"
    return f"({dropped} or {ended} * 0) / (({dropped} or {ended} * 0) + ({ended} or {dropped} * 0))"


def guard_query(rule: GuardRule, names: MetricNames, run_id: str) -> str:
    """Return the query of a guard rule; rules that ask the same share it."""
    window_s = rule.window_s
    match rule.metric:
        case "p95_ms":
            return (ws_p95_ms if rule.scope == "ws" else p95_ms)(names, run_id, window_s)
        case "error_rate":
            return (scenario_error_rate if rule.scope else error_rate)(names, run_id, window_s)
        case "ws_handshake_success":
            return ws_handshake_success(names, run_id, window_s)
        case "queue_depth":
            return queue_depth(names)
        case "container_cpu_ratio":
            return container_cpu_ratio(names, window_s)


def guard_label(rule: GuardRule) -> str:
    """Return the label that names the subjects of a rule; empty = it has one value."""
    if rule.metric == "error_rate":
        return "scenario" if rule.scope else ""
    return {"p95_ms": "scenario", "queue_depth": "queue", "container_cpu_ratio": "name"}.get(rule.metric, "")


def db_query_p95_ms(names: MetricNames, window_s: float) -> str:
    """p95 of the database spans by service and span in ms, the wait for a connection included."""
    buckets = f'{names.span_duration}{{span_name=~"{names.db_span}"}}'
    to_ms = "" if "milliseconds" in names.span_duration else " * 1000"
    return (
        f"histogram_quantile(0.95, sum by(service_name,span_name,le)(rate({buckets}[{go_duration(window_s)}]))){to_ms}"
    )


def queue_growth(names: MetricNames, window_s: float) -> str:
    """Jobs by queue that wait now and did not at the window's begin."""
    waiting = f'{names.queue_jobs}{{state="{names.queue_wait_state}"}}'
    return f"sum by(queue)(delta({waiting}[{go_duration(window_s)}]))"


def ws_handshake_failure(names: MetricNames, run_id: str, window_s: float) -> str:
    """Handshakes without status 101 of all handshakes; empty when there was none."""
    return f"1 - {ws_handshake_success(names, run_id, window_s)}"


def event_loop_cpu(names: MetricNames, service: str, window_s: float) -> str:
    """CPU of a service's containers now, as a part of what one event loop can use: its quota, at most one core.

    Of the last two scrapes: a load that breaches is stopped long before the average over a window shows it.
    """
    which = f'{{name=~"(.*[-_])?{service}([-_].*)?"}}'
    used = f"sum by(name)(irate({names.container_cpu}{which}[{go_duration(window_s)}]))"
    limit = f"max by(name)({names.container_quota}{which} / {names.container_period}{which})"
    return f"({used} / on(name) clamp_max({limit}, 1)) or {used}"


def memory_bytes(names: MetricNames, service: str) -> str:
    """Memory of a service's containers."""
    return f'sum by(name)({names.container_memory}{{name=~"(.*[-_])?{service}([-_].*)?"}})'


def container_cpu_percent(names: MetricNames, window_s: float) -> str:
    """CPU of each container, 100 = one core, as docker stats counts it."""
    return f'sum by(name)(rate({names.container_cpu}{{name!=""}}[{go_duration(window_s)}])) * 100'


def container_memory_bytes(names: MetricNames) -> str:
    """Memory of each container."""
    return f'sum by(name)({names.container_memory}{{name!=""}})'


def too_many_requests(names: MetricNames, run_id: str, window_s: float) -> str:
    """Answers with status 429 of all answers; empty when there was none."""
    series, window = names.http_requests, f"[{go_duration(window_s)}]"
    return (
        f'(sum(rate({series}{{run_id="{run_id}",status="429"}}{window})) or vector(0)) '
        f'/ sum(rate({series}{{run_id="{run_id}"}}{window}))'
    )


def services_with_429(names: MetricNames, window_s: float) -> str:
    """Calls a second by service that were answered 429; empty where spans carry no HTTP status."""
    series = f'{names.span_calls}{{http_response_status_code="429"}}'
    return f"sum by(service_name)(rate({series}[{go_duration(window_s)}])) > 0"


def request_rate(names: MetricNames, run_id: str, window_s: float) -> str:
    """Requests a second by scenario."""
    return f'sum by(scenario)(rate({names.http_requests}{{run_id="{run_id}"}}[{go_duration(window_s)}]))'


def containers_memory_bytes(names: MetricNames) -> str:
    """Memory of every container."""
    return f'max by(name)({names.container_memory}{{name!=""}})'


def graph_link(prometheus_url: str, query: str, at: datetime) -> str:
    """Return the address of Prometheus' page that plots a query over the ten minutes up to a moment."""
    shown = {"g0.expr": query, "g0.tab": "0", "g0.range_input": "10m", "g0.end_input": f"{at:%Y-%m-%d %H:%M:%S}"}
    return f"{prometheus_url.rstrip('/')}/graph?{urlencode(shown)}"
