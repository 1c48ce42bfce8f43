"""Push and pull: an image between the store of a host and a registry."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deployments.rehearsal.engine.architecture import host_architecture
from deployments.rehearsal.engine.credentials import stored_auth
from deployments.rehearsal.engine.errors import EngineError, RegistryRefused
from deployments.rehearsal.engine.images import MANIFEST_TYPE, Image, ImageStore, repository_digest
from deployments.rehearsal.engine.layers import sha256
from deployments.rehearsal.engine.reference import Reference, parse_reference
from deployments.rehearsal.engine.registry import Registry

_SHORT = 12
_NOT_FOUND = 404


@dataclass(frozen=True)
class Pulled:
    """What a pull did.

    Attributes:
        image: The image.
        digest: Digest of its manifest in the registry.
        is_new: False if the host had it under this name already.
    """

    image: Image
    digest: str
    is_new: bool


def open_registry(reference: Reference) -> Registry:
    """Opens the registry of a reference with the stored credentials."""
    return Registry(reference.registry, stored_auth(reference.registry))


def push(store: ImageStore, name: str, say: Callable[[str], None]) -> str:
    """Pushes the image of a tag and returns its digest in the registry.

    Raises:
        EngineError: There is no such tag, or the registry refused.
    """
    reference = parse_reference(name)
    image = store.find(reference.tagged)
    say(f"The push refers to repository [{reference.name}]")
    if image is None:
        raise EngineError(f"An image does not exist locally with the tag: {reference.name}")
    registry = open_registry(reference)
    manifest = json.loads(image.manifest)
    for descriptor in (*image.layers, manifest["config"]):
        digest = str(descriptor["digest"])
        short = digest.removeprefix("sha256:")[:_SHORT]
        present = registry.has_blob(reference.repository, digest)
        if not present:
            registry.put_blob(reference.repository, digest, store.blob(digest).read_bytes())
        if descriptor is not manifest["config"]:
            say(f"{short}: {'Layer already exists' if present else 'Pushed'}")
    media_type = str(manifest.get("mediaType", MANIFEST_TYPE))
    registry.put_manifest(reference.repository, reference.tag, image.manifest, media_type)
    store.name(image, digest=repository_digest(reference, image.manifest_digest))
    say(f"{reference.tag}: digest: {image.manifest_digest} size: {len(image.manifest)}")
    return image.manifest_digest


def pull(store: ImageStore, name: str, architecture: str, say: Callable[[str], None]) -> Pulled:
    """Pulls an image by tag or digest and verifies every digest.

    Args:
        store: Where it goes.
        name: Reference.
        architecture: Wanted when the registry answers with a list; empty = this machine's.
        say: Takes progress lines.

    Raises:
        EngineError: The registry refused, or what it sent does not match its digest.
    """
    reference = parse_reference(name)
    registry = open_registry(reference)
    try:
        manifest = _manifest(registry, reference, architecture or host_architecture())
    except RegistryRefused as refusal:
        if refusal.status == _NOT_FOUND:
            raise EngineError(f"Error response from daemon: manifest for {name} not found: {refusal}") from refusal
        raise EngineError(f"Error response from daemon: {refusal}") from refusal
    digest = sha256(manifest)
    before = store.find(name)
    say(f"{reference.in_registry}: Pulling from {reference.repository}")
    description = json.loads(manifest)
    for descriptor in description["layers"]:
        say(
            f"{str(descriptor['digest']).removeprefix('sha256:')[:_SHORT]}: {_fetch(store, registry, reference, descriptor)}"
        )
    _fetch(store, registry, reference, description["config"])
    image = store.add(
        store.blob(str(description["config"]["digest"])).read_bytes(),
        manifest,
        tags=[reference.tagged] if reference.tag else [],
        digests=[repository_digest(reference, digest)],
    )
    return Pulled(image, digest, before is None or before.id != image.id)


def _fetch(store: ImageStore, registry: Registry, reference: Reference, descriptor: dict[str, Any]) -> str:
    digest = str(descriptor["digest"])
    if store.blob(digest).exists():
        return "Already exists"
    data = registry.blob(reference.repository, digest)
    _verify(digest, data)
    store.put_blob(data)
    return "Pull complete"


def _manifest(registry: Registry, reference: Reference, architecture: str) -> bytes:
    data = registry.manifest(reference.repository, reference.in_registry)
    if reference.digest:
        _verify(reference.digest, data)
    listed = json.loads(data).get("manifests")
    if listed is None:
        return data
    for entry in listed:
        if entry.get("platform", {}).get("architecture") == architecture:
            chosen = registry.manifest(reference.repository, str(entry["digest"]))
            _verify(str(entry["digest"]), chosen)
            return chosen
    raise EngineError(f"no matching manifest for linux/{architecture} in the manifest list entries")


def _verify(digest: str, data: bytes) -> None:
    if sha256(data) != digest:
        raise EngineError(f"Error response from daemon: filesystem layer verification failed for digest {digest}")
