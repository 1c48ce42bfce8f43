"""Each fault acts on its mechanism, and what it does can be seen from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from websockets.sync.client import connect

from blocks.models.errors import Failed, Unavailable
from deployments.rehearsal.drills import burner
from deployments.rehearsal.drills.faults import DRILLS
from deployments.rehearsal.drills.injector import Moment, burn, inject
from deployments.rehearsal.drills.note import Note
from deployments.rehearsal.drills.sut import AdminPorts
from deployments.rehearsal.engine import cgroups
from deployments.rehearsal.hosts import loadgen_group
from tests.integration.drills.conftest import USER
from tests.integration.sut.ebit import Ebit, wait_until

pytestmark = pytest.mark.integration

AT_ONCE = 12
MOMENT = Moment(stage=2, delay_s=0.5)


def inject_row(name: str, services: AdminPorts) -> Note:
    return inject(DRILLS[name].faults, MOMENT, services)


def took(ebit: Ebit, method: str, path: str, **options: object) -> list[float]:
    """Seconds that each of some requests took that are sent at once."""

    def ask(_: int) -> float:
        started = time.perf_counter()
        httpx.request(method, f"{ebit.api_url}{path}", timeout=30, **options).raise_for_status()  # type: ignore[arg-type]
        return time.perf_counter() - started

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, range(AT_ONCE)))


def _spread(seconds: list[float]) -> float:
    return max(seconds) - min(seconds)


def test_the_pool_fault_makes_sign_ins_wait_for_a_connection_and_a_larger_pool_mends_it(
    ebit: Ebit, services: AdminPorts
) -> None:
    note = inject_row("prisma-pool", services)
    waiting = took(ebit, "POST", "/api/auth/signin", json=USER)
    services.change("auth", {"prisma_pool_size": 40})
    # The best of three: a machine that is busy for a moment makes any request wait.
    mended = [took(ebit, "POST", "/api/auth/signin", json=USER) for _ in range(3)]
    # One connection, 100 ms a query: the last of twelve has waited for eleven others.
    assert max(waiting) >= (AT_ONCE - 1) * 0.1
    # A busy machine slows all twelve alike; a queue lets one after the other through.
    assert min(_spread(item) for item in mended) < _spread(waiting) / 2
    assert {change.service for change in note.changes} == {"auth", "bet"}
    for change in note.changes:
        assert change.before["prisma_pool_size"] == 10
        assert change.after["prisma_pool_size"] == 1


def test_the_backlog_fault_lets_the_settlement_queue_grow_and_no_other(
    ebit: Ebit, services: AdminPorts, token: str
) -> None:
    inject_row("bullmq-backlog", services)
    # Nothing is paid out at a target of 2, but for one in fifty: notifications stay short.
    bet = {"amount": 1, "target": 2}
    for _ in range(3):
        took(ebit, "POST", "/api/bets/dice", json=bet, headers={"authorization": f"Bearer {token}"})
    metrics = httpx.get(ebit.url("WORKER_PORT", "/metrics")).text
    waiting = {
        line.split('"')[1]: int(line.split()[-1])
        for line in metrics.splitlines()
        if 'state="wait"' in line and line.startswith("bullmq_queue_jobs")
    }
    assert waiting["settlement"] >= 5, metrics
    assert waiting["notifications"] < waiting["settlement"]


def test_the_event_loop_fault_burns_the_cpu_of_rt_and_makes_handshakes_slow(
    ebit: Ebit, services: AdminPorts, token: str
) -> None:
    url = f"ws://127.0.0.1:{ebit.variables['RT_PORT']}/rt?token={token}"
    rt = psutil.Process(ebit.processes["rt"].pid)

    def handshake() -> float:
        started = time.perf_counter()
        with connect(url, open_timeout=30):
            return time.perf_counter() - started

    healthy = handshake()
    inject_row("ws-handshake", services)
    before = rt.cpu_times()
    slow = [handshake() for _ in range(3)]
    used = rt.cpu_times()
    assert min(slow) >= 0.4
    assert healthy < min(slow)
    # The kernel counts a process's CPU in ticks of 10 ms: three times 0.4 s can read a tick less at each end.
    assert used.user + used.system - before.user - before.system >= 3 * 0.4 - 0.05


def test_the_rate_limit_fault_answers_429_and_the_bypass_header_passes_it(ebit: Ebit, services: AdminPorts) -> None:
    inject_row("http-429", services)
    bypass = {"x-load-test-bypass": "open sesame"}

    def statuses(headers: dict[str, str]) -> set[int]:
        # Many at once: one after another a busy machine would not exceed a limit per second.
        def ask(_: int) -> int:
            return httpx.post(f"{ebit.api_url}/api/auth/signin", json=USER, headers=headers, timeout=30).status_code

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return set(pool.map(ask, range(5 * AT_ONCE)))

    assert 429 in statuses({})
    assert statuses(bypass) == {200}


def test_the_memory_fault_gets_bet_killed_by_the_kernel_at_its_limit(doomed: Ebit) -> None:
    limit = 256 * 1024 * 1024
    group = cgroups.create(f"drill-{os.getpid()}", limit, 0)
    if not group.memory_limit_bytes:
        pytest.skip(
            "this user may not limit the memory of a group of processes; runs where it may (root, or a delegated group)"
        )
    bet = doomed.processes["bet"]
    try:
        (group.folders["memory"] / "cgroup.procs").write_text(str(bet.pid))
        inject_row("oom-kill", AdminPorts({"bet_admin": int(doomed.variables["BET_ADMIN_PORT"])}))
        assert bet.wait(30) == -signal.SIGKILL
        assert group.oom_kills() >= 1
        del doomed.processes["bet"]
    finally:
        group.remove()


def test_memory_that_is_held_is_resident_and_can_be_let_go(ebit: Ebit, services: AdminPorts) -> None:
    bet = psutil.Process(ebit.processes["bet"].pid)
    before = bet.memory_info().rss
    services.change("bet", {"hold_bytes": 64 * 1024 * 1024})
    wait_until(lambda: services.read("bet")["hold_bytes"] == 64 * 1024 * 1024, "64 MiB are held")
    assert bet.memory_info().rss - before >= 60 * 1024 * 1024
    services.change("bet", {"hold_bytes": 0})
    assert services.read("bet")["hold_bytes"] == 0


def test_the_burner_takes_the_load_generators_cpu_and_no_more_and_ends_with_its_parent() -> None:
    group = loadgen_group(os.getpid())
    if not group.cpu_quota_us:
        pytest.skip(
            "this user may not limit the CPU of a group of processes; runs where it may (root, or a delegated group)"
        )
    process = burn(8, os.getpid())
    try:
        wait_until(lambda: process.pid in group.processes(), "the burner is on the load generator")
        started, before = time.monotonic(), group.cpu_seconds()
        wait_until(lambda: (group.cpu_seconds() or 0) - (before or 0) > 1.0, "a second of CPU is used")
        used, elapsed = (group.cpu_seconds() or 0) - (before or 0), time.monotonic() - started
        assert used / elapsed < 1.3
    finally:
        process.kill()
        process.wait()
        group.remove()


def test_a_burner_whose_parent_is_gone_ends() -> None:
    code = (
        "import subprocess, sys; "
        f"print(subprocess.Popen([sys.executable, '-S', '-I', {burner.__file__!r}, str(__import__('os').getpid()), '1']).pid)"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    pid = int(done.stdout)
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, "it ended")


def test_a_setting_that_does_not_exist_and_a_service_that_is_away_are_sentences(services: AdminPorts) -> None:
    with pytest.raises(Failed, match="There is no setting"):
        services.change("rt", {"nope": 1})
    with pytest.raises(Unavailable, match="does bet run"):
        AdminPorts({"bet_admin": 9}).read("bet")
