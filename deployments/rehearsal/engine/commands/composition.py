"""`docker compose ...`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from deployments.rehearsal.engine import lifecycle
from deployments.rehearsal.engine.arguments import Arguments, pairs
from deployments.rehearsal.engine.commands.containers import print_stats
from deployments.rehearsal.engine.compose import operations
from deployments.rehearsal.engine.compose.project import Project, ProjectOptions, load_project, project_name
from deployments.rehearsal.engine.containers import Container
from deployments.rehearsal.engine.errors import EngineError, Unsupported
from deployments.rehearsal.engine.home import Home, home_from_environment
from deployments.rehearsal.engine.images import ImageStore
from deployments.rehearsal.engine.logs import read_log
from deployments.rehearsal.engine.output import err, out, table
from deployments.rehearsal.engine.template import render, to_json
from deployments.rehearsal.engine.views import compose_ps_row, image_rows


def compose(words: list[str]) -> int | None:
    """`docker compose [options] COMMAND`."""
    arguments = Arguments("compose")
    arguments.values("-f", "--file")
    arguments.values("--env-file")
    arguments.values("--profile")
    arguments.value("-p", "--project-name")
    for name in ("--project-directory", "--progress", "--ansi", "--parallel"):
        arguments.value(name)
    arguments.rest("command")
    options = arguments.parse_args(words)
    chosen = ProjectOptions(
        options.file, options.project_name, options.project_directory, options.env_file, options.profile
    )
    name, *rest = options.command or [""]
    if name not in _COMMANDS:
        raise Unsupported(f"compose {name}".rstrip())
    return _COMMANDS[name](chosen, rest)


def _version(_options: ProjectOptions, words: list[str]) -> None:
    arguments = Arguments("compose version")
    arguments.flag("--short")
    arguments.value("-f", "--format", default="pretty")
    options = arguments.parse_args(words)
    version = operations.COMPOSE_VERSION
    if options.short:
        out(version)
    elif options.format == "json":
        out(to_json({"version": f"v{version}"}))
    else:
        out(f"Docker Compose version v{version}")


def _config(chosen: ProjectOptions, words: list[str]) -> None:
    arguments = Arguments("compose config")
    for names in (("--images",), ("--services",), ("-q", "--quiet")):
        arguments.flag(*names)
    arguments.value("--format", default="yaml")
    arguments.words("names", "*")
    options = arguments.parse_args(words)
    project = load_project(chosen)
    services = project.in_order(options.names)
    if options.images or options.services:
        for service in services:
            out(service.image if options.images else service.name)
    elif options.format == "json":
        out(to_json(project.document))
    elif not options.quiet:
        import yaml  # noqa: PLC0415 - only here

        out(yaml.safe_dump(project.document, sort_keys=False).rstrip())


def _pull(chosen: ProjectOptions, words: list[str]) -> None:
    arguments = Arguments("compose pull")
    arguments.flag("-q", "--quiet")
    arguments.words("names", "*")
    options = arguments.parse_args(words)
    operations.pull(home_from_environment(), load_project(chosen).in_order(options.names, dependencies=False))


def _up(chosen: ProjectOptions, words: list[str]) -> None:
    arguments = Arguments("compose up")
    for names in (
        ("-d", "--detach"),
        ("--wait",),
        ("--force-recreate",),
        ("--no-deps",),
        ("--no-build",),
        ("--remove-orphans",),
        ("--quiet-pull",),
    ):
        arguments.flag(*names)
    arguments.add_argument("--wait-timeout", type=float, default=None)
    arguments.value("--pull", default="missing")
    arguments.words("names", "*")
    options = arguments.parse_args(words)
    if not (options.detach or options.wait):
        raise Unsupported("compose up without -d")
    if options.pull not in {"missing", "always"}:
        raise Unsupported(f"compose up --pull {options.pull}")
    home, project = home_from_environment(), load_project(chosen)
    services = project.in_order(options.names, dependencies=not options.no_deps)
    if options.pull == "always":
        operations.pull(home, services)
    orphans = [
        c for c in operations.containers_of(home, project.name) if operations.service_of(c) not in project.services
    ]
    if orphans and not options.remove_orphans:
        names_ = " ".join(c.definition.name for c in orphans)
        err(
            f'level=warning msg="Found orphan containers ([{names_}]) for this project. If you removed or renamed this '
            'service in your compose file, you can run this command with the --remove-orphans flag to clean it up."'
        )
    elif orphans:
        operations.down(orphans, None)
    made = operations.up(home, project, services, recreate=options.force_recreate)
    if options.wait:
        operations.wait_until_healthy(made, options.wait_timeout)


def _down(chosen: ProjectOptions, words: list[str]) -> None:
    arguments = Arguments("compose down")
    for names in (("-v", "--volumes"), ("--remove-orphans",)):
        arguments.flag(*names)
    arguments.add_argument("-t", "--timeout", type=float, default=None)
    options = arguments.parse_args(words)
    home = home_from_environment()
    name, services = _name_and_services(chosen)
    found = operations.containers_of(home, name)
    orphans = [c for c in found if services and operations.service_of(c) not in services]
    operations.down([c for c in found if options.remove_orphans or c not in orphans], options.timeout)


def _ps(chosen: ProjectOptions, words: list[str]) -> None:
    arguments = Arguments("compose ps")
    for names in (("-a", "--all"), ("-q", "--quiet"), ("--services",), ("--no-trunc",)):
        arguments.flag(*names)
    arguments.value("--format", default="table")
    arguments.values("--status")
    arguments.words("names", "*")
    options = arguments.parse_args(words)
    found = _existing(chosen, options.names)
    if options.status:
        found = [c for c in found if c.state().status in options.status]
    elif not options.all:
        found = [c for c in found if c.state().running]
    if options.quiet or options.services:
        for container in found:
            out(container.definition.id if options.quiet else operations.service_of(container))
        return
    rows = [compose_ps_row(container) for container in found]
    if options.format == "table":
        columns = ("Name", "Image", "Command", "Service", "RunningFor", "Status", "Ports")
        header = ("NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS")
        table(header, [[str(row[column]) for column in columns] for row in rows])
        return
    for row in rows:
        out(render(options.format, row))


def _stats(chosen: ProjectOptions, words: list[str]) -> None:
    arguments = Arguments("compose stats")
    for names in (("--no-stream",), ("-a", "--all"), ("--no-trunc",)):
        arguments.flag(*names)
    arguments.value("--format")
    arguments.words("names", "*")
    options = arguments.parse_args(words)
    found = [c for c in _existing(chosen, options.names) if options.all or c.state().running]
    print_stats(found, "{{json .}}" if options.format == "json" else options.format, stream=not options.no_stream)


def _logs(chosen: ProjectOptions, words: list[str]) -> None:
    arguments = Arguments("compose logs")
    for names in (("--no-color",), ("-t", "--timestamps"), ("--no-log-prefix",)):
        arguments.flag(*names)
    arguments.value("-n", "--tail", default="all")
    arguments.value("--since")
    arguments.words("names", "*")
    options = arguments.parse_args(words)
    found = _existing(chosen, options.names)
    labels = {c.definition.id: f"{operations.service_of(c)}-1" for c in found}
    width = max(map(len, labels.values()), default=0)
    for container in found:
        prefix = "" if options.no_log_prefix else f"{labels[container.definition.id]:<{width}}  | "
        for line in read_log(container, options.tail, options.since):
            out(f"{prefix}{line.time} {line.text}" if options.timestamps else f"{prefix}{line.text}")


def _exec(chosen: ProjectOptions, words: list[str]) -> None:
    arguments = Arguments("compose exec")
    for names in (("-T", "--no-TTY", "--no-tty"),):
        arguments.flag(*names)
    arguments.values("-e", "--env")
    arguments.value("-w", "--workdir")
    arguments.value("-u", "--user")
    arguments.value("--index", default="1")
    arguments.words("service", "?")
    arguments.rest("argv")
    options = arguments.parse_args(words)
    if not options.service or not options.argv:
        raise EngineError("requires at least 2 arg(s), only received fewer")
    if options.index != "1":
        raise Unsupported(f"compose exec --index {options.index}")
    running = [c for c in _existing(chosen, [options.service]) if c.state().running]
    if not running:
        raise EngineError(f'service "{options.service}" is not running')
    lifecycle.execute(running[0], options.argv, pairs(options.env, dict(os.environ)), options.workdir)


def _images(chosen: ProjectOptions, words: list[str]) -> None:
    arguments = Arguments("compose images")
    arguments.flag("-q", "--quiet")
    arguments.value("--format", default="table")
    arguments.words("names", "*")
    options = arguments.parse_args(words)
    store = ImageStore(home_from_environment())
    rows = []
    for container in _existing(chosen, options.names):
        image = store.get(container.definition.image_id)
        shown = next((row for row in image_rows(image) if container.definition.image.startswith(row["Repository"])), {})
        repository, tag = shown.get("Repository", "<none>"), shown.get("Tag", "<none>")
        rows.append({"ContainerName": container.definition.name, "Repository": repository, "Tag": tag})
        rows[-1] |= {"ID": image.id, "Size": str(image.size_bytes)}
    if options.quiet:
        for shown_id in dict.fromkeys(row["ID"] for row in rows):
            out(shown_id.removeprefix("sha256:"))
    elif options.format == "json":
        out(to_json(rows))
    else:
        columns = ("ContainerName", "Repository", "Tag", "ID", "Size")
        table(("CONTAINER", "REPOSITORY", "TAG", "IMAGE ID", "SIZE"), [[row[c] for c in columns] for row in rows])


def _acts(verb: str, done: str, act: Callable[[Home, Container, float | None], None]) -> Callable[..., None]:
    """Makes a command that does one thing to each of the services' containers, in order of their start."""

    def run(chosen: ProjectOptions, words: list[str]) -> None:
        arguments = Arguments(f"compose {verb}")
        arguments.add_argument("-t", "--timeout", type=float, default=None)
        arguments.words("names", "*")
        options = arguments.parse_args(words)
        home = home_from_environment()
        for container in _existing(chosen, options.names):
            act(home, container, options.timeout)
            err(f" Container {container.definition.name}  {done}")

    return run


def _restart_one(home: Home, container: Container, grace_s: float | None) -> None:
    lifecycle.stop(container, grace_s)
    lifecycle.start(home, container)


def _existing(chosen: ProjectOptions, services: list[str]) -> list[Container]:
    name, known = _name_and_services(chosen)
    for service in services:
        if known and service not in known:
            raise EngineError(f"no such service: {service}")
    return operations.containers_of(home_from_environment(), name, services)


def _name_and_services(chosen: ProjectOptions) -> tuple[str, dict[str, object]]:
    """Returns the project's name and services; with `-p` no file is needed (`docker compose -p NAME down`)."""
    try:
        project: Project = load_project(chosen)
    except EngineError:
        if not chosen.name or chosen.files:
            raise
        return project_name(chosen, Path.cwd(), ""), {}
    return project.name, dict(project.services)


_COMMANDS: dict[str, Callable[[ProjectOptions, list[str]], int | None]] = {
    "version": _version,
    "config": _config,
    "pull": _pull,
    "up": _up,
    "down": _down,
    "ps": _ps,
    "stats": _stats,
    "logs": _logs,
    "exec": _exec,
    "images": _images,
    "start": _acts("start", "Started", lambda home, container, _: lifecycle.start(home, container)),
    "stop": _acts("stop", "Stopped", lambda _, container, grace_s: lifecycle.stop(container, grace_s)),
    "restart": _acts("restart", "Started", _restart_one),
    "kill": _acts("kill", "Killed", lambda _, container, __: lifecycle.signal_container(container, "KILL")),
}
