"""One load generator that does not answer keeps none of the others loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from prefect_aws import AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.models.errors import Unavailable
from blocks.models.load import LoadPlan
from blocks.models.settings import SshAccess
from blocks.perf_environment import PerfEnvironment
from tasks.clients.hosts import Host
from tasks.clients.loadgen import LoadGenerator
from tasks.load import stop_all_load
from tasks.run import Run
from tasks.watch import LoadWatch

from .conftest import K6, LOCALHOST

pytestmark = pytest.mark.integration

# sshd of the tests listens on one address alone.
_AWAY = "127.0.0.2"
_SCRIPT = """
import { sleep } from 'k6';
export const options = { vus: 1, duration: '10m' };
export default function () { sleep(0.1); }
export function teardown() { sleep(2); }
"""


@pytest.fixture
def run(access: SshAccess, tmp_path: Path) -> Run:
    """A run of two load generators, the first of which does not answer."""
    environment = PerfEnvironment(
        checkout=tmp_path, account_id="123456789012", aws=AwsCredentials(), runs_folder=tmp_path / "runs",
        ssh=access.model_copy(update={"work_directory": str(tmp_path / "host")}),
    )  # fmt: skip
    made = Run(str(uuid4()), "test", "test", environment, LoadProfile())
    made.folder.mkdir(parents=True)
    (made.folder / "outputs.json").write_text(json.dumps({"loadgen_public_ip": [_AWAY, LOCALHOST]}))
    return made


@pytest.fixture
def loaded(run: Run, host: Host, tmp_path: Path) -> Iterator[LoadGenerator]:
    """The second load generator, whose k6 needs two seconds to end."""
    folder = tmp_path / "checkout" / "tests-perf"
    folder.mkdir(parents=True)
    (folder / "load.js").write_text(_SCRIPT)
    loadgen = LoadGenerator(host, f"{tmp_path}/host/{run.id}", 1)
    loadgen.install(K6, folder)
    loadgen.start("a", ["--no-usage-report", f"{loadgen.folder}/tests-perf/load.js"], {"K6_ADDRESS": ""})
    yield loadgen
    loadgen.interrupt()


def test_the_load_of_the_others_is_seen_off_before_the_one_that_is_away_is_named(
    access: SshAccess, loaded: LoadGenerator
) -> None:
    plan = LoadPlan(unit="vus", levels=(), scenarios=(), thresholds={}, tags={}, other={})
    away = LoadGenerator(Host(_AWAY, access), "away", 0)
    watch = LoadWatch(loadgens=(away, loaded), plan=plan, segments=())
    with pytest.raises(Unavailable, match=_AWAY):
        watch.stop_load()
    assert [job.alive for job in loaded.jobs()] == [False]


def test_a_teardown_stops_the_load_of_those_it_reaches(run: Run, loaded: LoadGenerator) -> None:
    with pytest.raises(Unavailable, match=_AWAY):
        stop_all_load(run)
    assert [job.alive for job in loaded.jobs()] == [False]
