import functools
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.setup.catalogue import Release
from deployments.setup.processes import run
from deployments.setup.release import ReleaseRefused, fetch_release

pytestmark = pytest.mark.integration
PROGRAM = b"#!/bin/sh\necho started\n"


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "vendor"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def zipped(folder: Path) -> tuple[str, str]:
    with zipfile.ZipFile(folder / "tool_1.0_linux_amd64.zip", "w") as archive:
        archive.writestr("LICENSE.txt", "text")
        archive.writestr("tool", PROGRAM)
    return "tool_{version}_{platform}.zip", "tool"


def tarball(folder: Path) -> tuple[str, str]:
    with tarfile.open(folder / "tool-1.0.linux-amd64.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("tool-1.0.linux-amd64/tool")
        entry.size = len(PROGRAM)
        archive.addfile(entry, io.BytesIO(PROGRAM))
    return "tool-{version}.{platform}.tar.gz", "tool-{version}.{platform}/tool"


@pytest.mark.parametrize("pack", [zipped, tarball])
def test_the_program_of_a_pinned_archive_can_be_started(
    vendor: tuple[Path, str], tmp_path: Path, pack: Callable[[Path], tuple[str, str]]
) -> None:
    folder, address = vendor
    name, member = pack(folder)
    digest = hashlib.sha256(next(folder.iterdir()).read_bytes()).hexdigest()
    release = Release("1.0", f"{address}/{name}", member, {"linux_amd64": digest})
    program = fetch_release(release, "linux_amd64", tmp_path / "tools")
    assert run([program], limit_s=20).output == "started\n"
    assert [path.name for path in (tmp_path / "tools").iterdir()] == ["tool"]


def test_an_archive_with_another_checksum_leaves_no_program(vendor: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = vendor
    name, member = zipped(folder)
    release = Release("1.0", f"{address}/{name}", member, {"linux_amd64": "0" * 64})
    with pytest.raises(ReleaseRefused, match=r"has SHA-256 .* pinned is 0000"):
        fetch_release(release, "linux_amd64", tmp_path / "tools")
    assert list((tmp_path / "tools").iterdir()) == []


def test_a_release_that_is_not_there_is_refused_with_its_address(vendor: tuple[Path, str], tmp_path: Path) -> None:
    release = Release("1.0", f"{vendor[1]}/gone.zip", "tool", {"linux_amd64": "0" * 64})
    with pytest.raises(ReleaseRefused, match=r"gone\.zip could not be fetched .*404"):
        fetch_release(release, "linux_amd64", tmp_path / "tools")


def test_a_platform_without_a_pin_is_refused_before_any_download(tmp_path: Path) -> None:
    with pytest.raises(ReleaseRefused, match="no release is pinned for plan9_mips"):
        fetch_release(Release("1.0", "http://127.0.0.1:9/x.zip", "tool", {}), "plan9_mips", tmp_path)
