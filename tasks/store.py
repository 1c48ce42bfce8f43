"""The evidence store: the runs folder, and S3 beside it when the environment's block names a bucket."""

from __future__ import annotations

import logging
from pathlib import Path

from prefect import task

from blocks.models.errors import RampartError
from blocks.models.verdict import Judgement, passed
from tasks.clients.evidence_store import EvidenceStore
from tasks.run import Run

_logger = logging.getLogger("rampart")
# Beside the evidence: what the run says of itself.
_PAGES = ("journal.jsonl", "manifest.json", "record.json", "report.md", "report.html")


def store_of(run: Run) -> EvidenceStore | None:
    """Return the bucket of the environment's block, None when it names none."""
    bucket = run.environment.evidence_store
    if bucket is None:
        return None
    return EvidenceStore(
        bucket.credentials.get_boto3_session(),
        bucket.bucket_name,
        f"{bucket.bucket_folder}/{run.id}",
        bucket.credentials.aws_client_parameters.endpoint_url,
    )


def upload_evidence(run: Run, store: EvidenceStore | None) -> None:
    """Upload what was captured so far; what fails is tried again with what comes next."""
    if store is None:
        return
    try:
        store.upload(run.folder, _evidence(run))
    except RampartError as error:
        _logger.warning("%s", error)


@task(retries=2, retry_delay_seconds=2)
def store_evidence(run: Run) -> Judgement:
    """Upload what is missing and verify every file of the evidence."""
    store = store_of(run)
    if store is None:
        return passed("the evidence is in the runs folder alone; evidence_store names no bucket")
    files = _evidence(run)
    store.upload(run.folder, files)
    stored = store.verify(run.folder, files)
    return passed(f"{stored.files} files, {stored.size} bytes, in {store.address}, each verified by its SHA-256")


@task(retries=2, retry_delay_seconds=2)
def store_report(run: Run) -> None:
    """Upload what was made after collect, the report with its manifest too.

    Every file's SHA-256 is compared with that in the store, or checked by the store while the file arrives.
    """
    store = store_of(run)
    if store is None:
        return
    pages = [run.folder / name for name in _PAGES if (run.folder / name).is_file()]
    files = [*_evidence(run), *pages]
    store.upload(run.folder, files)


def _evidence(run: Run) -> list[Path]:
    """Return the files that are there; one that is being written has another name."""
    return sorted(file for file in run.evidence.rglob("*") if file.is_file() and file.suffix != ".part")
