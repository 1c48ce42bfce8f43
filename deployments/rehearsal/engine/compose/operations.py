"""What compose does with a project's containers: pull, up, wait, down."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

from deployments.rehearsal.engine import lifecycle
from deployments.rehearsal.engine.compose.project import Project
from deployments.rehearsal.engine.compose.services import Service
from deployments.rehearsal.engine.containers import Container, Definition, all_containers, create
from deployments.rehearsal.engine.errors import EngineError
from deployments.rehearsal.engine.health import check_of, health, run_check
from deployments.rehearsal.engine.home import Home
from deployments.rehearsal.engine.images import Image, ImageStore
from deployments.rehearsal.engine.output import err
from deployments.rehearsal.engine.transfer import pull as pull_image
from deployments.rehearsal.engine.units import seconds_since_epoch
from deployments.rehearsal.engine.views import PROJECT_LABEL, SERVICE_LABEL

HASH_LABEL = "com.docker.compose.config-hash"
COMPOSE_VERSION = "2.40.0-standin"
"""The compose release whose output is imitated."""

_POLL_S = 0.05


def containers_of(home: Home, project: str, services: Sequence[str] = ()) -> list[Container]:
    """Returns a project's containers, oldest first; `services` narrows them down."""
    found = [c for c in all_containers(home) if c.definition.labels.get(PROJECT_LABEL) == project]
    return [c for c in reversed(found) if not services or service_of(c) in services]


def service_of(container: Container) -> str:
    """Returns the name of the service a container belongs to."""
    return container.definition.labels.get(SERVICE_LABEL, "")


def pull(home: Home, services: Sequence[Service]) -> None:
    """Pulls the services' images.

    Raises:
        EngineError: One could not be pulled.
    """
    store = ImageStore(home)
    for service in services:
        err(f" {service.name} Pulling ")
        try:
            pull_image(store, service.image, "", lambda _text: None)
        except EngineError as error:
            err(f" {service.name} Error {error}")
            raise
        err(f" {service.name} Pulled ")


def up(home: Home, project: Project, services: Sequence[Service], *, recreate: bool) -> list[Container]:
    """Creates and starts services in order; a running container whose configuration is unchanged stays.

    Raises:
        EngineError: An image is missing and cannot be pulled, or a dependency does not become what was asked for.
    """
    images = {service.name: _image(home, service) for service in services}
    restarted = [service.name for service in services if service.restart != "no"]
    if restarted:
        err(f'level=warning msg="stand-in engine: restart policies are not followed ({", ".join(restarted)})"')
    made: dict[str, Container] = {}
    for service in services:
        for other, condition in service.depends_on.items():
            if other in made and condition != "service_started":
                _await_condition(made[other], condition)
        made[service.name] = _bring_up(home, project, service, images[service.name], recreate=recreate)
    return list(made.values())


def wait_until_healthy(containers: Sequence[Container], within_s: float | None) -> None:
    """Waits until every container is healthy, or running if it has no health check.

    Raises:
        EngineError: One ended or is unhealthy, or time is up; the message names it.
    """
    deadline = time.monotonic() + within_s if within_s is not None else None
    for container in containers:
        err(f" Container {container.definition.name}  Waiting")
    for container in containers:
        _await_healthy(container, deadline, within_s)
        err(f" Container {container.definition.name}  Healthy")


def down(containers: Sequence[Container], grace_s: float | None) -> None:
    """Stops and removes containers, the last started first."""
    for container in reversed(containers):
        err(f" Container {container.definition.name}  Stopping")
        lifecycle.stop(container, grace_s)
        err(f" Container {container.definition.name}  Stopped")
        lifecycle.remove(container, force=True)
        err(f" Container {container.definition.name}  Removed")


def _bring_up(home: Home, project: Project, service: Service, image: Image, *, recreate: bool) -> Container:
    definition = _definition(project, service, image)
    name = definition.name
    for old in containers_of(home, project.name, [service.name]):
        same = old.definition.labels.get(HASH_LABEL) == definition.labels[HASH_LABEL]
        if same and not recreate:
            if old.state().running:
                err(f" Container {name}  Running")
            else:
                lifecycle.start(home, old)
                err(f" Container {name}  Started")
            return old
        err(f" Container {name}  Recreate")
        lifecycle.stop(old)
        lifecycle.remove(old, force=True)
    for bind in definition.binds:
        Path(bind).mkdir(parents=True, exist_ok=True)  # docker makes missing folders of the short syntax
    container = create(home, definition, image)
    err(f" Container {name}  Created")
    lifecycle.start(home, container)
    err(f" Container {name}  Started")
    return container


def _definition(project: Project, service: Service, image: Image) -> Definition:
    runtime = image.runtime
    entrypoint = service.entrypoint if service.entrypoint is not None else runtime.get("Entrypoint") or []
    # A new entrypoint drops the image's command, as docker does.
    image_command = [] if service.entrypoint is not None else runtime.get("Cmd") or []
    argv = [*entrypoint, *(service.command if service.command is not None else image_command)]
    if not argv:
        raise EngineError("Error response from daemon: no command specified")
    text = json.dumps([dataclasses.asdict(service), image.id], sort_keys=True)
    labels = {
        **(runtime.get("Labels") or {}),
        **service.labels,
        PROJECT_LABEL: project.name,
        SERVICE_LABEL: service.name,
        HASH_LABEL: hashlib.sha256(text.encode()).hexdigest(),
        "com.docker.compose.container-number": "1",
        "com.docker.compose.depends_on": ",".join(f"{o}:{c}:false" for o, c in service.depends_on.items()),
        "com.docker.compose.image": image.id,
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.project.config_files": ",".join(map(str, project.files)),
        "com.docker.compose.project.working_dir": str(project.folder),
        "com.docker.compose.version": COMPOSE_VERSION,
    }
    return Definition(
        name=service.container_name or f"{project.name}-{service.name}-1",
        image=service.image,
        image_id=image.id,
        argv=argv,
        env=dict(pair.split("=", 1) for pair in runtime.get("Env") or []) | service.environment,
        workdir=service.workdir or runtime.get("WorkingDir") or "/",
        labels=labels,
        memory_bytes=service.memory_bytes,
        nano_cpus=service.nano_cpus,
        # Keys the service leaves out come from the image, as compose does it.
        healthcheck={**(runtime.get("Healthcheck") or {}), **(service.healthcheck or {})},
        binds=service.binds,
        stop_signal=service.stop_signal or runtime.get("StopSignal") or "SIGTERM",
        stop_grace_s=service.stop_grace_s,
    )


def _image(home: Home, service: Service) -> Image:
    store = ImageStore(home)
    image = store.find(service.image)
    if image is None:
        pull(home, [service])
        image = store.get(service.image)
    return image


def _await_condition(container: Container, condition: str) -> None:
    if condition == "service_healthy":
        _await_healthy(container, None, None)
        return
    while container.state().running:
        time.sleep(_POLL_S)
    if code := container.state().exit_code:
        raise EngineError(f'service "{service_of(container)}" didn\'t complete successfully: exit {code}')


def _await_healthy(container: Container, deadline: float | None, within_s: float | None) -> None:
    check, name = check_of(container), container.definition.name
    result = health(container)
    while True:
        state = container.state()
        if not state.running:
            raise EngineError(f"container {name} exited ({state.exit_code})")
        if check is None:
            return
        if result["Status"] == "healthy" and not result["FailingStreak"]:
            return
        up_s = time.time() - seconds_since_epoch(state.started_at)
        if result["Status"] == "unhealthy" or up_s > check.gives_up_after_s:
            raise EngineError(f"container {name} is unhealthy")
        if deadline is not None and time.monotonic() > deadline:
            raise EngineError(f"application not healthy after {within_s:g}s")
        time.sleep(check.wait_interval_s)
        result = run_check(container, check)
