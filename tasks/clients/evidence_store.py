"""The evidence in S3: each file is uploaded once, and S3 checks its SHA-256 while it arrives."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from blocks.models.errors import Failed, Refused, Unavailable

# A file of some hundred MB takes longer than one answer; each part of waiting is bounded.
_CONFIG = Config(connect_timeout=5, read_timeout=60, retries={"max_attempts": 4, "mode": "standard"})
# Most files are small: their time is that of the way there and back.
_AT_ONCE = 8
# What S3 takes in one request; only that is checked as a whole.
_LARGEST = 5 * 2**30
_NOT_FOUND = {"404", "NoSuchKey", "NotFound"}


@dataclass(frozen=True)
class Stored:
    """What is in the store."""

    files: int
    size: int
    """Bytes."""


class EvidenceStore:
    """A folder of a bucket for one run.

    Args:
        session: credentials.
        bucket: the bucket; it has to exist.
        folder: the folder in it.
        endpoint_url: another address of S3, or None for AWS itself.
    """

    def __init__(self, session: boto3.Session, bucket: str, folder: str, endpoint_url: str | None = None) -> None:
        service = "s3"
        self._s3: Any = session.client(service, endpoint_url=endpoint_url, config=_CONFIG)
        self._bucket = bucket
        self._folder = folder.strip("/")
        self._sent: dict[str, tuple[int, int]] = {}

    @property
    def address(self) -> str:
        """Where the run's files are."""
        return f"s3://{self._bucket}/{self._folder}/"

    def upload(self, root: Path, files: Sequence[Path]) -> Stored:
        """Upload what is not there with the same content; called again after a fault it goes on where it stopped.

        What this object sent and what did not change since is not even asked for.

        Args:
            root: the run's folder; a file's name in the store is its path in it.
            files: which of its files.

        Raises:
            Failed: S3 said no.
            Unavailable: S3 did not answer.
            Refused: a file is too large for one request.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            sizes = [size for size in pool.map(lambda file: self._send(root, file), files) if size is not None]
        return Stored(len(sizes), sum(sizes))

    def verify(self, root: Path, files: Sequence[Path]) -> Stored:
        """Compare the SHA-256 that S3 keeps of every file with the file's own.

        Raises:
            Failed: files are missing or differ; names them.
            Unavailable: S3 did not answer.
        """
        names = [str(file.relative_to(root)) for file in files]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            kept = list(pool.map(self._digest, names))
        wrong = [name for name, digest, file in zip(names, kept, files, strict=True) if digest != _sha256(file)]
        if wrong:
            raise Failed(
                f"{len(wrong)} of {len(files)} files are not in {self.address} as they are here: {', '.join(wrong[:3])}; "
                "upload them again, or copy the run's folder by hand."
            )
        return Stored(len(files), sum(file.stat().st_size for file in files))

    def _send(self, root: Path, file: Path) -> int | None:
        """Upload a file and return its size; None when it is there already."""
        name, status = str(file.relative_to(root)), file.stat()
        length, sent = status.st_size, (status.st_size, status.st_mtime_ns)
        if self._sent.get(name) == sent:
            return None
        digest = _sha256(file)
        if self._digest(name) == digest:
            self._sent[name] = sent
            return None
        if length > _LARGEST:
            raise Refused(f"{name} has {length} bytes; S3 takes at most {_LARGEST} in one piece.")
        with self._sentences(f"the upload of {name}"), file.open("rb") as body:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=self._key(name),
                Body=body,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=digest,
            )
        self._sent[name] = sent
        return length

    def _digest(self, name: str) -> str | None:
        """Return the SHA-256 that S3 keeps of a file, None when it has none."""
        try:
            with self._sentences(f"the look at {name}"):
                answer = self._s3.head_object(Bucket=self._bucket, Key=self._key(name), ChecksumMode="ENABLED")
        except _Absent:
            return None
        digest = answer.get("ChecksumSHA256")
        return str(digest) if digest else None

    def _key(self, name: str) -> str:
        return f"{self._folder}/{name}" if self._folder else name

    @contextmanager
    def _sentences(self, what: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _NOT_FOUND:
                raise _Absent(f"{self.address} has no such file.") from error
            said = error.response.get("Error", {}).get("Message", "")
            raise Failed(f"S3 refused {what} in {self.address}: {code} {said}".rstrip(". ") + ".") from error
        except (BotoCoreError, OSError) as error:
            raise Unavailable(f"S3 did not answer {what} in {self.address}: {error}.") from error


class _Absent(Failed):
    """There is no such file."""


def _sha256(file: Path) -> str:
    """Return a file's SHA-256 as S3 writes it."""
    with file.open("rb") as opened:
        return base64.b64encode(hashlib.file_digest(opened, "sha256").digest()).decode()
