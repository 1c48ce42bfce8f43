"""Ten stages of load as samples: what k6, span metrics and container metrics leave behind in a short rehearsal."""

import math
import random
import time
from collections.abc import Callable, Sequence
from itertools import accumulate

from tests.integration.grafana.remote_write import Series

STAGES = 10
SECONDS = 180
PERIOD_S = 1
SHARES = {"signin": 0.4, "bet": 0.3, "history": 0.2}
SERVICES = ("api", "auth", "bet", "rt", "worker")


def story(end_ms: int | None = None, seconds: int = SECONDS) -> list[Series]:
    """Series over the last `seconds`, a step of ten virtual users at a time."""
    chance = random.Random(7)
    end_ms = end_ms or int(time.time() * 1000)
    times = [end_ms - (seconds - at) * 1000 for at in range(0, seconds, PERIOD_S)]
    load = [min(STAGES, 1 + at * STAGES // len(times)) for at in range(len(times))]

    def counter(labels: dict[str, str], rate: Callable[[int], float]) -> Series:
        total, samples = 0.0, []
        for at, moment in enumerate(times):
            total += max(0.0, rate(at) * chance.uniform(0.85, 1.15))
            samples.append((moment, total))
        return Series(labels, samples)

    def gauge(labels: dict[str, str], value: Callable[[int], float]) -> Series:
        return Series(labels, [(moment, value(at)) for at, moment in enumerate(times)])

    found = [_segment(times, load, index) for index in range(STAGES)]
    for scenario, share in SHARES.items():
        http = {"__name__": "k6_http_reqs_total", "scenario": scenario, "instance": "loadgen-1"}
        found.append(counter({**http, "expected_response": "true"}, _scaled(load, 8 * share)))
        found.append(counter({**http, "expected_response": "false"}, _scaled(load, 0.03 * share)))
        slow = {"signin": 0.062, "bet": 0.011, "history": 0.006}[scenario]
        found.append(_latency("k6_http_req_duration_seconds", {"scenario": scenario}, times, load, slow, chance))
    found.append(_latency("k6_ws_connecting_seconds", {"scenario": "ws"}, times, load, 0.004, chance))
    found.append(counter({"__name__": "k6_ws_sessions_total", "status": "101"}, lambda at: 0.4 * load[at]))
    for service in SERVICES:
        found += _service(service, counter, times, load)
        container = {"name": f"ebit-{service}-1"}
        found += [
            counter({"__name__": "container_cpu_usage_seconds_total", **container}, lambda at: 0.03 + 0.04 * load[at]),
            gauge({"__name__": "container_spec_cpu_quota", **container}, lambda _: 50_000),
            gauge({"__name__": "container_spec_cpu_period", **container}, lambda _: 100_000),
            gauge(
                {"__name__": "container_memory_working_set_bytes", **container},
                _scaled(load, 3e6, 6e7 + 5e6 * len(service)),
            ),
        ]
    for queue in ("settlement", "payouts"):
        labels = {"__name__": "bullmq_queue_jobs", "queue": queue, "state": "wait"}
        found.append(gauge(labels, lambda at: float(round(max(0.0, 0.4 * load[at] + chance.gauss(0, 1))))))
    return found


def _scaled(load: Sequence[int], factor: float, base: float = 0.0) -> Callable[[int], float]:
    return lambda at: base + factor * load[at]


def _segment(times: Sequence[int], load: Sequence[int], index: int) -> Series:
    labels = {"__name__": "k6_vus", "instance": f"segment-{index + 1:02d}"}
    return Series(labels, [(moment, 10.0) for moment, level in zip(times, load, strict=True) if level > index])


def _latency(  # noqa: PLR0913, PLR0917 - the parts of one made-up series
    name: str, labels: dict[str, str], times: Sequence[int], load: Sequence[int], middle_s: float, chance: random.Random
) -> Series:
    observations = [
        (moment, [middle_s * (1 + 0.06 * level) * math.exp(chance.gauss(0, 0.25)) for _ in range(level * 2)])
        for moment, level in zip(times, load, strict=True)
    ]
    return Series({"__name__": name, **labels}, observations=observations)


def _service(service: str, counter: Callable[..., Series], times: Sequence[int], load: Sequence[int]) -> list[Series]:
    found = []
    operations = {"GET /api/history": 9.0, "POST /api/sign-in": 60.0, "prisma:client:db_query": 4.0}
    for operation, middle_ms in operations.items():
        kind = "SPAN_KIND_CLIENT" if operation.startswith("prisma") else "SPAN_KIND_SERVER"
        labels = {
            "service_name": service,
            "span_name": operation,
            "span_kind": kind,
            "status_code": "STATUS_CODE_UNSET",
        }
        rate = 0.5 + len(service) * 0.4
        name = "traces_span_metrics_calls_total"
        found.append(counter({"__name__": name, **labels}, _scaled(load, rate)))
        bounds = [2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 250.0, 500.0, math.inf]
        shares = [1.0 if bound > middle_ms * 1.8 else 0.9 if bound > middle_ms else 0.2 for bound in bounds]
        for bound, share in zip(bounds, shares, strict=True):
            le = "+Inf" if math.isinf(bound) else f"{bound:g}"
            bucket = {"__name__": "traces_span_metrics_duration_milliseconds_bucket", **labels, "le": le}
            totals = accumulate(rate * share * level for level in load)
            found.append(Series(bucket, list(zip(times, totals, strict=True))))
    return found
