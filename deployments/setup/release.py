"""A vendor's release: downloaded, held against its pinned SHA-256, and one program taken out of it."""

import hashlib
import http.client
import shutil
import tarfile
import time
import urllib.request
import zipfile
from pathlib import Path
from typing import IO

from deployments.setup.catalogue import Release
from deployments.setup.problems import SetupProblem

_CONNECT_LIMIT_S = 30.0
_DOWNLOAD_LIMIT_S = 600.0  # Prometheus is about 95 MB: a line of 2 Mbit/s needs six minutes
_CHUNK_BYTES = 1 << 20


class ReleaseRefused(SetupProblem):
    """The archive could not be had, or is not the pinned one; the text says which."""


def fetch_release(release: Release, platform: str, folder: Path) -> Path:
    """The release's program, below `folder`; one that is there from an earlier call is reused.

    Raises ReleaseRefused when nothing is pinned for the platform, the download fails or its SHA-256 differs.
    """
    if platform not in release.sha256:
        raise ReleaseRefused(f"no release is pinned for {platform}")
    names = {"version": release.version, "platform": platform.replace("_", _separator(release))}
    url, member = release.url.format(**names), release.member.format(**names)
    program = folder / Path(member).name
    if program.is_file():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "archive.part"
    try:
        digest = _download(url, archive)
        if digest != release.sha256[platform]:
            raise ReleaseRefused(f"{url} has SHA-256 {digest}, pinned is {release.sha256[platform]}")
        unfinished = folder / "program.part"
        with unfinished.open("wb") as target:
            _unpack(archive, url, member, target)
        unfinished.chmod(0o755)
        unfinished.replace(program)
    except (OSError, http.client.HTTPException, ValueError, KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise ReleaseRefused(f"{url} could not be fetched ({error})") from error
    finally:
        archive.unlink(missing_ok=True)
    return program


def _separator(release: Release) -> str:
    """Vendors write linux_amd64 in a zip's name and linux-amd64 in a tarball's."""
    return "_" if release.url.endswith(".zip") else "-"


def _download(url: str, target: Path) -> str:
    """Write what the address serves to a file and return its SHA-256; honours the proxies of the environment."""
    digest = hashlib.sha256()
    until = time.monotonic() + _DOWNLOAD_LIMIT_S
    with urllib.request.urlopen(url, timeout=_CONNECT_LIMIT_S) as answer, target.open("wb") as file:  # noqa: S310 -- pinned addresses
        while chunk := answer.read(_CHUNK_BYTES):
            if time.monotonic() > until:
                raise ReleaseRefused(f"{url} was not complete after {_DOWNLOAD_LIMIT_S:.0f} s")
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _unpack(archive: Path, url: str, member: str, target: IO[bytes]) -> None:
    """Copy one file out of a zip or a tarball; nothing else of it touches the disk."""
    if url.endswith(".zip"):
        with zipfile.ZipFile(archive) as zipped, zipped.open(member) as source:
            shutil.copyfileobj(source, target)
        return
    with tarfile.open(archive) as packed:
        file = packed.extractfile(member)
        if file is None:
            raise KeyError(member)
        with file:
            shutil.copyfileobj(file, target)
