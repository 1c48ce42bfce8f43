"""`docker tag`, `docker images`, `docker image inspect`."""

from __future__ import annotations

import json

from deployments.rehearsal.engine.arguments import Arguments
from deployments.rehearsal.engine.errors import EngineError
from deployments.rehearsal.engine.home import home_from_environment
from deployments.rehearsal.engine.images import Image, ImageStore
from deployments.rehearsal.engine.output import err, out, table
from deployments.rehearsal.engine.reference import parse_reference
from deployments.rehearsal.engine.template import render
from deployments.rehearsal.engine.views import image_rows, inspect_image


def tag(words: list[str]) -> None:
    """`docker tag SOURCE TARGET`."""
    arguments = Arguments("tag")
    arguments.words("source", "?")
    arguments.words("target", "?")
    options = arguments.parse_args(words)
    if not options.target:
        raise EngineError('"docker tag" requires exactly 2 arguments.')
    store = ImageStore(home_from_environment())
    store.name(store.get(options.source), tag=parse_reference(options.target).tagged)


def images(words: list[str]) -> None:
    """`docker images`."""
    arguments = Arguments("images")
    for names in (("-q", "--quiet"), ("--no-trunc",), ("--digests",), ("-a", "--all")):
        arguments.flag(*names)
    arguments.value("--format")
    arguments.values("-f", "--filter")
    arguments.words("repository", "?")
    options = arguments.parse_args(words)
    chosen = [image for image in ImageStore(home_from_environment()).all() if _passes(image, options.filter)]
    rows = [row for image in chosen for row in image_rows(image, full_id=options.no_trunc)]
    if options.repository:
        wanted = parse_reference(options.repository)
        has_tag = options.repository.endswith(f":{wanted.tag}")
        rows = [r for r in rows if r["Repository"] == wanted.name and (not has_tag or r["Tag"] == wanted.tag)]
    if options.quiet:
        for shown_id in dict.fromkeys(row["ID"] for row in rows):
            out(shown_id)
    elif options.format and not options.format.startswith("table"):
        for row in rows:
            out(render(options.format, row))
    else:
        columns = ["Repository", "Tag", *(["Digest"] if options.digests else []), "ID", "CreatedSince", "Size"]
        titles = {"ID": "IMAGE ID", "CreatedSince": "CREATED"}
        header = [titles.get(column, column.upper()) for column in columns]
        table(header, [[row[column] for column in columns] for row in rows])


def image_inspect(words: list[str]) -> int:
    """`docker image inspect NAME...`; exit code 1 if one is missing, after printing the others."""
    arguments = Arguments("image inspect")
    arguments.value("-f", "--format")
    arguments.words("names")
    options = arguments.parse_args(words)
    store = ImageStore(home_from_environment())
    found, missing = [], []
    for name in options.names:
        image = store.find(name)
        if image is None:
            missing.append(name)
        else:
            found.append(inspect_image(image))
    if options.format:
        for shown in found:
            out(render(options.format, shown))
    else:
        out(json.dumps(found, indent=4))
    for name in missing:
        err(f"Error response from daemon: No such image: {name}")
    return 1 if missing else 0


def _passes(image: Image, filters: list[str]) -> bool:
    labels = image.runtime.get("Labels") or {}
    for text in filters:
        kind, _, wanted = text.partition("=")
        if kind != "label":
            raise EngineError(f"stand-in engine: 'docker images --filter {text}' is not supported")
        name, equals, value = wanted.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True
