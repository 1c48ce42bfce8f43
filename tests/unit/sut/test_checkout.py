import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

SERVICES = {
    "api": "ebit-api-core",
    "auth": "ebit-api-auth",
    "bet": "ebit-api-bet",
    "rt": "ebit-api-rt",
    "worker": "ebit-api-worker",
    "fe": "ebit-fe",
}


@pytest.fixture
def compose(checkout: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((checkout / "docker-compose.yml").read_text())
    return loaded


def test_the_compose_file_has_exactly_the_six_services(compose: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in compose["services"].items()}
    assert compose["name"] == "ebit"
    assert images == {name: f"${{REGISTRY:?}}/{image}:${{TAG:-latest}}" for name, image in SERVICES.items()}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_limits_and_a_health_check(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["mem_limit"]
    assert service["cpus"] > 0
    assert service["healthcheck"]["test"][:4] == ["CMD", "python", "-m", "ebit_shared.probe"]
    assert service["network_mode"] == "host"


def test_every_variable_of_the_compose_file_is_in_the_example(checkout: Path) -> None:
    used = set(re.findall(r"\$\{(\w+)", (checkout / "docker-compose.yml").read_text()))
    shown = set(re.findall(r"^(\w+)=", (checkout / ".env.example").read_text(), re.MULTILINE))
    assert used == shown


@pytest.mark.parametrize("name", SERVICES)
def test_a_dockerfile_keeps_to_simple_instructions(checkout: Path, name: str) -> None:
    lines = (checkout / "services" / name / "Dockerfile").read_text().splitlines()
    assert {line.split()[0] for line in lines} <= {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "EXPOSE", "CMD"}
    assert lines[0] == "FROM python:3.11-slim"
    assert json.loads(lines[-1].removeprefix("CMD ")) == ["python", "-m", f"ebit_{name}"]


def test_the_lock_file_names_no_package_index(checkout: Path) -> None:
    lock = (checkout / "package-lock.json").read_text()
    assert "resolved" not in lock
    assert "http" not in lock
    wanted = json.loads((checkout / "package.json").read_text())["devDependencies"]
    assert json.loads(lock)["packages"]["node_modules/tsx"]["version"] == wanted["tsx"]


def test_users_are_seeded_and_never_committed(checkout: Path) -> None:
    assert not (checkout / "tests-perf" / "k6" / "users.json").exists()
    assert "tests-perf/k6/users.json" in (checkout / ".gitignore").read_text().splitlines()


def test_the_report_has_a_row_for_each_stage_and_one_named_field(checkout: Path) -> None:
    report = (checkout / "docs" / "performance-test-report.md").read_text()
    stages = re.findall(r"^\| (\d+) \|( \{\{TBD\}\} \|){10}$", report, re.MULTILINE)
    assert [int(number) for number, _ in stages] == list(range(1, 11))
    assert set(re.findall(r"\{\{(.*?)\}\}", report)) == {"TBD", "stage.3.signin.p95_ms"}
