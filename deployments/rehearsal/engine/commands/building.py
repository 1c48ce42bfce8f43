"""`docker build` and `docker buildx build`."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from deployments.rehearsal.engine.architecture import host_architecture
from deployments.rehearsal.engine.arguments import Arguments, pairs
from deployments.rehearsal.engine.builder import BuildRequest
from deployments.rehearsal.engine.builder import build as build_image
from deployments.rehearsal.engine.errors import EngineError, Unsupported
from deployments.rehearsal.engine.home import home_from_environment, write_json
from deployments.rehearsal.engine.images import Image, ImageStore
from deployments.rehearsal.engine.output import err, out
from deployments.rehearsal.engine.reference import parse_reference
from deployments.rehearsal.engine.transfer import push

_ARCHITECTURES = frozenset({"amd64", "arm64"})


def build(words: list[str]) -> None:
    """`docker build`."""
    _run("build", words)


def buildx_build(words: list[str]) -> None:
    """`docker buildx build`: the same, with --push, --load and --metadata-file."""
    _run("buildx build", words)


def buildx_version(_words: list[str]) -> None:
    """`docker buildx version`."""
    out("github.com/docker/buildx v0.24.0-standin rehearsal-only")


def _parse(command: str, words: list[str]) -> Namespace:
    arguments = Arguments(command)
    arguments.values("-t", "--tag")
    arguments.values("--label")
    arguments.values("--build-arg")
    for name in ("--platform", "--iidfile", "--provenance", "--sbom", "--progress", "--target", "--metadata-file"):
        arguments.value(name)
    arguments.value("-f", "--file")
    arguments.flag("-q", "--quiet")
    for name in ("--no-cache", "--pull", "--rm", "--force-rm", "--load"):
        arguments.flag(name)  # nothing is cached, based or running here: these change nothing
    if command.startswith("buildx"):
        arguments.flag("--push")
    arguments.words("context", "?")
    parsed = arguments.parse_args(words)
    for option in ("provenance", "sbom"):
        if getattr(parsed, option) not in {"", "false"}:
            raise Unsupported(f"{command} --{option}={getattr(parsed, option)}")
    if not parsed.context:
        raise EngineError(f'"docker {command}" requires exactly 1 argument.')
    return parsed


def _run(command: str, words: list[str]) -> None:
    options = _parse(command, words)
    context = Path(options.context)
    request = BuildRequest(
        context=context,
        dockerfile=Path(options.file) if options.file else context / "Dockerfile",
        architecture=_architecture(options.platform),
        arguments=pairs(options.build_arg, dict(os.environ)),
        labels=pairs(options.label),
        target=options.target,
        tags=[parse_reference(tag).tagged for tag in options.tag],
    )
    say = (lambda _text: None) if options.quiet else err
    store = ImageStore(home_from_environment())
    image = build_image(store, request, say)
    say(f"#  exporting to image\n#  writing image {image.id} done")
    for tag in request.tags:
        say(f"#  naming to {tag} done")
    if getattr(options, "push", False):
        if not request.tags:
            raise EngineError("ERROR: failed to solve: tag is needed when pushing to registry")
        for tag in request.tags:
            push(store, tag, say)
    if options.iidfile:
        Path(options.iidfile).write_text(image.id)
    if options.metadata_file:
        write_json(Path(options.metadata_file), _metadata(image, request.tags))
    if options.quiet:
        out(image.id)


def _metadata(image: Image, tags: list[str]) -> dict[str, str]:
    return {
        "containerimage.config.digest": image.id,
        "containerimage.digest": image.manifest_digest,
        "image.name": ",".join(tags),
    }


def _architecture(platform: str) -> str:
    if not platform:
        return host_architecture()
    system, _, architecture = platform.partition("/")
    if system != "linux" or architecture.removesuffix("/v8") not in _ARCHITECTURES:
        raise Unsupported(f"build --platform {platform}")
    return architecture.removesuffix("/v8")
