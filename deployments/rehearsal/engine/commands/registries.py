"""`docker login`, `logout`, `push`, `pull`, `manifest inspect`."""

from __future__ import annotations

import json
import sys

from deployments.rehearsal.engine.arguments import Arguments
from deployments.rehearsal.engine.credentials import basic_auth, config_path, erase, store
from deployments.rehearsal.engine.errors import EngineError, RegistryRefused
from deployments.rehearsal.engine.home import home_from_environment
from deployments.rehearsal.engine.images import ImageStore
from deployments.rehearsal.engine.output import err, out
from deployments.rehearsal.engine.reference import parse_reference
from deployments.rehearsal.engine.registry import Registry
from deployments.rehearsal.engine.transfer import open_registry
from deployments.rehearsal.engine.transfer import pull as pull_image
from deployments.rehearsal.engine.transfer import push as push_image

_OK = 200
_REASONS = {401: "401 Unauthorized", 403: "403 Forbidden"}


def login(words: list[str]) -> None:
    """`docker login -u USER --password-stdin REGISTRY`."""
    arguments = Arguments("login")
    arguments.value("-u", "--username")
    arguments.value("-p", "--password")
    arguments.flag("--password-stdin")
    arguments.words("registry", "?")
    options = arguments.parse_args(words)
    if options.password:
        err("WARNING! Using --password via the CLI is insecure. Use --password-stdin.")
        raise EngineError("stand-in engine: 'docker login --password' is not supported")
    if not options.password_stdin:
        raise EngineError("Error: Cannot perform an interactive login from a non TTY device")
    if not options.username:
        raise EngineError("Must provide --username with --password-stdin")
    host = (options.registry or "").removeprefix("http://").rstrip("/")
    auth = basic_auth(options.username, sys.stdin.read().rstrip("\r\n"))
    status = Registry(host, auth).login_status()
    if status != _OK:
        reason = _REASONS.get(status, str(status))
        raise EngineError(
            f"Error response from daemon: login attempt to http://{host}/v2/ failed with status: {reason}"
        )
    store(host, auth)
    err(
        f"\nWARNING! Your credentials are stored unencrypted in '{config_path()}'.\n"
        "Configure a credential helper to remove this warning. See\n"
        "https://docs.docker.com/go/credential-store/\n"
    )
    out("Login Succeeded")


def logout(words: list[str]) -> None:
    """`docker logout REGISTRY`."""
    arguments = Arguments("logout")
    arguments.words("registry", "?")
    host = arguments.parse_args(words).registry or ""
    out(f"Removing login credentials for {host}" if erase(host) else f"Not logged in to {host}")


def push(words: list[str]) -> None:
    """`docker push TAG`."""
    arguments = Arguments("push")
    arguments.flag("-q", "--quiet")
    arguments.words("name", "?")
    options = arguments.parse_args(words)
    _require(options.name, "push")
    push_image(ImageStore(home_from_environment()), options.name, _silent if options.quiet else out)
    if options.quiet:
        out(parse_reference(options.name).tagged)


def pull(words: list[str]) -> None:
    """`docker pull NAME`."""
    arguments = Arguments("pull")
    arguments.flag("-q", "--quiet")
    arguments.value("--platform")
    arguments.words("name", "?")
    options = arguments.parse_args(words)
    _require(options.name, "pull")
    say = _silent if options.quiet else out
    architecture = options.platform.removeprefix("linux/")
    pulled = pull_image(ImageStore(home_from_environment()), options.name, architecture, say)
    say(f"Digest: {pulled.digest}")
    state = "Downloaded newer image for" if pulled.is_new else "Image is up to date for"
    name = parse_reference(options.name)
    full = f"{name.name}@{name.digest}" if name.digest else name.tagged
    say(f"Status: {state} {full}")
    out(full)


def manifest_inspect(words: list[str]) -> None:
    """`docker manifest inspect NAME`: the registry's manifest, indented."""
    arguments = Arguments("manifest inspect")
    arguments.flag("--insecure")
    arguments.flag("-v", "--verbose")
    arguments.words("name", "?")
    options = arguments.parse_args(words)
    _require(options.name, "manifest inspect")
    reference = parse_reference(options.name)
    try:
        manifest = open_registry(reference).manifest(reference.repository, reference.in_registry)
    except RegistryRefused as refusal:
        raise EngineError(f"no such manifest: {options.name}: {refusal}") from refusal
    out(json.dumps(json.loads(manifest), indent=3))


def _require(name: str | None, command: str) -> None:
    if not name:
        raise EngineError(f'"docker {command}" requires exactly 1 argument.')


def _silent(_text: str) -> None:
    """Takes progress nobody asked for."""
