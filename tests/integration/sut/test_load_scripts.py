import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.sut.ebit import Ebit, tool, tool_env

pytestmark = pytest.mark.integration

SEED = ("npx", "tsx", "tests-perf/seed/seed-load-users.ts")
SHORT = """
import { options as whole } from './smoke.js';
export * from './smoke.js';
const scenarios = {};
for (const [name, scenario] of Object.entries(whole.scenarios)) {
  scenarios[name] = Object.assign({}, scenario, { vus: scenario.vus / 5, duration: '3s' });
}
export const options = Object.assign({}, whole, { scenarios });
"""


def seed(repository: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool(SEED[0]), *SEED[1:]],
        cwd=repository,
        env=tool_env(**variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def k6(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in {"API_URL", "WS_URL", "RT_PORT"}}
    return subprocess.run(
        [tool("k6"), *arguments],
        cwd=repository,
        env=environment | {"K6_NO_USAGE_REPORT": "true"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def seeded(repository: Path, ebit: Ebit) -> Path:
    done = seed(repository, API_URL=ebit.api_url, TEST_USER_COUNT="50")
    assert done.returncode == 0, done.stderr
    assert "seeded 50/50" in done.stdout
    return repository


def inspect(repository: Path, script: str) -> dict[str, Any]:
    done = k6(repository, "inspect", "--execution-requirements", "-e", "API_URL=http://127.0.0.1:4000", script)
    assert done.returncode == 0, done.stderr
    plan: dict[str, Any] = json.loads(done.stdout)
    return plan


def test_seeding_writes_distinct_users_only_the_owner_can_read(seeded: Path) -> None:
    file = seeded / "tests-perf" / "k6" / "users.json"
    users = json.loads(file.read_text())
    assert len({user["email"] for user in users}) == 50
    assert all(set(user) == {"email", "password"} for user in users)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not file.with_suffix(".json.part").exists()


def test_seeding_may_be_repeated_and_extended(seeded: Path, ebit: Ebit, tmp_path: Path) -> None:
    output = tmp_path / "deeper" / "users.json"
    done = seed(seeded, API_URL=ebit.api_url, TEST_USER_COUNT="60", OUTPUT=str(output), SEED_CONCURRENCY="3")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(output.read_text())) == 60


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"API_URL": "", "TEST_USER_COUNT": "5"}, "API_URL is ''"),
        ({"API_URL": "http://127.0.0.1:9", "TEST_USER_COUNT": "none"}, "TEST_USER_COUNT is 'none'"),
        ({"API_URL": "http://127.0.0.1:9", "TEST_USER_COUNT": "2"}, "stopped after 0 of 2 users"),
    ],
)
def test_seeding_that_cannot_work_ends_with_one_sentence(
    repository: Path, tmp_path: Path, variables: dict[str, str], sentence: str
) -> None:
    output = tmp_path / "users.json"
    done = seed(repository, OUTPUT=str(output), **variables)
    said = [line for line in done.stderr.splitlines() if not line.startswith("npm warn")]
    assert done.returncode == 1
    assert len(said) == 1
    assert said[0].startswith(f"seed-load-users: {sentence}")
    assert not output.exists()


def test_the_smoke_is_50_users_for_a_minute_in_four_scenarios(seeded: Path) -> None:
    plan = inspect(seeded, "tests-perf/k6/smoke.js")
    assert {name: item["vus"] for name, item in plan["scenarios"].items()} == {
        "signin": 20,
        "bet": 15,
        "history": 10,
        "ws": 5,
    }
    assert {item["duration"] for item in plan["scenarios"].values()} == {"1m0s"}
    assert plan["maxVUs"] == 50


def test_the_ramp_has_ten_levels_of_equal_shares_in_42_minutes(seeded: Path) -> None:
    scenarios = inspect(seeded, "tests-perf/profiles/stepped-ramp.js")["scenarios"]
    shares = {"signin": 0.4, "bet": 0.3, "history": 0.2, "ws": 0.1}
    assert set(scenarios) == set(shares)
    for name, share in shares.items():
        stages = scenarios[name]["stages"]
        assert [stage["duration"] for stage in stages] == ["1m0s", "3m12s"] * 10
        assert [stage["target"] for stage in stages] == [
            round(level * share) for level in range(1000, 11000, 1000) for _ in range(2)
        ]


def test_the_ramp_aborts_on_sign_in_p95(seeded: Path) -> None:
    thresholds = inspect(seeded, "tests-perf/profiles/stepped-ramp.js")["thresholds"]
    assert thresholds["http_req_duration{scenario:signin}"][0]["abortOnFail"] is True


@pytest.mark.parametrize("script", ["tests-perf/k6/smoke.js", "tests-perf/profiles/stepped-ramp.js"])
def test_a_script_without_api_url_says_so(seeded: Path, script: str) -> None:
    done = k6(seeded, "inspect", script)
    assert done.returncode != 0
    assert "API_URL is not set" in done.stderr


def test_a_short_smoke_passes_runs_all_scenarios_and_stores_no_token(seeded: Path, ebit: Ebit, tmp_path: Path) -> None:
    (seeded / "tests-perf" / "k6" / "short.js").write_text(SHORT)
    summary, samples = tmp_path / "summary.json", tmp_path / "samples.csv"
    done = k6(
        seeded,
        "run",
        "--quiet",
        *("-e", f"API_URL={ebit.api_url}", "-e", f"RT_PORT={ebit.variables['RT_PORT']}", "-e", "THINK_S=0.5"),
        *("--summary-export", str(summary), "--out", f"csv={samples}"),
        "tests-perf/k6/short.js",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads(summary.read_text())["metrics"]
    assert metrics["checks"]["fails"] == 0
    assert metrics["ws_sessions"]["count"] >= 1
    assert metrics["ws_msgs_received"]["count"] > metrics["ws_sessions"]["count"]
    text = samples.read_text()
    header, *rows = [line.split(",") for line in text.splitlines()]
    metric, scenario, url = (header.index(name) for name in ("metric_name", "scenario", "url"))
    assert {row[scenario] for row in rows if row[metric] == "iterations"} == {"signin", "bet", "history", "ws"}
    paths = {(row[scenario], row[url].removeprefix(ebit.api_url)) for row in rows if row[metric] == "http_req_duration"}
    assert paths == {("signin", "/api/auth/signin"), ("bet", "/api/bets/dice"), ("history", "/api/bets/history")}
    assert "token=" not in text
