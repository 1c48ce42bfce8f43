"""The words of docker are those of the client 28.2.2 with and without a server, and of Docker 20.10 with compose 2.40."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.rehearsal.real.engine import MARK, find_engine, install, remove_images
from deployments.rehearsal.real.part import Part

Program = Callable[[str, str], Path]

NO_SERVER = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"

NO_REGISTRY = (
    'Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: connect: connection refused'
)


def docker(  # noqa: PLR0913 - each is one thing a machine may lack
    *,
    server: str = "echo 20.10.24",
    address: str = "unix:///run/docker.sock",
    name: str = "",
    security: tuple[str, ...] = ("name=seccomp,profile=default",),
    info: str = "",
    compose: str = "echo 2.40.3",
    others: str = ":",
    image: str = "echo sha256:1",
    pull: str = "exit 1",
) -> str:
    """Return a script that answers as docker does."""
    about = json.dumps({"Name": name or socket.gethostname(), "SecurityOptions": security})
    return f"""case "$1 $2" in
"version --format") {server} ;;
"context inspect") echo '{address}' ;;
"info --format") {info or f"echo '{about}'"} ;;
"compose version") {compose} ;;
"ps -a") {others} ;;
"image inspect") {image} ;;
"pull --quiet") {pull} ;;
*) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""


def found(tmp_path: Path) -> Part:
    services = tmp_path / "services" / "api"
    services.mkdir(parents=True)
    (services / "Dockerfile").write_text("FROM python:3.11-slim\nWORKDIR /app\n")
    return find_engine(f"{tmp_path / 'bin'}:/usr/bin:/bin", tmp_path / "services", tmp_path / "compose", "ebit")


def test_an_engine_with_compose_and_base_image_is_used(tmp_path: Path, program: Program) -> None:
    file = program("docker", docker())
    assert found(tmp_path) == Part(
        "real: Docker 20.10.24 at unix:///run/docker.sock, with compose 2.40.3", str(file), "unix:///run/docker.sock"
    )


def test_without_docker_the_stand_in_serves(tmp_path: Path) -> None:
    services = tmp_path / "services"
    part = find_engine(str(tmp_path / "bin"), services, tmp_path, "ebit")
    assert part == Part("stand-in: processes in memory cgroups for the container engine (no docker is on PATH)")
    assert not part.real


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (docker(server=f"echo; echo '{NO_SERVER}' >&2; exit 1"), f"no docker engine answers: {NO_SERVER}"),
        (
            docker(compose="echo 'docker: unknown command: docker compose' >&2; exit 1"),
            "docker compose is missing: docker: unknown command: docker compose",
        ),
        (docker(info="echo 'Error: EOF' >&2; exit 1"), "docker info fails: Error: EOF"),
        (docker(name="build-7"), "the docker engine at unix:///run/docker.sock is on another machine, build-7"),
        (
            docker(address="tcp://10.0.0.7:2376", name="build-7"),
            "the docker engine at tcp://10.0.0.7:2376 is on another machine, build-7",
        ),
        (
            docker(security=("name=seccomp,profile=default", "name=rootless")),
            "the docker engine is rootless: its containers do not share this machine's network",
        ),
        (
            docker(others="echo /opt/ebit; echo /opt/ebit"),
            "containers of another compose project 'ebit' are there: /opt/ebit",
        ),
        (
            docker(
                image="echo 'Error: No such image: python:3.11-slim' >&2; exit 1",
                pull=f"echo '{NO_REGISTRY}' >&2; exit 1",
            ),
            f"base image python:3.11-slim is neither here nor can it be pulled: {NO_REGISTRY}",
        ),
    ],
)
def test_an_engine_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, program: Program, script: str, reason: str
) -> None:
    program("docker", script)
    assert found(tmp_path) == Part(f"stand-in: processes in memory cgroups for the container engine ({reason})")


def test_a_base_image_that_can_be_pulled_is_enough(tmp_path: Path, program: Program) -> None:
    program("docker", docker(image="exit 1", pull="echo docker.io/library/python:3.11-slim"))
    assert found(tmp_path).real


def test_what_a_dead_rehearsal_left_is_not_in_the_way(tmp_path: Path, program: Program) -> None:
    program("docker", docker(others=f"echo {tmp_path / 'compose'}"))
    assert found(tmp_path).real


@pytest.fixture
def hosts(tmp_path: Path, program: Program) -> Path:
    """A worker and an SUT with a docker that says how it was called."""
    file = program("docker", 'echo "$DOCKER_HOST $*"')
    for host in ("worker", "sut"):
        (tmp_path / host / "bin").mkdir(parents=True)
    (tmp_path / "compose").mkdir()
    part = Part("", str(file), "unix:///run/docker.sock")
    install(part, Path("/a checkout"), tmp_path / "worker", tmp_path / "sut", tmp_path / "compose")
    return tmp_path


def said(file: Path, *arguments: str) -> str:
    return subprocess.run([file, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def test_builds_are_marked_and_all_else_is_passed_on(hosts: Path) -> None:
    file = hosts / "worker" / "bin" / "docker"
    assert said(file, "build", "-t", "x", "a b") == (
        f"unix:///run/docker.sock build --label {MARK}=/a checkout -t x a b"
    )
    assert said(hosts / "sut" / "bin" / "docker", "compose", "up", "-d") == "unix:///run/docker.sock compose up -d"


def test_containers_that_write_on_the_host_run_as_this_user(hosts: Path) -> None:
    services = json.loads((hosts / "compose" / "docker-compose.override.yml").read_text())["services"]
    user = f"{os.getuid()}:{os.getgid()}"
    assert {name: service["user"] for name, service in services.items()} == {"auth": user, "bet": user, "api": user}
    log = hosts / "sut" / "requests.log"
    assert services["api"]["volumes"] == [f"{log}:{log}"]
    assert log.is_file()


def test_only_marked_images_are_removed(tmp_path: Path, program: Program) -> None:
    file = program(
        "docker",
        f"""echo "$*" >> {tmp_path}/calls
case "$1 $2" in
"image ls") echo one; echo one; echo two ;;
esac
""",
    )
    assert remove_images(file, Path("/checkout"), {"PATH": "/usr/bin:/bin"}) == ""
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"image ls -q --filter label={MARK}=/checkout",
        "image rm --force one two",
    ]


def test_images_that_stay_are_reported(tmp_path: Path, program: Program) -> None:
    refused = "Error response from daemon: conflict: unable to delete one (cannot be forced)"
    file = program("docker", f'if [ "$2" = ls ]; then echo one; else echo "{refused}" >&2; exit 1; fi\n')
    assert remove_images(file, tmp_path, {"PATH": "/usr/bin:/bin"}) == refused
