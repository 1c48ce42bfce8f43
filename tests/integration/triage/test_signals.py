"""The rows are read from a real Prometheus with known numbers, and from a SUT behind a real sshd."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.models.record import TriageRow
from blocks.models.settings import MetricNames, Observability, Services, SshAccess
from blocks.models.triage import CAUSES, Row, Saturation, TriageRules
from blocks.perf_environment import PerfEnvironment
from deployments.rehearsal.engine.cgroups import Group
from tasks.clients.hosts import Host
from tasks.clients.loadgen import LoadGenerator
from tasks.rules.triage import page, rank, suggest
from tasks.run import Run
from tasks.triage import read_signals
from tests.integration.engine.conftest import REPOSITORY, until
from tests.integration.engine.conftest import Host as Engine
from tests.integration.grafana.remote_write import push
from tests.integration.triage.breach import FAULT_S, story, times_of

pytestmark = pytest.mark.integration

RULES = TriageRules(window_s=10)
LOCALHOST = "127.0.0.1"
PROMETHEUS_ROWS: tuple[Row, ...] = ("prisma-pool", "bullmq-backlog", "ws-handshake", "http-429")


@pytest.fixture
def breach() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=30)


@pytest.fixture
def run(prometheus: str, tmp_path: Path) -> Run:
    environment = PerfEnvironment(
        checkout=tmp_path, account_id="123456789012", aws=AwsCredentials(), runs_folder=tmp_path / "runs",
        observability=Observability(monitoring_url=prometheus),
    )  # fmt: skip
    made = Run(uuid4().hex, "test", "test", environment, LoadProfile(triage=RULES))
    made.folder.mkdir(parents=True)
    return made


def triage(run: Run, breach: datetime, *saturation: Saturation, stable: bool = True) -> dict[str, TriageRow]:
    started, held = times_of(breach)
    loadgen = LoadGenerator(Host(LOCALHOST, SshAccess()), "rampart", 0)
    signals = read_signals.fn(
        run, stage_started=started, detected=breach, stable=held if stable else None,
        loadgens=[loadgen], saturation=saturation,
    )  # fmt: skip
    assert [signal.row for signal in signals] == list(CAUSES)
    rows = rank(signals, RULES)
    asked = page(rows, suggest(rows, RULES))
    assert all(row.row in asked for row in rows)
    return {row.row: row for row in rows}


@pytest.mark.parametrize("fault", [(), *((row,) for row in PROMETHEUS_ROWS), PROMETHEUS_ROWS])
def test_the_faults_are_matched_and_nothing_else_is(
    run: Run, prometheus: str, breach: datetime, fault: tuple[Row, ...]
) -> None:
    push(prometheus, story(run.id, breach, *fault))
    healthy = Saturation(loadgen=LOCALHOST, at=breach, cpu_busy=0.2, lag_ms=1, run_queue_share=0.01)
    rows = triage(run, breach, healthy)
    assert {name for name, row in rows.items() if row.matched} == set(fault)
    others = {name: row.verdict for name, row in rows.items() if name not in fault}
    assert others.pop("oom-kill") == "inconclusive"
    assert set(others.values()) <= {"not matched"}
    for name in fault:
        onset = rows[name].onset
        assert onset is not None
        assert breach - timedelta(seconds=FAULT_S) <= onset <= breach - timedelta(seconds=FAULT_S - 8), name


def test_numbers_limits_and_subjects_are_those_that_were_fed(run: Run, prometheus: str, breach: datetime) -> None:
    push(prometheus, story(run.id, breach, *PROMETHEUS_ROWS))
    rows = triage(run, breach)
    assert rows["prisma-pool"].subjects == ("bet",)
    assert rows["prisma-pool"].observed == "190 ms"
    assert rows["bullmq-backlog"].subjects == ("settlement",)
    assert rows["bullmq-backlog"].observed.startswith("603 jobs, 4")
    assert rows["ws-handshake"].subjects == ("handshakes", "rt CPU")
    assert rows["ws-handshake"].observed == "50.0%"
    assert "handshakes: p95 1992 ms (limit 1000 ms" in rows["ws-handshake"].evidence
    assert (
        "rt CPU: of its quota or of one core 99.0% (limit 95.0%). Memory of rt: 128 MiB, 128"
        in rows["ws-handshake"].evidence
    )
    assert rows["http-429"].observed == "16.4%"
    assert "Failed for any reason: 18.0%" in rows["http-429"].evidence
    plotted = httpx.get(rows["prisma-pool"].link, follow_redirects=True)
    assert plotted.status_code == httpx.codes.OK
    assert rows["prisma-pool"].query.startswith(
        "histogram_quantile(0.95, sum by(service_name,span_name,le)(rate(traces_span"
    )


def test_a_deep_queue_that_was_as_deep_in_the_stable_stage_or_does_not_grow_is_no_backlog(
    run: Run, prometheus: str, breach: datetime
) -> None:
    push(prometheus, story(run.id, breach))
    row = triage(run, breach, stable=False)["bullmq-backlog"]
    assert row.verdict == "not matched"
    assert "letters: waiting 400 jobs (limit 100 jobs), growth over 10 s 0 jobs" in row.evidence


def test_a_metric_with_another_name_is_inconclusive(run: Run, prometheus: str, breach: datetime) -> None:
    push(prometheus, story(run.id, breach, "bullmq-backlog"))
    renamed = run.environment.model_copy(update={"metrics": MetricNames(queue_jobs="bullmq_job_count")})
    row = triage(Run(run.id, "test", "test", renamed, run.profile), breach)["bullmq-backlog"]
    assert row.verdict == "inconclusive"
    assert "no series for 'sum by(queue)(bullmq_job_count" in row.evidence


def test_handshakes_that_stopped_altogether_are_inconclusive(run: Run, prometheus: str, breach: datetime) -> None:
    push(prometheus, [series for series in story(run.id, breach) if "ws_" not in series.labels["__name__"]])
    row = triage(run, breach)["ws-handshake"]
    assert row.verdict == "inconclusive"
    assert "CPU of rt: 20%" in row.evidence


def test_without_a_prometheus_its_rows_say_so_and_the_others_are_read(run: Run, breach: datetime) -> None:
    away = run.environment.model_copy(update={"observability": Observability(monitoring_url="http://127.0.0.1:9")})
    saturated = Saturation(loadgen=LOCALHOST, at=breach, cpu_busy=0.99, lag_ms=80, run_queue_share=0.4)
    rows = triage(Run(run.id, "test", "test", away, run.profile), breach, saturated)
    assert rows["k6-saturated"].matched
    for name in PROMETHEUS_ROWS:
        assert rows[name].verdict == "inconclusive"
        assert "did not answer" in rows[name].evidence


def test_a_container_killed_for_memory_is_matched_by_its_name(
    run: Run, built: Engine, enforced: Group, access: SshAccess, tmp_path: Path
) -> None:
    if not enforced.memory_limit_bytes:
        pytest.skip("this machine cannot limit memory: nothing can be killed for it")
    started = datetime.now(UTC)
    built.ok("compose", "up", "-d", "--no-deps", "--wait", "web")
    assert _oom_row(run, built, access, tmp_path, started).verdict in {"not matched", "inconclusive"}
    with pytest.raises(OSError, match=r"."):
        urllib.request.urlopen(f"http://{LOCALHOST}:{built.env['PORT']}/eat", timeout=20)
    until(lambda: not built.inspect("throwaway-web-1")["State"]["Running"])
    row = _oom_row(run, built, access, tmp_path, started)
    assert (row.verdict, row.subjects) == ("matched", ("throwaway-web-1",))
    assert "throwaway-web-1 ended with 137, OOMKilled is set" in row.evidence
    if (shown := subprocess.run(["dmesg"], capture_output=True, check=False)).returncode == 0 and shown.stdout:
        assert "Kernel: Killed process" in row.evidence
    assert row.onset is not None
    assert started < row.onset < datetime.now(UTC)
    assert _oom_row(run, built, access, tmp_path, datetime.now(UTC)).matched is False


def _oom_row(run: Run, engine: Engine, access: SshAccess, folder: Path, stage_started: datetime) -> TriageRow:
    docker = folder / "docker"
    docker.write_text(
        f"#!/bin/sh\nexport PYTHONPATH={REPOSITORY} REHEARSAL_ENGINE_ROOT={engine.root}\n"
        f'exec {sys.executable} -m deployments.rehearsal.engine "$@"\n'
    )
    docker.chmod(0o700)
    (run.folder / "outputs.json").write_text(f'{{"sut_public_ip": "{LOCALHOST}"}}')
    environment = run.environment.model_copy(
        update={
            "ssh": access,
            "compose_command": (str(docker), "compose"),
            "services": Services(compose_directory=str(engine.folder), project="throwaway"),
        }
    )
    signals = read_signals.fn(
        Run(run.id, "test", "test", environment, run.profile),
        stage_started=stage_started, detected=datetime.now(UTC), stable=None, loadgens=(), saturation=(),
    )  # fmt: skip
    return next(row for row in rank(signals, RULES) if row.row == "oom-kill")
