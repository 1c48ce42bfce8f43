"""Builds an image from a Dockerfile.

Files are copied for real and the digest follows from them alone. RUN is recorded in the history and not executed: a
stand-in without a root file system has nothing to run it in, and the output says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments.rehearsal.engine.architecture import host_architecture
from deployments.rehearsal.engine.copying import collect
from deployments.rehearsal.engine.dockerfile import Instruction, key_values, parse_dockerfile, substitute
from deployments.rehearsal.engine.errors import EngineError, Unsupported
from deployments.rehearsal.engine.ignorefile import read_ignore_rules
from deployments.rehearsal.engine.images import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, Image, ImageStore
from deployments.rehearsal.engine.layers import Entry, pack
from deployments.rehearsal.engine.units import parse_duration_s

CREATED = "1970-01-01T00:00:00Z"
"""Creation time of every image: BuildKit's with SOURCE_DATE_EPOCH=0, so that equal content has an equal digest."""

_NANOSECONDS = 1_000_000_000
_DURATION_FLAGS = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}


@dataclass(frozen=True)
class BuildRequest:
    """What to build.

    Attributes:
        context: The folder COPY takes from.
        dockerfile: The file.
        architecture: Target, by docker's name.
        arguments: `--build-arg`.
        labels: `--label`.
        target: Stage to build; empty = the last.
        tags: Names the image gets.
    """

    context: Path
    dockerfile: Path
    architecture: str
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    target: str
    tags: list[str]


@dataclass
class _Stage:
    """One stage while it is built."""

    name: str
    config: dict[str, Any] = field(default_factory=lambda: {"Env": [], "Labels": {}, "WorkingDir": "/"})
    layers: list[tuple[str, int, str]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, Entry] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        return self.arguments | dict(pair.split("=", 1) for pair in self.config["Env"])

    def record(self, instruction: Instruction, *, empty: bool) -> None:
        made_by = (
            instruction.text if not empty or instruction.keyword != "RUN" else f"{instruction.text} # not executed"
        )
        self.history.append({"created": CREATED, "created_by": made_by, "empty_layer": empty})


def build(store: ImageStore, request: BuildRequest, say: Callable[[str], None]) -> Image:
    """Builds and stores an image.

    Args:
        store: Where it goes.
        request: What to build.
        say: Takes progress lines.

    Raises:
        EngineError: The Dockerfile or the context is wrong.
    """
    if not request.context.is_dir():
        raise EngineError(f'ERROR: unable to prepare context: path "{request.context}" not found')
    if not request.dockerfile.is_file():
        raise EngineError(
            f"ERROR: failed to solve: failed to read dockerfile: open {request.dockerfile.name}: no such file or directory"
        )
    instructions = parse_dockerfile(request.dockerfile.read_text())
    stage = _Build(store, request, say).run(instructions)
    config = {
        "architecture": request.architecture,
        "os": "linux",
        "created": CREATED,
        "config": stage.config | {"Labels": stage.config["Labels"] | dict(request.labels)},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, _, diff_id in stage.layers]},
        "history": stage.history,
    }
    config_bytes = json.dumps(config, sort_keys=True).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "size": len(config_bytes), "digest": store.put_blob(config_bytes)},
        "layers": [{"mediaType": LAYER_TYPE, "size": size, "digest": digest} for digest, size, _ in stage.layers],
    }
    return store.add(config_bytes, json.dumps(manifest, indent=2).encode(), tags=request.tags, digests=[])


class _Build:
    """Walks the instructions; one method an instruction that does more than set a value."""

    def __init__(self, store: ImageStore, request: BuildRequest, say: Callable[[str], None]) -> None:
        self._store, self._request, self._say = store, request, say
        self._ignore = read_ignore_rules(request.context, request.dockerfile)
        self._stages: list[_Stage] = []
        self._global: dict[str, str] = {
            "TARGETPLATFORM": f"linux/{request.architecture}",
            "TARGETOS": "linux",
            "TARGETARCH": request.architecture,
            "BUILDPLATFORM": f"linux/{host_architecture()}",
        }

    def run(self, instructions: list[Instruction]) -> _Stage:
        for number, instruction in enumerate(instructions, 1):
            self._say(f"#{number} [{number}/{len(instructions)}] {instruction.text}")
            if instruction.keyword == "FROM":
                if self._stages and self._request.target == self._stages[-1].name:
                    break
                self._from(instruction)
            elif not self._stages:
                if instruction.keyword != "ARG":
                    raise EngineError(
                        "ERROR: failed to solve: dockerfile parse error: no build stage in current context"
                    )
                self._global |= self._argument(instruction, self._global)
            else:
                self._apply(self._stages[-1], instruction)
        stage = self._stages[-1]
        if self._request.target and stage.name != self._request.target:
            raise EngineError(f'ERROR: failed to solve: target stage "{self._request.target}" could not be found')
        return stage

    def _from(self, instruction: Instruction) -> None:
        words = substitute(instruction.rest, self._global).split()
        stage = _Stage(words[2] if len(words) > 2 else str(len(self._stages)))  # noqa: PLR2004
        stage.arguments = {name: self._global[name] for name in self._global if name.startswith(("TARGET", "BUILD"))}
        earlier = next((other for other in self._stages if other.name == words[0]), None)
        base = None if earlier or words[0] == "scratch" else self._store.find(words[0])
        if earlier:
            stage.config, stage.layers = json.loads(json.dumps(earlier.config)), list(earlier.layers)
            stage.history, stage.files = list(earlier.history), dict(earlier.files)
        elif base:
            stage.config |= base.runtime
            sizes = [(str(layer["digest"]), int(layer["size"])) for layer in base.layers]
            stage.layers = [(*pair, diff) for pair, diff in zip(sizes, base.config["rootfs"]["diff_ids"], strict=True)]
            stage.history = list(base.config["history"])
        elif words[0] != "scratch":
            self._say(f"#  stand-in engine: base image {words[0]} is not pulled; this machine's own interpreter serves")
        self._stages.append(stage)

    def _apply(self, stage: _Stage, instruction: Instruction) -> None:
        keyword, variables = instruction.keyword, stage.variables()
        expanded = substitute(instruction.rest, variables)
        if keyword in {"COPY", "ADD"}:
            self._copy(stage, instruction, expanded)
            return
        if keyword in {"VOLUME", "SHELL"}:
            raise Unsupported(f"build: {keyword}")
        if keyword == "RUN":
            self._say("#  stand-in engine: RUN is recorded, not executed")
        elif keyword == "WORKDIR":
            stage.config["WorkingDir"] = _absolute(stage.config["WorkingDir"], expanded)
        elif keyword == "ARG":
            stage.arguments |= self._argument(instruction, variables)
        else:
            stage.config |= _setting(stage.config, instruction, expanded)
        stage.record(instruction, empty=True)

    def _copy(self, stage: _Stage, instruction: Instruction, expanded: str) -> None:
        words = instruction.exec_form() or expanded.split()
        source_stage = instruction.flags.get("from")
        if source_stage is not None:
            earlier = next((s for i, s in enumerate(self._stages[:-1]) if source_stage in {s.name, str(i)}), None)
            if earlier is None:
                raise Unsupported(f"build: COPY --from={source_stage} (only from an earlier stage)")
            files = earlier.files
        else:
            files = None
        entries = collect(self._request.context, self._ignore, words, stage.config["WorkingDir"], files)
        if mode := instruction.flags.get("chmod"):
            entries = {p: Entry(e.source, int(mode, 8)) if e.source else e for p, e in entries.items()}
        layer = pack(entries)
        self._store.put_blob(layer.data)
        stage.layers.append((layer.digest, len(layer.data), layer.diff_id))
        stage.files |= entries
        stage.record(instruction, empty=False)

    def _argument(self, instruction: Instruction, variables: Mapping[str, str]) -> dict[str, str]:
        name, _, default = substitute(instruction.rest, variables).partition("=")
        inherited = self._global.get(name, "")
        return {name: self._request.arguments.get(name, default.strip('"') or inherited)}


def _setting(config: Mapping[str, Any], instruction: Instruction, expanded: str) -> dict[str, Any]:
    """Returns what an instruction that only sets a value changes in the image's configuration."""
    keyword = instruction.keyword
    if keyword == "ENV":
        merged = dict(pair.split("=", 1) for pair in config["Env"]) | key_values(expanded)
        return {"Env": [f"{name}={value}" for name, value in merged.items()]}
    if keyword == "LABEL":
        return {"Labels": (config.get("Labels") or {}) | key_values(expanded)}
    if keyword == "EXPOSE":
        ports = [port if "/" in port else f"{port}/tcp" for port in expanded.split()]
        return {"ExposedPorts": config.get("ExposedPorts", {}) | {port: {} for port in ports}}
    if keyword in {"USER", "STOPSIGNAL"}:
        return {"User" if keyword == "USER" else "StopSignal": expanded}
    if keyword == "HEALTHCHECK":
        return {"Healthcheck": _healthcheck(instruction)}
    words = instruction.exec_form() or ["/bin/sh", "-c", instruction.rest]
    return {"Cmd" if keyword == "CMD" else "Entrypoint": words}


def _absolute(workdir: str, path: str) -> str:
    joined = path if path.startswith("/") else f"{workdir.rstrip('/')}/{path}"
    return "/" + "/".join(part for part in joined.split("/") if part not in {"", "."})


def _healthcheck(instruction: Instruction) -> dict[str, Any]:
    if instruction.rest.strip().upper() == "NONE":
        return {"Test": ["NONE"]}
    check = Instruction("CMD", {}, instruction.rest.removeprefix("CMD").strip(), instruction.line)
    words = check.exec_form()
    made: dict[str, Any] = {"Test": ["CMD", *words] if words else ["CMD-SHELL", check.rest]}
    for flag, value in instruction.flags.items():
        if flag == "retries":
            made["Retries"] = int(value)
        elif flag in _DURATION_FLAGS:
            made[_DURATION_FLAGS[flag]] = int(parse_duration_s(value) * _NANOSECONDS)
        else:
            raise Unsupported(f"build: HEALTHCHECK --{flag}")
    return made
