"""Waiting for what was just applied: SSH, the container engine, Prometheus, Grafana and Jaeger come minutes after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from prefect import task

from blocks.models.errors import Failed, RampartError, Refused, Unavailable
from tasks.clients.hosts import Host
from tasks.clients.readiness import is_final, why_not_served
from tasks.clients.sut import SystemUnderTest
from tasks.dashboard import grafana_of, jaeger_of
from tasks.infrastructure import connect_loadgen, connect_sut, loadgen_addresses, sut_address
from tasks.log import run_logger
from tasks.metrics import prometheus_of
from tasks.run import Run

Probe = Callable[[], str]
"""Returns why something is not ready yet, or nothing; raises what waiting cannot change."""

_POLL_S = 3.0
_SAY_S = 15.0


@task
def wait_until_ready(run: Run) -> float:
    """Wait until the hosts let Rampart in, the SUT's engine answers and the observability serves; return the seconds.

    Raises:
        Failed: waiting cannot help: a host key or the login key is wrong.
        Refused: the private key is missing.
        Unavailable: something was not ready within the environment's ready_timeout_s.
    """
    key = run.environment.ssh.private_key
    if not key.expanduser().is_file():
        raise Refused(f"The private key {key} is missing; set ssh.private_key of the environment block.")
    return wait_for(_probes(run), run.environment.ready_timeout_s, run_logger().info)


def wait_for(
    probes: Mapping[str, Probe],
    timeout_s: float,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> float:
    """Ask each probe until it is ready, and return the seconds it took; says now and then what is not ready, and why.

    Raises:
        Unavailable: something was not ready in time; names it, and what it said last.
    """
    began = said = clock()
    waiting = dict.fromkeys(probes, "")
    while True:
        for name in tuple(waiting):
            waiting[name] = probes[name]()
            if not waiting[name]:
                del waiting[name]
        now = clock()
        if not waiting:
            return now - began
        told = "; ".join(f"{name}: {why.rstrip('.')}" for name, why in waiting.items())
        if now - began >= timeout_s:
            raise Unavailable(
                f"Not ready {timeout_s:g} s after apply: {told}. Look at /var/log/cloud-init-output.log there and at the "
                "security groups, or raise ready_timeout_s of the environment block."
            )
        if now - said >= _SAY_S:
            say(f"not ready yet: {told}")
            said = now
        sleep(_POLL_S)


def _probes(run: Run) -> dict[str, Probe]:
    services = run.environment.services

    def engine_answers(host: Host) -> None:
        SystemUnderTest(
            host, run.environment.compose_command, services.compose_directory, services.project
        ).containers()

    def lets_in(host: Host) -> None:
        host.must(["true"])

    return {
        f"SUT {sut_address(run)}": partial(_why_not_let_in, run, partial(connect_sut, run), engine_answers),
        **{
            f"load generator {number + 1}, {address}": partial(
                _why_not_let_in, run, partial(connect_loadgen, run, number), lets_in
            )
            for number, address in enumerate(loadgen_addresses(run))
        },
        "Prometheus": partial(why_not_served, f"{prometheus_of(run).url}/-/ready"),
        "Grafana": partial(why_not_served, f"{grafana_of(run).url}/api/health"),
        "Jaeger": partial(why_not_served, f"{jaeger_of(run).url}/api/services"),
    }


def _why_not_let_in(run: Run, connect: Callable[[], Host], use: Callable[[Host], None]) -> str:
    """Connect to a host and use it; return why that does not work yet, or nothing."""
    try:
        host = connect()
    except Unavailable as error:
        return str(error)
    except Failed as error:
        if is_final(error, cloud_init_ended=run.environment.ssh.known_hosts is None):
            raise
        return f"{error} cloud-init may not have made the user yet"
    try:
        use(host)
    except RampartError as error:
        return str(error)
    finally:
        host.close()
    return ""
