"""`docker ps`, `inspect`, `stats`, `logs`, `start`, `stop`, `kill`, `restart`, `rm`, `exec`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from deployments.rehearsal.engine import lifecycle
from deployments.rehearsal.engine.arguments import Arguments, pairs
from deployments.rehearsal.engine.containers import Container, all_containers, find_container, get_container
from deployments.rehearsal.engine.errors import EngineError, Unsupported
from deployments.rehearsal.engine.home import Home, home_from_environment
from deployments.rehearsal.engine.images import ImageStore
from deployments.rehearsal.engine.logs import read_log
from deployments.rehearsal.engine.output import err, out, table
from deployments.rehearsal.engine.template import render
from deployments.rehearsal.engine.usage import stats_rows
from deployments.rehearsal.engine.views import inspect_container, inspect_image, ps_row

STATS_COLUMNS = {
    "CONTAINER ID": "ID",
    "NAME": "Name",
    "CPU %": "CPUPerc",
    "MEM USAGE / LIMIT": "MemUsage",
    "MEM %": "MemPerc",
    "NET I/O": "NetIO",
    "BLOCK I/O": "BlockIO",
    "PIDS": "PIDs",
}


def ps(words: list[str]) -> None:
    """`docker ps`."""
    arguments = Arguments("ps")
    for names in (("-a", "--all"), ("-q", "--quiet"), ("--no-trunc",)):
        arguments.flag(*names)
    arguments.value("--format")
    arguments.values("-f", "--filter")
    options = arguments.parse_args(words)
    show_all = options.all or any(text.startswith("status=") for text in options.filter)
    chosen = [c for c in all_containers(home_from_environment()) if passes(c, options.filter)]
    chosen = [c for c in chosen if show_all or c.state().running]
    if options.quiet:
        for container in chosen:
            out(container.definition.id if options.no_trunc else container.short_id)
        return
    rows = [ps_row(container, full_id=options.no_trunc) for container in chosen]
    if options.format and not options.format.startswith("table"):
        for row in rows:
            out(render(options.format, row))
        return
    if options.format not in {"", "table"}:
        raise Unsupported(f"ps --format '{options.format}'")
    columns = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")
    header = ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")
    table(header, [[row[column] for column in columns] for row in rows])


def passes(container: Container, filters: list[str]) -> bool:
    """Says whether a container passes `--filter` options; of one kind any may match, of different kinds all must."""
    definition = container.definition
    by_kind: dict[str, list[bool]] = {}
    for text in filters:
        kind, _, wanted = text.partition("=")
        name, equals, value = wanted.partition("=")
        if kind == "label":
            matches = name in definition.labels and (not equals or definition.labels[name] == value)
            kind = text  # labels are all required
        elif kind == "name":
            matches = wanted.strip("^$/") in definition.name
        elif kind == "status":
            matches = container.state().status == wanted
        elif kind == "id":
            matches = definition.id.startswith(wanted)
        else:
            raise Unsupported(f"ps --filter {text}")
        by_kind.setdefault(kind, []).append(matches)
    return all(any(matches) for matches in by_kind.values())


def inspect(words: list[str]) -> int:
    """`docker inspect NAME...`: containers, else images; exit code 1 if one is missing."""
    arguments = Arguments("inspect")
    arguments.value("-f", "--format")
    arguments.value("--type")
    arguments.words("names")
    options = arguments.parse_args(words)
    home = home_from_environment()
    found, missing = [], []
    for name in options.names:
        shown = _object(home, name, options.type)
        if shown is None:
            missing.append(name)
        else:
            found.append(shown)
    if options.format:
        for shown in found:
            out(render(options.format, shown))
    else:
        out(json.dumps(found, indent=4))
    for name in missing:
        err(f"Error: No such {options.type or 'object'}: {name}")
    return 1 if missing else 0


def stats(words: list[str]) -> None:
    """`docker stats --no-stream`."""
    arguments = Arguments("stats")
    for names in (("--no-stream",), ("-a", "--all"), ("--no-trunc",)):
        arguments.flag(*names)
    arguments.value("--format")
    arguments.words("names", "*")
    options = arguments.parse_args(words)
    home = home_from_environment()
    chosen = [get_container(home, name) for name in options.names] or [
        container for container in all_containers(home) if options.all or container.state().running
    ]
    print_stats(chosen, options.format, stream=not options.no_stream)


def print_stats(containers: list[Container], form: str, *, stream: bool) -> None:
    """Measures and prints, for `docker stats` and `docker compose stats`."""
    if stream:
        raise EngineError("stand-in engine: 'docker stats' without --no-stream is not supported")
    rows = stats_rows(containers)
    if form and not form.startswith("table"):
        for row in rows:
            out(render(form, row))
    else:
        table(list(STATS_COLUMNS), [[row[column] for column in STATS_COLUMNS.values()] for row in rows])


def logs(words: list[str]) -> None:
    """`docker logs NAME`: each stream to its own."""
    arguments = Arguments("logs")
    arguments.flag("-t", "--timestamps")
    arguments.value("-n", "--tail", default="all")
    arguments.value("--since")
    arguments.words("name", "?")
    options = arguments.parse_args(words)
    container = get_container(home_from_environment(), options.name or "")
    for line in read_log(container, options.tail, options.since):
        text = f"{line.time} {line.text}" if options.timestamps else line.text
        (sys.stderr if line.stream == "stderr" else sys.stdout).write(text + "\n")


def start(words: list[str]) -> int:
    """`docker start NAME...`."""
    arguments = Arguments("start")
    arguments.words("names")
    home = home_from_environment()
    return _each(arguments.parse_args(words).names, lambda name: lifecycle.start(home, get_container(home, name)))


def stop(words: list[str]) -> int:
    """`docker stop NAME...`."""
    home, names, grace_s = _with_grace("stop", words)
    return _each(names, lambda name: lifecycle.stop(get_container(home, name), grace_s))


def restart(words: list[str]) -> int:
    """`docker restart NAME...`."""
    home, names, grace_s = _with_grace("restart", words)

    def again(name: str) -> None:
        container = get_container(home, name)
        lifecycle.stop(container, grace_s)
        lifecycle.start(home, container)

    return _each(names, again)


def kill(words: list[str]) -> int:
    """`docker kill NAME...`."""
    arguments = Arguments("kill")
    arguments.value("-s", "--signal", default="KILL")
    arguments.words("names")
    options = arguments.parse_args(words)
    home = home_from_environment()
    return _each(options.names, lambda n: lifecycle.signal_container(get_container(home, n), options.signal))


def rm(words: list[str]) -> int:
    """`docker rm NAME...`."""
    arguments = Arguments("rm")
    arguments.flag("-f", "--force")
    arguments.flag("-v", "--volumes")
    arguments.words("names")
    options = arguments.parse_args(words)
    home = home_from_environment()
    return _each(options.names, lambda name: lifecycle.remove(get_container(home, name), force=options.force))


def execute(words: list[str]) -> None:
    """`docker exec NAME COMMAND...`."""
    arguments = Arguments("exec")
    arguments.flag("-i", "--interactive")
    arguments.values("-e", "--env")
    arguments.value("-w", "--workdir")
    arguments.value("-u", "--user")
    arguments.words("name", "?")
    arguments.rest("argv")
    options = arguments.parse_args(words)
    if not options.name or not options.argv:
        raise EngineError('"docker exec" requires at least 2 arguments.')
    container = get_container(home_from_environment(), options.name)
    lifecycle.execute(container, options.argv, pairs(options.env, dict(os.environ)), options.workdir)


def _object(home: Home, name: str, kind: str) -> dict[str, Any] | None:
    if kind not in {"", "container", "image"}:
        raise Unsupported(f"inspect --type {kind}")
    container = find_container(home, name) if kind != "image" else None
    if container:
        return inspect_container(container)
    image = ImageStore(home).find(name) if kind != "container" else None
    return inspect_image(image) if image else None


def _with_grace(command: str, words: list[str]) -> tuple[Home, list[str], float | None]:
    arguments = Arguments(command)
    arguments.add_argument("-t", "--time", "--timeout", type=float, default=None)
    arguments.words("names")
    options = arguments.parse_args(words)
    return home_from_environment(), options.names, options.time


def _each(names: list[str], act: Callable[[str], None]) -> int:
    """Acts on every name, printing those that worked; exit code 1 if one did not."""
    code = 0
    for name in names:
        try:
            act(name)
        except EngineError as error:
            err(str(error))
            code = 1
        else:
            out(name)
    return code
