"""The evidence in S3: uploaded once, gone on with after a fault, verified by what S3 itself hashed."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from blocks.models.errors import Failed, Unavailable
from tasks.clients.evidence_store import EvidenceStore, Stored

from .conftest import REGION, Cloud, free_port

pytestmark = pytest.mark.integration

_BUCKET = "evidence"


def _store(endpoint: str, bucket: str = _BUCKET) -> EvidenceStore:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    return EvidenceStore(session, bucket, "perf/run-1", endpoint)


@pytest.fixture
def store(fresh: Cloud) -> EvidenceStore:
    fresh.client("s3").create_bucket(Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return _store(fresh.endpoint)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "evidence" / "a.json", tmp_path / "evidence" / "stage 01" / "picture.png"]
    for number, file in enumerate(found):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes([number]) * 1000)
    return found


def test_each_file_is_uploaded_once_and_again_when_it_changed(
    store: EvidenceStore, files: list[Path], tmp_path: Path
) -> None:
    assert store.address == "s3://evidence/perf/run-1/"
    assert store.upload(tmp_path, files) == Stored(2, 2000)
    assert store.upload(tmp_path, files) == Stored(0, 0)
    files[0].write_text("changed")
    assert store.upload(tmp_path, files) == Stored(1, 7)
    assert store.verify(tmp_path, files) == Stored(2, 1007)


def test_the_names_in_the_bucket_are_those_in_the_runs_folder(
    store: EvidenceStore, files: list[Path], tmp_path: Path, fresh: Cloud
) -> None:
    store.upload(tmp_path, files)
    listed = fresh.client("s3").list_objects_v2(Bucket=_BUCKET)["Contents"]
    assert [item["Key"] for item in listed] == [
        "perf/run-1/evidence/a.json", "perf/run-1/evidence/stage 01/picture.png",
    ]  # fmt: skip


def test_a_store_that_lacks_a_file_or_holds_another_one_is_not_verified(
    store: EvidenceStore, files: list[Path], tmp_path: Path, fresh: Cloud
) -> None:
    store.upload(tmp_path, files[:1])
    with pytest.raises(
        Failed, match=r"1 of 2 files are not in s3://evidence/perf/run-1/ as they are here: .*picture\.png"
    ):
        store.verify(tmp_path, files)
    fresh.client("s3").put_object(Bucket=_BUCKET, Key="perf/run-1/evidence/a.json", Body=b"something else")
    with pytest.raises(Failed, match=r"2 of 2 files .*a\.json"):
        store.verify(tmp_path, files)


def test_a_bucket_that_does_not_exist_is_named(fresh: Cloud, files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(Failed, match="s3://nowhere/"):
        _store(fresh.endpoint, "nowhere").upload(tmp_path, files)


def test_a_store_that_is_down_is_unavailable(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.clients.evidence_store._CONFIG", Config(retries={"max_attempts": 1, "mode": "standard"}))
    with pytest.raises(Unavailable, match=r"S3 did not answer the look at evidence/a\.json"):
        _store(f"http://127.0.0.1:{free_port()}").upload(tmp_path, files)
