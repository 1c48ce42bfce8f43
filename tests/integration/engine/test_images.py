from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.engine.conftest import PASSWORD, Host
from tests.integration.engine.registry import TinyRegistry

pytestmark = pytest.mark.integration


def log_in(host: Host, registry: TinyRegistry) -> None:
    host.ok("login", "-u", "AWS", "--password-stdin", registry.host, stdin=PASSWORD)


def test_an_unchanged_context_builds_the_same_image(host: Host) -> None:
    first = host.ok("build", "-q", "-t", "tiny:1", ".")
    os.utime(host.folder / "tiny" / "web.py", (1, 1))
    assert host.ok("build", "-q", "-t", "tiny:2", ".") == first
    (host.folder / "tiny" / "web.py").write_text("changed")
    assert host.ok("build", "-q", "-t", "tiny:3", ".") != first


@pytest.mark.parametrize("architecture", ["arm64", "amd64"])
def test_an_image_has_the_architecture_the_platform_said(host: Host, architecture: str) -> None:
    iid = host.folder / "iid"
    host.ok("buildx", "build", "--platform", f"linux/{architecture}", "--load", "--iidfile", str(iid), "-t", "x:1", ".")
    shown = host.ok("image", "inspect", "x:1", "--format", "{{.Architecture}} {{.Os}} {{.Id}}")
    assert shown == f"{architecture} linux {iid.read_text()}"


def test_the_output_says_that_run_is_not_executed(host: Host) -> None:
    done = host.docker("build", "-t", "x:1", ".")
    assert "RUN is recorded, not executed" in done.stderr


def test_a_missing_source_fails_the_build(host: Host) -> None:
    (host.folder / "Dockerfile").write_text("FROM scratch\nCOPY nowhere /app/\n")
    done = host.docker("build", "-t", "x:1", ".")
    assert done.returncode == 1
    assert '"/nowhere": not found' in done.stderr


def test_a_pushed_image_is_pulled_by_tag_and_digest(
    new_host: Callable[[str], Host], host: Host, registry: TinyRegistry
) -> None:
    name = f"{registry.host}/team/tiny:abc"
    host.ok("build", "--platform", "linux/arm64", "-q", "-t", name, ".")
    log_in(host, registry)
    pushed = host.ok("push", name).splitlines()[-1]
    digest = pushed.split()[2]
    assert pushed == f"abc: digest: {digest} size: {len(registry.manifests['team/tiny', 'abc'][1])}"
    assert json.loads(host.ok("image", "inspect", name))[0]["RepoDigests"] == [f"{registry.host}/team/tiny@{digest}"]

    other = new_host("two")
    log_in(other, registry)
    assert f"Digest: {digest}" in other.ok("pull", name)
    ids = [
        h.ok("image", "inspect", "-f", "{{.Id}} {{index .RepoDigests 0}} {{.Architecture}}", name)
        for h in (host, other)
    ]
    assert ids[0] == ids[1]
    assert ids[0].endswith("arm64")
    assert "Image is up to date" in other.ok("pull", f"{registry.host}/team/tiny@{digest}")
    assert json.loads(other.ok("manifest", "inspect", name))["schemaVersion"] == 2


def test_a_second_push_uploads_no_blob(host: Host, registry: TinyRegistry) -> None:
    name = f"{registry.host}/team/tiny:1"
    host.ok("build", "-q", "-t", name, ".")
    log_in(host, registry)
    host.ok("push", name)
    uploads = list(registry.puts)
    assert "Layer already exists" in host.ok("push", name)
    assert registry.puts == uploads


def test_buildx_push_writes_the_registrys_digest(host: Host, registry: TinyRegistry) -> None:
    log_in(host, registry)
    name, metadata = f"{registry.host}/team/tiny:1", host.folder / "metadata.json"
    host.ok("buildx", "build", "--push", "--provenance=false", "--metadata-file", str(metadata), "-t", name, ".")
    assert ("team/tiny", json.loads(metadata.read_text())["containerimage.digest"]) in registry.manifests


def test_a_wrong_password_does_not_log_in(host: Host, registry: TinyRegistry) -> None:
    done = host.docker("login", "-u", "AWS", "--password-stdin", registry.host, stdin="wrong")
    assert done.returncode == 1
    assert "failed with status: 401 Unauthorized" in done.stderr
    assert not (host.root / "client" / "config.json").exists()


def test_login_keeps_credentials_as_docker_does_and_logout_forgets_them(host: Host, registry: TinyRegistry) -> None:
    log_in(host, registry)
    path = Path(host.root / "client" / "config.json")
    auth = json.loads(path.read_text())["auths"][registry.host]["auth"]
    assert base64.b64decode(auth).decode() == f"AWS:{PASSWORD}"
    assert path.stat().st_mode & 0o077 == 0
    host.ok("logout", registry.host)
    assert json.loads(path.read_text())["auths"] == {}


def test_a_password_on_the_command_line_is_refused(host: Host, registry: TinyRegistry) -> None:
    done = host.docker("login", "-u", "AWS", "-p", PASSWORD, registry.host)
    assert done.returncode == 1
    assert "Using --password via the CLI is insecure" in done.stderr


def test_a_push_without_login_says_no_credentials(host: Host, registry: TinyRegistry) -> None:
    host.ok("build", "-q", "-t", f"{registry.host}/team/tiny:1", ".")
    done = host.docker("push", f"{registry.host}/team/tiny:1")
    assert (done.returncode, done.stderr.strip()) == (1, "no basic auth credentials")


def test_a_push_to_a_repository_that_does_not_exist_fails(host: Host, registry: TinyRegistry) -> None:
    host.ok("build", "-q", "-t", f"{registry.host}/nobody:1", ".")
    log_in(host, registry)
    done = host.docker("push", f"{registry.host}/nobody:1")
    assert done.returncode == 1
    assert "name unknown: The repository with name 'nobody' does not exist" in done.stderr


def test_a_pull_of_what_was_never_pushed_fails(host: Host, registry: TinyRegistry) -> None:
    log_in(host, registry)
    done = host.docker("pull", f"{registry.host}/team/tiny:never")
    assert done.returncode == 1
    assert "not found: manifest unknown" in done.stderr


def test_a_registry_elsewhere_is_never_contacted(host: Host) -> None:
    done = host.docker("pull", "registry.example.com/team/tiny:1")
    assert done.returncode == 1
    assert "only registries on 127.0.0.1 are contacted" in done.stderr


@pytest.mark.parametrize("words", [["frobnicate"], ["compose", "watch"], ["image", "prune"], ["ps", "--frob"]])
def test_what_is_not_supported_fails_loudly(host: Host, words: list[str]) -> None:
    done = host.docker(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert "stand-in engine: 'docker " in done.stderr


def test_the_version_says_that_it_is_a_stand_in(host: Host) -> None:
    shown = json.loads(host.ok("version", "--format", "{{json .}}"))
    assert shown["Server"]["Platform"]["Name"] == "Stand-in engine (rehearsal only)"
