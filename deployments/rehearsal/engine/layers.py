"""Layers: deterministic archives of files, and their unpacking into a container's folder."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from deployments.rehearsal.engine.errors import EngineError

FOLDER_MODE = 0o755


@dataclass(frozen=True)
class Entry:
    """One file or folder of a layer.

    Attributes:
        source: The file or link to take; None makes a folder.
        mode: Permission bits in the image.
    """

    source: Path | None
    mode: int


@dataclass(frozen=True)
class Layer:
    """A packed layer.

    Attributes:
        data: The gzip archive.
        digest: SHA-256 of the archive, the blob's name in a registry.
        diff_id: SHA-256 of the unpacked tar, the layer's name in an image's configuration.
    """

    data: bytes
    digest: str
    diff_id: str


def sha256(data: bytes) -> str:
    """Returns a digest as registries write it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def pack(entries: Mapping[str, Entry]) -> Layer:
    """Packs entries (path in the image, without leading slash -> entry) so that equal content gives equal bytes.

    Times are zero, owners root, order by name: what BuildKit does with SOURCE_DATE_EPOCH=0.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(entries):
            entry = entries[path]
            member = tarfile.TarInfo(path)
            member.mode = entry.mode
            if entry.source is None:
                member.type = tarfile.DIRTYPE
                archive.addfile(member)
            elif entry.source.is_symlink():
                member.type, member.linkname = tarfile.SYMTYPE, str(entry.source.readlink())
                archive.addfile(member)
            else:
                data = entry.source.read_bytes()
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    tar = buffer.getvalue()
    packed = gzip.compress(tar, compresslevel=6, mtime=0)
    return Layer(packed, sha256(packed), sha256(tar))


def unpack(archive_path: Path, target: Path) -> None:
    """Unpacks a layer.

    Raises:
        EngineError: A member is neither file, folder nor link, or would leave the target.
    """
    top = target.resolve()
    with tarfile.open(archive_path, mode="r:*") as archive:
        for member in archive:
            path = target / member.name
            if ".." in PurePosixPath(member.name).parts or not path.parent.resolve().is_relative_to(top):
                raise EngineError(f"failed to register layer: {member.name} is outside of the image")
            path.parent.mkdir(parents=True, exist_ok=True)
            if member.isdir():
                path.mkdir(exist_ok=True)
            elif member.issym():
                path.unlink(missing_ok=True)
                path.symlink_to(member.linkname)
            elif member.isfile():
                content = archive.extractfile(member)
                path.unlink(missing_ok=True)
                path.write_bytes(content.read() if content else b"")
                path.chmod(member.mode)
            else:
                raise EngineError(f"failed to register layer: {member.name}: its type is not supported")
