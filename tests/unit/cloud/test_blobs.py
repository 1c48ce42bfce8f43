import hashlib
import io
from pathlib import Path

import pytest

from deployments.rehearsal.cloud.blobs import CHUNK_BYTES, Blobs
from deployments.rehearsal.cloud.registry_errors import BlobUploadInvalid, BlobUploadUnknown, DigestInvalid


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def stored(blobs: Blobs, content: bytes) -> str:
    upload = blobs.start("web")
    blobs.append(upload, "web", io.BytesIO(content))
    blobs.finish(upload, "web", digest_of(content))
    return digest_of(content)


def test_chunks_become_one_blob_named_by_its_digest(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    content = b"x" * (CHUNK_BYTES + 1) + b"tail"
    upload = blobs.start("web")
    assert blobs.append(upload, "web", io.BytesIO(content[:10]), 0) == 10
    assert blobs.append(upload, "web", io.BytesIO(content[10:]), 10) == len(content)
    assert blobs.finish(upload, "web", digest_of(content)) == len(content)
    assert blobs.path(digest_of(content)).read_bytes() == content


def test_a_chunk_with_a_gap_before_it_is_refused(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    upload = blobs.start("web")
    with pytest.raises(BlobUploadInvalid, match="seen a chunk at byte 5, wanted one at byte 0"):
        blobs.append(upload, "web", io.BytesIO(b"late"), 5)


def test_content_with_another_digest_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    upload = blobs.start("web")
    blobs.append(upload, "web", io.BytesIO(b"this"))
    with pytest.raises(DigestInvalid):
        blobs.finish(upload, "web", digest_of(b"that"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with pytest.raises(BlobUploadUnknown):
        blobs.size(upload, "web")


def test_an_upload_belongs_to_the_repository_it_was_opened_for(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    upload = blobs.start("web")
    with pytest.raises(BlobUploadUnknown):
        blobs.append(upload, "api", io.BytesIO(b"x"))


@pytest.mark.parametrize(
    "name", ["", "sha256:abc", "sha512:" + "0" * 64, "sha256:../../etc/passwd", "SHA256:" + "0" * 64]
)
def test_what_is_no_digest_names_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(DigestInvalid):
        Blobs(tmp_path).path(name)


def test_only_the_blobs_in_use_are_kept(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    kept, dropped = stored(blobs, b"kept"), stored(blobs, b"dropped")
    blobs.keep_only({kept})
    assert blobs.path(kept).is_file()
    assert not blobs.path(dropped).exists()
