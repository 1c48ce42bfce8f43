"""A real container engine: whether there is one, `docker` on the hosts' PATH, and what the rehearsal leaves in it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployments.rehearsal.real.asking import ask
from deployments.rehearsal.real.part import NotUsable, Part

STAND_IN = "processes in memory cgroups for the container engine"
MARK = "dev.rampart.rehearsal"
"""Label of the images a rehearsal builds; its value is the checkout it belongs to."""

# The base image has some 45 MB.
_PULL_S = 60.0


def find_engine(path: str, services: Path, compose_folder: Path, project: str) -> Part:
    """Return the engine of this machine, or the stand-in with the reason.

    Args:
        path: PATH on which `docker` is looked up.
        services: Folder whose Dockerfiles name the base images.
        compose_folder: Where the rehearsal's compose file will be.
        project: Compose project of the rehearsal.
    """
    docker = shutil.which("docker", path=path)
    if docker is None:
        return Part(f"stand-in: {STAND_IN} (no docker is on PATH)")
    try:
        address, version = _server(docker, path)
        compose = _compose(docker, path)
        _no_other_project(docker, path, compose_folder, project)
        for image in _base_images(services):
            _have(docker, path, image)
    except NotUsable as reason:
        return Part(f"stand-in: {STAND_IN} ({reason})")
    return Part(f"real: Docker {version} at {address}, with compose {compose}", program=docker, url=address)


def install(part: Part, checkout: Path, worker: Path, sut: Path, compose_folder: Path) -> None:
    """Put a real engine on the PATH of the worker and of the SUT, and give its containers this user and their files.

    A host has a Docker configuration of its own, for the log-in; the plugins and the address of the user's engine are
    handed on.
    """
    wrapper = (
        "#!/bin/sh\n# This machine's docker; the images of a rehearsal are marked: rehearsal only.\n"
        f"export DOCKER_HOST={shlex.quote(part.url)}\n"
        f'if [ "$1" = build ]; then shift; set -- build --label {shlex.quote(f"{MARK}={checkout}")} "$@"; fi\n'
        f'exec {shlex.quote(part.program)} "$@"\n'
    )
    for host in (worker, sut):
        file = host / "bin" / "docker"
        file.write_text(wrapper)
        file.chmod(0o755)
    plugins = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"
    link = sut / "docker" / "cli-plugins"
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    if plugins.is_dir():
        link.symlink_to(plugins)
    (sut / "data").mkdir(exist_ok=True)
    log = sut / "requests.log"
    log.touch()
    user = f"{os.getuid()}:{os.getgid()}"
    own = {"auth": {"user": user}, "bet": {"user": user}, "api": {"user": user, "volumes": [f"{log}:{log}"]}}
    # Compose reads JSON too, and this file by itself.
    (compose_folder / "docker-compose.override.yml").write_text(json.dumps({"services": own}, indent=1) + "\n")


def remove_images(docker: Path, checkout: Path, environment: Mapping[str, str]) -> str:
    """Remove the images this checkout's rehearsals built; return what could not be removed, or nothing."""
    path = environment["PATH"]
    try:
        listed = ask(str(docker), "image", "ls", "-q", "--filter", f"label={MARK}={checkout}", path=path)
        images = sorted(set(listed.stdout.split()))
        if images:
            removed = ask(str(docker), "image", "rm", "--force", *images, path=path, timeout_s=_PULL_S)
            return "" if removed.code == 0 else removed.last_line
    except NotUsable as error:
        return str(error)
    return "" if listed.code == 0 else listed.last_line


def _server(docker: str, path: str) -> tuple[str, str]:
    """Return address and version of the engine.

    Raises:
        NotUsable: none answers, or its containers do not share this machine's network.
    """
    version = ask(docker, "version", "--format", "{{.Server.Version}}", path=path)
    if version.code != 0:
        raise NotUsable(f"no docker engine answers: {version.last_line}")
    address = ask(docker, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}", path=path).stdout.strip()
    info = ask(docker, "info", "--format", "{{json .}}", path=path)
    if info.code != 0:
        raise NotUsable(f"docker info fails: {info.last_line}")
    about: dict[str, Any] = json.loads(info.stdout)
    if not address.startswith("unix://") or about["Name"] != socket.gethostname():
        raise NotUsable(f"the docker engine at {address} is on another machine, {about['Name']}")
    if any("rootless" in option for option in about.get("SecurityOptions") or ()):
        raise NotUsable("the docker engine is rootless: its containers do not share this machine's network")
    return address, version.stdout.strip()


def _compose(docker: str, path: str) -> str:
    """Return the version of docker compose; the `docker-compose` of 1.x is another program."""
    said = ask(docker, "compose", "version", "--short", path=path)
    version = said.stdout.strip().removeprefix("v")
    if said.code != 0 or not version[:1].isdigit():
        raise NotUsable(f"docker compose is missing: {said.last_line}")
    return version


def _no_other_project(docker: str, path: str, folder: Path, project: str) -> None:
    """Leave a compose project of the same name alone.

    Raises:
        NotUsable: there is one that is not the rehearsal's.
    """
    label = "com.docker.compose.project"
    folders = ask(
        docker, "ps", "-a", "--filter", f"label={label}={project}", "--format", f'{{{{.Label "{label}.working_dir"}}}}',
        path=path,
    ).stdout.split("\n")  # fmt: skip
    others = sorted({line for line in folders if line} - {str(folder)})
    if others:
        raise NotUsable(f"containers of another compose project '{project}' are there: {others[0]}")


def _base_images(services: Path) -> list[str]:
    lines = [line.split() for file in services.rglob("Dockerfile") for line in file.read_text().splitlines()]
    return sorted({words[1] for words in lines if words and words[0].upper() == "FROM"})


def _have(docker: str, path: str, image: str) -> None:
    if ask(docker, "image", "inspect", "--format", "{{.Id}}", image, path=path).code == 0:
        return
    try:
        pulled = ask(docker, "pull", "--quiet", image, path=path, timeout_s=_PULL_S)
    except NotUsable as error:
        raise NotUsable(f"base image {image} is not here: {error}") from error
    if pulled.code != 0:
        raise NotUsable(f"base image {image} is neither here nor can it be pulled: {pulled.last_line}")
