from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from deployments.rehearsal.engine.builder import BuildRequest, build
from deployments.rehearsal.engine.dockerfile import parse_dockerfile, substitute
from deployments.rehearsal.engine.errors import EngineError
from deployments.rehearsal.engine.home import Home
from deployments.rehearsal.engine.ignorefile import IgnoreRules
from deployments.rehearsal.engine.images import Image, ImageStore
from deployments.rehearsal.engine.layers import unpack


def built(folder: Path, dockerfile: str, **options: Any) -> tuple[Image, ImageStore]:
    context = folder / "context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(dockerfile)
    store = ImageStore(Home(folder / "root"))
    request: dict[str, Any] = {
        "context": context,
        "dockerfile": context / "Dockerfile",
        "architecture": "arm64",
        "target": "",
    }
    request |= {"arguments": {}, "labels": {}, "tags": ["x:1"]}
    return build(store, BuildRequest(**(request | options)), lambda _text: None), store


def files_of(image: Image, store: ImageStore) -> dict[str, int]:
    members: dict[str, int] = {}
    for layer in image.layers:
        with tarfile.open(store.blob(str(layer["digest"]))) as archive:
            members |= {m.name: m.mode for m in archive if not m.isdir()}
    return members


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "src" / "deep").mkdir(parents=True)
    (folder / "src" / "a.py").write_text("a")
    (folder / "src" / "deep" / "b.py").write_text("b")
    (folder / "run.sh").write_text("#!/bin/sh")
    (folder / "run.sh").chmod(0o700)
    return folder


@pytest.mark.parametrize(
    ("copy", "files"),
    [
        ("COPY src ./lib", {"app/lib/a.py", "app/lib/deep/b.py"}),
        ("COPY src/ .", {"app/a.py", "app/deep/b.py"}),
        ("COPY src/a.py /etc/x.py", {"etc/x.py"}),
        ("COPY src/a.py run.sh /opt/", {"opt/a.py", "opt/run.sh"}),
        ("COPY src/*.py ./", {"app/a.py"}),
        ('COPY ["run.sh", "./"]', {"app/run.sh"}),
        ("COPY . .", {"app/src/a.py", "app/src/deep/b.py", "app/run.sh", "app/Dockerfile"}),
    ],
)
@pytest.mark.usefixtures("context")
def test_copy_lays_files_out_as_docker_does(tmp_path: Path, copy: str, files: set[str]) -> None:
    image, store = built(tmp_path, f"FROM scratch\nWORKDIR /app\n{copy}\n")
    assert set(files_of(image, store)) == files


@pytest.mark.usefixtures("context")
def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    image, store = built(tmp_path, "FROM scratch\nCOPY run.sh src/a.py /\n")
    assert files_of(image, store) == {"run.sh": 0o755, "a.py": 0o644}


@pytest.mark.usefixtures("context")
def test_a_later_stage_takes_files_of_an_earlier_one(tmp_path: Path) -> None:
    text = 'FROM node AS build\nWORKDIR /w\nCOPY src out\nFROM scratch\nCOPY --from=build /w/out /srv\nCMD ["x"]\n'
    image, store = built(tmp_path, text)
    assert set(files_of(image, store)) == {"srv/a.py", "srv/deep/b.py"}
    with pytest.raises(EngineError, match="not supported"):
        built(tmp_path, "FROM scratch\nCOPY --from=elsewhere:1 /a /b\n")


def test_the_configuration_is_what_the_file_says(tmp_path: Path) -> None:
    text = """FROM base
ARG VERSION=1
ARG GIVEN
ENV A=1 B="two words"
ENV C=$A-${VERSION}-${GIVEN} \\
    D=${NONE:-d}
LABEL version=$VERSION
WORKDIR /app
WORKDIR sub
EXPOSE 4000
USER node
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s --retries=2 CMD ["true"]
ENTRYPOINT ["python"]
CMD run it
"""
    image, _ = built(tmp_path, text, arguments={"GIVEN": "g"}, labels={"run": "r"})
    assert image.runtime == {
        "Env": ["A=1", "B=two words", "C=1-1-g", "D=d"],
        "Labels": {"version": "1", "run": "r"},
        "WorkingDir": "/app/sub",
        "ExposedPorts": {"4000/tcp": {}},
        "User": "node",
        "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5_000_000_000, "Retries": 2},
        "Entrypoint": ["python"],
        "Cmd": ["/bin/sh", "-c", "run it"],
    }
    assert image.architecture == "arm64"


def test_the_manifest_names_configuration_and_layers(tmp_path: Path, context: Path) -> None:
    image, store = built(tmp_path, "FROM scratch\nCOPY run.sh /\nCOPY src /src\n")
    manifest = json.loads(image.manifest)
    assert manifest["config"]["digest"] == image.id
    assert [layer["size"] for layer in manifest["layers"]] == [
        store.blob(layer["digest"]).stat().st_size for layer in manifest["layers"]
    ]
    assert len(image.config["rootfs"]["diff_ids"]) == 2
    for layer in image.layers:
        unpack(store.blob(str(layer["digest"])), tmp_path / "out")
    assert (tmp_path / "out" / "src" / "a.py").read_text() == (context / "src" / "a.py").read_text()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("FROM scratch\nFETCH x\n", "line 2: unknown instruction: FETCH"),
        ("COPY a b\n", "no build stage"),
        ("", "cannot be empty"),
        ("FROM scratch\nCOPY ../x /\n", "outside of the build context"),
        ("FROM scratch\nCOPY gone /\n", '"/gone": not found'),
        ("FROM scratch\nRUN <<E\nx\nE\n", "here-documents"),
        ("FROM scratch\nVOLUME /x\n", "not supported"),
        ("FROM scratch\nADD https://127.0.0.1/x /\n", "not supported"),
    ],
)
def test_a_wrong_file_does_not_build(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(EngineError, match=why):
        built(tmp_path, text)


@pytest.mark.usefixtures("context")
def test_ignored_files_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "context" / ".dockerignore").write_text(".dockerignore\n**/deep\nDockerfile\n")
    before, store = built(tmp_path, "FROM scratch\nCOPY . /app\n")
    assert set(files_of(before, store)) == {"app/src/a.py", "app/run.sh"}
    (tmp_path / "context" / "src" / "deep" / "b.py").write_text("other")
    assert built(tmp_path, "FROM scratch\nCOPY . /app\n")[0].id == before.id


@pytest.mark.parametrize(
    ("rules", "path", "left_out"),
    [
        (["node_modules"], "node_modules/x/y.js", True),
        (["node_modules"], "sub/node_modules/x.js", False),
        (["**/node_modules"], "sub/node_modules/x.js", True),
        (["**/node_modules"], "node_modules/x.js", True),
        (["*.pyc"], "a.pyc", True),
        (["*.pyc"], "sub/a.pyc", False),
        (["**/*.pyc"], "sub/deep/a.pyc", True),
        (["*", "!keep"], "keep/me", False),
        (["*", "!keep"], "other", True),
        (["# a", "", "a?c"], "abc", True),
        (["/rooted/"], "rooted/x", True),
    ],
)
def test_ignore_rules_are_dockers(rules: list[str], path: str, *, left_out: bool) -> None:
    assert IgnoreRules(rules).leaves_out(path) is left_out


def test_a_dockerfile_is_split_into_instructions() -> None:
    found = parse_dockerfile("# c\nfrom x as y\nRUN a && \\\n  # inside\n  b\nCOPY --chown=1:1 --from=y a b\n")
    assert [(i.keyword, i.rest, i.line) for i in found] == [
        ("FROM", "x as y", 2),
        ("RUN", "a && b", 3),
        ("COPY", "a b", 6),
    ]
    assert found[2].flags == {"chown": "1:1", "from": "y"}


@pytest.mark.parametrize(
    ("text", "filled"), [("$A/${A}", "1/1"), ("${B:-x}${A:+y}", "xy"), (r"\$A", "$A"), ("$B|", "|")]
)
def test_variables_of_a_dockerfile(text: str, filled: str) -> None:
    assert substitute(text, {"A": "1"}) == filled


def test_a_layer_cannot_leave_its_folder(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "bad.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("../out"))
    with pytest.raises(EngineError, match="outside of the image"):
        unpack(tmp_path / "bad.tar", tmp_path / "target")
