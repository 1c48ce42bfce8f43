from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deployments.rehearsal.engine.compose.project import ProjectOptions, load_project
from deployments.rehearsal.engine.compose.services import Service, parse_service
from deployments.rehearsal.engine.errors import EngineError


def parsed(**keys: Any) -> Service:
    return parse_service("api", {"image": "a:1", **keys}, Path(), {"OUTER": "o"})


def project(folder: Path, text: str, **options: Any) -> Any:
    (folder / "compose.yml").write_text(text)
    defaults = {"files": [str(folder / "compose.yml")], "name": "", "folder": "", "env_files": [], "profiles": []}
    return load_project(ProjectOptions(**(defaults | options)))


def test_limits_are_read_from_both_places() -> None:
    assert (parsed(mem_limit="256m", cpus=1.5).memory_bytes, parsed(cpus="0.5").nano_cpus) == (256 << 20, 500_000_000)
    limits = {"resources": {"limits": {"memory": "1g", "cpus": "2"}}}
    assert (parsed(deploy=limits).memory_bytes, parsed(deploy=limits).nano_cpus) == (1 << 30, 2_000_000_000)
    assert (parsed().memory_bytes, parsed().nano_cpus) == (0, 0)


def test_environment_is_read_as_list_and_mapping() -> None:
    assert parsed(environment=["A=1=2", "OUTER", "GONE"]).environment == {"A": "1=2", "OUTER": "o"}
    assert parsed(environment={"A": 1, "B": True, "OUTER": None}).environment == {"A": "1", "B": "true", "OUTER": "o"}


def test_a_health_check_has_the_shape_of_an_images() -> None:
    check = parsed(healthcheck={"test": ["CMD", "true"], "interval": "1m30s", "retries": 2}).healthcheck
    assert check == {"Test": ["CMD", "true"], "Interval": 90_000_000_000, "Retries": 2}
    shell = parsed(healthcheck={"test": "exit 0"}).healthcheck
    assert shell == {"Test": ["CMD-SHELL", "exit 0"]}
    assert parsed(healthcheck={"disable": True}).healthcheck == {"Test": ["NONE"]}


@pytest.mark.parametrize(
    "keys",
    [
        {"privileged": True},
        {"network_mode": "bridge"},
        {"volumes": ["data:/var/lib"]},
        {"volumes": ["/a:/b"]},
        {"ports": ["8080:80"]},
        {"deploy": {"replicas": 2}},
        {"healthcheck": {"test": "x", "often": 1}},
        {"depends_on": {"b": {"condition": "someday"}}},
    ],
)
def test_what_cannot_be_honoured_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match=r"services\.api\..* is not supported"):
        parsed(**keys)


def test_a_folder_under_its_own_path_and_equal_ports_are_fine() -> None:
    assert parsed(volumes=["/data:/data:ro"], ports=["4000:4000", "127.0.0.1:80:80"]).binds == ["/data"]


def test_services_come_after_what_they_depend_on(tmp_path: Path) -> None:
    found = project(
        tmp_path, "services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [c]}, c: {image: x}}"
    )
    assert [service.name for service in found.in_order()] == ["c", "b", "a"]
    assert [service.name for service in found.in_order(["b"])] == ["c", "b"]
    assert [service.name for service in found.in_order(["b"], dependencies=False)] == ["b"]
    with pytest.raises(EngineError, match="no such service: z"):
        found.in_order(["z"])


def test_a_circle_is_refused(tmp_path: Path) -> None:
    found = project(tmp_path, "services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}")
    with pytest.raises(EngineError, match="dependency cycle detected: a -> b -> a"):
        found.in_order()


def test_the_projects_name_follows_composes_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "My App"
    folder.mkdir()
    monkeypatch.delenv("COMPOSE_PROJECT_NAME", raising=False)
    assert project(folder, "services: {a: {image: x}}").name == "myapp"
    assert project(folder, "name: filed\nservices: {a: {image: x}}").name == "filed"
    assert project(folder, "name: filed\nservices: {a: {image: x}}", name="given").name == "given"


def test_dot_env_counts_less_than_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("REHEARSAL_TAG=file\nREHEARSAL_OTHER=file\n")
    monkeypatch.setenv("REHEARSAL_TAG", "shell")
    found = project(tmp_path, 'services: {a: {image: "x:${REHEARSAL_TAG}-${REHEARSAL_OTHER}"}}')
    assert found.services["a"].image == "x:shell-file"


def test_a_service_with_a_profile_needs_it(tmp_path: Path) -> None:
    text = "services: {a: {image: x}, b: {image: x, profiles: [extra]}}"
    assert list(project(tmp_path, text).services) == ["a"]
    assert list(project(tmp_path, text, profiles=["extra"]).services) == ["a", "b"]


@pytest.mark.parametrize("text", ["services: [", "- a", "services: {}", "secrets: {}\nservices: {a: {image: x}}"])
def test_a_broken_file_is_a_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(EngineError):
        project(tmp_path, text)
