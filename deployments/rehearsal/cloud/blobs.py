"""Blobs of the image registry on disk: layers and configurations, named by their digest."""

import hashlib
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from deployments.rehearsal.cloud.registry_errors import BlobUploadInvalid, BlobUploadUnknown, DigestInvalid

CHUNK_BYTES = 1024 * 1024
"""How much of a blob is held in memory at once."""

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Blobs:
    """A folder of blobs and of uploads under way.

    Args:
        folder: Where they are kept; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self._blobs = folder / "blobs"
        self._uploads = folder / "uploads"
        for made in (self._blobs, self._uploads):
            made.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._open: dict[str, _Upload] = {}

    def path(self, digest: str) -> Path:
        """Return the file of a blob, whether it exists or not.

        Raises:
            DigestInvalid: This is no SHA-256 digest.
        """
        if not DIGEST.fullmatch(digest):
            raise DigestInvalid(f"seen {digest!r}, wanted sha256: and 64 hexadecimal digits")
        return self._blobs / digest.removeprefix("sha256:")

    def start(self, name: str) -> str:
        """Open an upload to a repository and return its id."""
        identifier = secrets.token_hex(16)
        with self._lock:
            self._open[identifier] = _Upload(name, self._uploads / identifier)
        return identifier

    def append(self, identifier: str, name: str, stream: IO[bytes], offset: int | None = None) -> int:
        """Add a chunk to an upload.

        Args:
            identifier: The upload's id.
            name: The repository it was opened for.
            stream: The chunk; read to its end.
            offset: Where the sender says that the chunk starts, in bytes; None when it does not say.

        Returns:
            The size of the upload so far, in bytes.

        Raises:
            BlobUploadUnknown: There is no such upload.
            BlobUploadInvalid: The chunk does not start where the last one ended.
        """
        upload = self._upload(identifier, name)
        if offset is not None and offset != upload.size:
            raise BlobUploadInvalid(f"seen a chunk at byte {offset}, wanted one at byte {upload.size}")
        with upload.file.open("ab") as file:
            for chunk in _chunks(stream):
                file.write(chunk)
                upload.hash.update(chunk)
                upload.size += len(chunk)
        return upload.size

    def size(self, identifier: str, name: str) -> int:
        """Return how many bytes of an upload have arrived.

        Raises:
            BlobUploadUnknown: There is no such upload.
        """
        return self._upload(identifier, name).size

    def finish(self, identifier: str, name: str, digest: str) -> int:
        """Make an upload a blob and return its size in bytes.

        Raises:
            BlobUploadUnknown: There is no such upload.
            DigestInvalid: What arrived has another digest; the upload is given up.
        """
        upload = self._upload(identifier, name)
        target = self.path(digest)
        found = f"sha256:{upload.hash.hexdigest()}"
        if found != digest:
            self.cancel(identifier, name)
            raise DigestInvalid(f"seen {found}, wanted {digest}")
        upload.file.replace(target)
        with self._lock:
            self._open.pop(identifier, None)
        return upload.size

    def cancel(self, identifier: str, name: str) -> None:
        """Give an upload up.

        Raises:
            BlobUploadUnknown: There is no such upload.
        """
        upload = self._upload(identifier, name)
        with self._lock:
            self._open.pop(identifier, None)
        upload.file.unlink(missing_ok=True)

    def keep_only(self, digests: set[str]) -> None:
        """Delete every blob that is not among these."""
        names = {digest.removeprefix("sha256:") for digest in digests}
        for file in self._blobs.iterdir():
            if file.name not in names:
                with suppress(FileNotFoundError):
                    file.unlink()

    def _upload(self, identifier: str, name: str) -> "_Upload":
        with self._lock:
            upload = self._open.get(identifier)
        if upload is None or upload.name != name:
            raise BlobUploadUnknown(f"there is no upload {identifier} to {name}")
        return upload


class _Upload:
    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self.file = file
        self.size = 0
        self.hash = hashlib.sha256()
        file.touch()


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk
