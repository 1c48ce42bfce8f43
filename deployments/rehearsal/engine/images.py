"""The image store of one host: content by digest, and the names that point to it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.rehearsal.engine.errors import EngineError
from deployments.rehearsal.engine.home import Home, read_json, write_json
from deployments.rehearsal.engine.layers import sha256
from deployments.rehearsal.engine.reference import Reference, parse_reference

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"

SHORTEST_ID = 4
"""Fewest hex digits taken for an id; docker takes one, but then a name like `a` would be one."""


@dataclass(frozen=True)
class Image:
    """One image.

    Attributes:
        id: Digest of its configuration.
        config: The configuration.
        manifest: The manifest's exact bytes.
        tags: `name:tag` of every name.
        digests: `name@sha256:...` of every repository it was pushed to or pulled from.
    """

    id: str
    config: dict[str, Any]
    manifest: bytes
    tags: tuple[str, ...]
    digests: tuple[str, ...]

    @property
    def manifest_digest(self) -> str:
        """Digest of the manifest, which is what a registry calls the image."""
        return sha256(self.manifest)

    @property
    def architecture(self) -> str:
        """Such as `arm64`."""
        return str(self.config.get("architecture", ""))

    @property
    def layers(self) -> list[dict[str, Any]]:
        """Layer descriptors (digest, size), lowest first."""
        return list(json.loads(self.manifest)["layers"])

    @property
    def size_bytes(self) -> int:
        """Sum of the packed layers."""
        return sum(int(layer["size"]) for layer in self.layers)

    @property
    def runtime(self) -> dict[str, Any]:
        """The part of the configuration a container starts from (Env, Cmd, WorkingDir, Labels, ...)."""
        return dict(self.config.get("config") or {})


class ImageStore:
    """Images of one engine.

    Args:
        home: The engine's folder.
    """

    def __init__(self, home: Home) -> None:
        self._home = home

    def blob(self, digest: str) -> Path:
        """Returns where content of a digest is (or would be)."""
        return self._home.blobs / digest.replace(":", "/")

    def put_blob(self, data: bytes) -> str:
        """Stores content and returns its digest."""
        digest = sha256(data)
        path = self.blob(digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{os.getpid()}.part")
            part.write_bytes(data)
            part.replace(path)
        return digest

    def add(self, config: bytes, manifest: bytes, *, tags: list[str], digests: list[str]) -> Image:
        """Registers an image whose layers are stored already; its names move to it."""
        image_id = self.put_blob(config)
        self.put_blob(manifest)
        with self._home.lock("images"):
            index = self._index()
            index["manifests"][image_id] = sha256(manifest)
            index["tags"].update(dict.fromkeys(tags, image_id))
            index["digests"].update(dict.fromkeys(digests, image_id))
            write_json(self._home.image_index, index)
        return self._image(index, image_id)

    def name(self, image: Image, *, tag: str = "", digest: str = "") -> None:
        """Adds a tag (`docker tag`) or a repository digest (after a push)."""
        self.add(
            self.blob(image.id).read_bytes(), image.manifest, tags=[tag] * bool(tag), digests=[digest] * bool(digest)
        )

    def all(self) -> list[Image]:
        """Returns every image, named ones first by name."""
        index = self._index()
        images = [self._image(index, image_id) for image_id in index["manifests"]]
        return sorted(images, key=lambda image: (not image.tags, image.tags, image.id))

    def find(self, text: str) -> Image | None:
        """Returns the image of a name, a repository digest, an id or the beginning of an id; None if there is none."""
        index = self._index()
        digits = text.removeprefix("sha256:")
        if len(digits) >= SHORTEST_ID and all(character in "0123456789abcdef" for character in digits):
            for image_id in index["manifests"]:
                if image_id.removeprefix("sha256:").startswith(digits):
                    return self._image(index, image_id)
        reference = parse_reference(text)
        image_id = index["digests"].get(f"{reference.name}@{reference.digest}") or index["tags"].get(reference.tagged)
        return self._image(index, image_id) if image_id else None

    def get(self, text: str) -> Image:
        """Returns the image of a name or id.

        Raises:
            EngineError: There is none.
        """
        image = self.find(text)
        if image is None:
            raise EngineError(f"Error response from daemon: No such image: {text}")
        return image

    def _index(self) -> dict[str, Any]:
        return {"tags": {}, "digests": {}, "manifests": {}} | read_json(self._home.image_index)

    def _image(self, index: dict[str, Any], image_id: str) -> Image:
        return Image(
            id=image_id,
            config=read_json(self.blob(image_id)),
            manifest=self.blob(index["manifests"][image_id]).read_bytes(),
            tags=tuple(sorted(name for name, target in index["tags"].items() if target == image_id)),
            digests=tuple(sorted(name for name, target in index["digests"].items() if target == image_id)),
        )


def repository_digest(reference: Reference, digest: str) -> str:
    """Writes `name@sha256:...`."""
    return f"{reference.name}@{digest}"
