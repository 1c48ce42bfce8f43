from __future__ import annotations

import pytest

from blocks.load_profile import LoadProfile
from blocks.models.settings import MetricNames
from blocks.perf_environment import PerfEnvironment
from deployments.rehearsal.drills.blocks import NAME, save_blocks, set_bypass
from deployments.rehearsal.drills.faults import DRILLS
from deployments.rehearsal.ports import NAMES
from deployments.rehearsal.real.part import Part
from deployments.rehearsal.settings import BLOCK, save_rehearsal_blocks
from deployments.rehearsal.stack import Stack

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", autouse=True)
def rehearsal(prefect: str) -> None:  # noqa: ARG001 - its server has to run
    ports = {name: 1000 + number for number, name in enumerate(NAMES)}
    stood_in = Part(line="stand-in")
    save_rehearsal_blocks(
        Stack(ports=ports, grafana_token="token", engine=stood_in, grafana=stood_in, jaeger=stood_in, mark="test")
    )


def profile_of(name: str) -> LoadProfile:
    loaded = LoadProfile.load(name)
    assert isinstance(loaded, LoadProfile)
    return loaded


def environment_of(name: str) -> PerfEnvironment:
    loaded = PerfEnvironment.load(name)
    assert isinstance(loaded, PerfEnvironment)
    return loaded


def test_a_drill_has_the_short_ramp_and_the_rehearsals_own_limits() -> None:
    assert save_blocks(DRILLS["healthy"]) == {"environment": BLOCK, "profile": NAME}
    drill, rehearsal = profile_of(NAME), profile_of(BLOCK)
    assert drill.ramp.script.name == "short-ramp.js"
    assert rehearsal.ramp.script.name == "stepped-ramp.js"
    assert {rule.name for rule in drill.guard} >= {"sign-in p95", "error rate", "container CPU", "handshake p95"}
    assert [rule.limit for rule in drill.guard if rule.metric == "queue_depth"] == [30.0]


def test_a_renamed_metric_is_in_a_block_of_its_own_and_the_rehearsals_stays() -> None:
    assert save_blocks(DRILLS["renamed-metric"]) == {"environment": NAME, "profile": NAME}
    usual = MetricNames()
    drill, rehearsal = environment_of(NAME), environment_of(BLOCK)
    assert rehearsal.metrics == usual
    changed = {name for name, value in drill.metrics.model_dump().items() if value != getattr(usual, name)}
    assert changed == {"span_duration"}
    assert drill.aws == rehearsal.aws
    assert drill.observability == rehearsal.observability


def test_the_bypass_key_is_a_secret_of_the_drill_alone() -> None:
    save_blocks(DRILLS["http-429"])
    set_bypass("open sesame")
    assert profile_of(NAME).script_secrets["LOAD_TEST_BYPASS"].get_secret_value() == "open sesame"
    assert "LOAD_TEST_BYPASS" not in profile_of(BLOCK).script_secrets
