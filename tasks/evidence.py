"""What was captured: k6's results from the load generators, and exact numbers made of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from prefect import task

from blocks.models.errors import NoData
from blocks.models.record import EndpointNumbers, Record
from blocks.models.verdict import Judgement, failed, passed
from tasks.clients.samples import Samples
from tasks.load import load_generators
from tasks.run import Run


@task(retries=1, retry_delay_seconds=2)
def fetch_results(run: Run) -> Judgement:
    """Copy every result file of every load generator to the evidence and the checkout, and compare the hashes."""
    copied, wrong = 0, []
    results = run.environment.checkout / run.profile.ramp.script.parts[0] / "results" / run.id
    for loadgen in load_generators(run):
        for relative, digest in sorted(loadgen.result_files().items()):
            for root in (run.evidence / "results", results):
                file = root / f"loadgen-{loadgen.number}" / relative
                if root == results:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes((run.evidence / "results" / f"loadgen-{loadgen.number}" / relative).read_bytes())
                else:
                    loadgen.fetch(relative, file)
                if hashlib.sha256(file.read_bytes()).hexdigest() != digest:
                    wrong.append(relative)
            copied += 1
        loadgen.host.close()
    if wrong:
        return failed(
            f"{', '.join(wrong[:3])} differ from the load generator's files; copy them again before teardown."
        )
    if not copied:
        return failed("No load generator has results; wanted are k6's summary and samples of every process.")
    return passed(
        f"{copied} files with equal hashes, in the evidence and in {results.relative_to(run.environment.checkout)}"
    )


@task
def exact_numbers(run: Run, record: Record) -> dict[int, tuple[EndpointNumbers, ...]]:
    """Return each judged stage's exact numbers over its steady part, from the raw samples."""
    files = sorted((run.evidence / "results").glob("loadgen-*/segment-*/samples.csv.gz"))
    samples = Samples(files)
    return {
        stage.number: samples.numbers(stage.steady_from, stage.steady_to)
        for stage in record.stages
        if stage.steady_from is not None and stage.steady_to is not None
    }


def write_summary(run: Run, number: int, endpoints: tuple[EndpointNumbers, ...]) -> Path:
    """Write a stage's numbers in the shape of k6's --summary-export."""
    if not endpoints:
        raise NoData(f"Stage {number} has no raw samples to sum up.")
    metrics = {
        f"{'ws_connecting' if item.name == 'ws' else 'http_req_duration'}{{scenario:{item.name}}}": {
            "med": item.p50_ms, "p(90)": item.p90_ms, "p(95)": item.p95_ms, "p(99)": item.p99_ms, "max": item.max_ms,
            "count": item.requests,
        }
        for item in endpoints
    }  # fmt: skip
    file = run.evidence / "summaries" / f"stage-{number:02d}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        json.dumps({"metrics": metrics, "root_group": {"name": f"stage {number}"}}, indent=1, sort_keys=True)
    )
    return file


def write_manifest(run: Run) -> Path:
    """Write every evidence file with its size and SHA-256."""
    files = {
        run.relative(file): {"size": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        for file in sorted(run.evidence.rglob("*"))
        if file.is_file()
    }
    manifest = run.folder / "manifest.json"
    manifest.write_text(json.dumps({"files": files}, indent=1, sort_keys=True))
    return manifest
