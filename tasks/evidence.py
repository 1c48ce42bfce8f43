"""What was captured: k6's results from the load generators, and exact numbers made of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile

from prefect import task

from blocks.models.errors import NoData, RampartError
from blocks.models.record import CheckNumbers, EndpointNumbers, Record, Stage
from blocks.models.verdict import Judgement, failed, passed
from tasks.clients.loadgen import LoadGenerator
from tasks.clients.samples import Converted, Samples, convert
from tasks.infrastructure import connect_loadgen, loadgen_addresses
from tasks.notes import NOTED
from tasks.rules.naming import name_some
from tasks.rules.numbers import Lost, compared, missing_samples, stage_end, steady_begin
from tasks.run import Run

_RAW, _PARQUET = "samples.csv.gz", "samples.parquet"
_NAMED = 3


@dataclass
class Results:
    """What came home from the load generators."""

    copied: int = 0
    problems: list[str] = field(default_factory=list)
    """Sentences: what is not there, and why."""
    lost: dict[str, Lost] = field(default_factory=dict)
    """Samples that are not there, by the segment's name."""


@dataclass(frozen=True)
class StageNumbers:
    """The exact numbers of a stage."""

    steady: tuple[EndpointNumbers, ...]
    rise: tuple[EndpointNumbers, ...]
    checks: tuple[CheckNumbers, ...]


@task
def fetch_results(run: Run, record: Record) -> Results:
    """Copy every load generator's result files, compare the hashes, and make Parquet of the samples.

    What fails is a problem of the results; what is there already is not copied again.
    """
    results = Results()
    for number, address in enumerate(loadgen_addresses(run)):
        try:
            host = connect_loadgen(run, number)
        except RampartError as error:
            results.problems.append(f"load generator {address}: {error}")
            continue
        try:
            _copy(run, LoadGenerator(host, f"{run.environment.ssh.work_directory}/{run.id}", number), results)
        finally:
            host.close()
    for segment in record.segments:
        name = f"segment-{segment.index:02d}"
        raw = next(iter(sorted((run.evidence / "results").glob(f"loadgen-*/{name}/{_RAW}"))), None)
        if raw is None:
            results.lost[name] = Lost("they did not come home")
            results.problems.append(f"{name} on {segment.loadgen} has no {_RAW}")
            continue
        _convert(name, raw, results)
    return results


def judge_results(run: Run, results: Results) -> Judgement:
    """Judge whether all results of all load generators are here."""
    if results.problems:
        return failed(
            f"{name_some(results.problems, _NAMED, '; ')}. {results.copied} files were copied; "
            "what is still on the load generators is lost with teardown."
        )
    if not results.copied:
        return failed("No load generator has results; wanted are k6's summary and samples of every process.")
    where = _checkout_results(run).relative_to(run.environment.checkout)
    return passed(f"{results.copied} files with equal hashes, in the evidence and in {where}")


def exact_numbers(run: Run, record: Record) -> dict[int, StageNumbers]:
    """Return each stage's exact numbers, of its steady part and of its rise, from the raw samples."""
    samples = Samples(sorted((run.evidence / "results").glob(f"loadgen-*/segment-*/{_PARQUET}")))
    stages = [(stage, end) for stage in record.stages if (end := stage_end(record, stage)) is not None]
    # A stage that was stopped on its rise has no steady part.
    steady = [(steady_begin(stage) or end, end) for stage, end in stages]
    rises = [(stage.started, min(steady_begin(stage) or end, end)) for stage, end in stages]
    numbers = samples.numbers([*steady, *rises])
    checks = samples.checks(steady)
    return {
        stage.number: StageNumbers(numbers[index], numbers[len(stages) + index], checks[index])
        for index, (stage, _) in enumerate(stages)
    }


def note_stages(run: Run, results: Results) -> Judgement:
    """Journal exact numbers over the live ones, which stay beside them, and judge whether they are complete.

    Raises:
        NoData: there are no samples; the record says so at each stage.
    """
    record = run.record()
    try:
        numbers = exact_numbers(run, record)
    except NoData as error:
        for stage in record.stages:
            _note(run, stage, f"{error} {missing_samples(record, stage, results.lost)}".strip())
        raise
    poor = []
    for stage in record.stages:
        found = numbers.get(stage.number, StageNumbers((), (), ()))
        missing = missing_samples(record, stage, results.lost)
        lacking = sorted(set(run.profile.smoke.endpoints) - {item.name for item in found.steady})
        if lacking and not missing and stage.gate:
            missing = f"there is no sample of {', '.join(lacking)} between its steady part's begin and end"
        _note(run, stage, missing, **_fields(run, stage, found))
        if missing:
            poor.append(f"stage {stage.number}: {missing}")
        poor += [
            f"stage {stage.number} was noted without {what}: {stage.not_captured[name].rstrip('.')}"
            for name, what in NOTED.items()
            if name in stage.not_captured
        ]
    if poor:
        return failed(
            f"{name_some(poor, _NAMED, '; ')}. Wanted are all samples of {', '.join(run.profile.smoke.endpoints)}, and each stage's notes."
        )
    notes = [
        f"stage {stage.number} {item.name}"
        for stage in run.record().stages
        for item in stage.endpoints
        if item.live_note
    ]
    differ = f"; the live p95 was further off than its buckets explain: {', '.join(notes)}" if notes else ""
    return passed(
        f"{len(numbers)} stages with exact numbers of {', '.join(sorted(run.profile.smoke.endpoints))}{differ}"
    )


def _note(run: Run, stage: Stage, missing: str, **fields: object) -> None:
    others = {what: why for what, why in stage.not_captured.items() if what != "numbers"}
    run.journal.append(
        "collect", "stage_numbers", number=stage.number, **fields,
        not_captured={**others, **({"numbers": missing} if missing else {})},
    )  # fmt: skip


def _fields(run: Run, stage: Stage, found: StageNumbers) -> dict[str, object]:
    """Return what the exact numbers are in the record."""
    live = {item.name: item.live_p95_ms for item in stage.endpoints}
    fields: dict[str, object] = {
        "endpoints": [compared(item, live.get(item.name)).model_dump(exclude_none=True) for item in found.steady],
        "rise": [item.model_dump(exclude_none=True) for item in found.rise],
        "checks": [item.model_dump() for item in found.checks],
    }
    for item in found.steady:
        if item.name == "ws" and item.requests and item.errors is not None:
            fields["ws_handshake_success"] = round(1 - item.errors / item.requests, 6)
    if found.steady:
        fields["summary"] = run.relative(write_summary(run, stage.number, found))
    return fields


def write_summary(run: Run, number: int, numbers: StageNumbers) -> Path:
    """Write the numbers of a stage's steady part in the shape of k6's --summary-export."""
    metrics: dict[str, dict[str, float | int | None]] = {}
    for item in numbers.steady:
        metric = "ws_connecting" if item.name == "ws" else "http_req_duration"
        metrics[f"{metric}{{scenario:{item.name}}}"] = {
            "med": item.p50_ms, "p(90)": item.p90_ms, "p(95)": item.p95_ms, "p(99)": item.p99_ms, "max": item.max_ms,
            "count": item.requests,
        }  # fmt: skip
        if item.name != "ws":
            # As in k6's own summary, passes counts the requests that failed.
            metrics[f"http_req_failed{{scenario:{item.name}}}"] = {
                "passes": item.errors, "fails": (item.requests or 0) - (item.errors or 0), "value": item.error_rate,
            }  # fmt: skip
    checks = {item.name: {"name": item.name, "passes": item.passes, "fails": item.fails} for item in numbers.checks}
    file = run.evidence / "summaries" / f"stage-{number:02d}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    group = {"name": f"stage {number}", "checks": checks}
    file.write_text(json.dumps({"metrics": metrics, "root_group": group}, indent=1, sort_keys=True))
    return file


def write_manifest(run: Run) -> Path:
    """Write every evidence file with its size and SHA-256."""
    files = {
        run.relative(file): {"size": file.stat().st_size, "sha256": _sha256(file)}
        for file in sorted(run.evidence.rglob("*"))
        if file.is_file()
    }
    manifest = run.folder / "manifest.json"
    manifest.write_text(json.dumps({"files": files}, indent=1, sort_keys=True))
    return manifest


def _copy(run: Run, loadgen: LoadGenerator, results: Results) -> None:
    """Copy what a load generator has; one file that cannot be copied does not keep the others."""
    folder = f"loadgen-{loadgen.number}"
    for relative, digest in sorted(loadgen.result_files().items()):
        file = run.evidence / "results" / folder / relative
        try:
            if not (file.is_file() and _sha256(file) == digest):
                loadgen.fetch(relative, file)
            if _sha256(file) != digest:
                results.problems.append(f"{folder}/{relative} differs from the load generator's file")
                continue
            beside = _checkout_results(run) / folder / relative
            beside.parent.mkdir(parents=True, exist_ok=True)
            copyfile(file, beside)
        except (RampartError, OSError) as error:
            results.problems.append(f"{folder}/{relative}: {error}")
        else:
            results.copied += 1


def _convert(name: str, raw: Path, results: Results) -> None:
    try:
        converted = convert(raw, raw.with_name(_PARQUET))
    except (RampartError, OSError) as error:
        results.lost[name] = Lost(str(error))
        results.problems.append(str(error))
        return
    problem = _problem(converted)
    if problem:
        # A file that was cut off is good until there; what is wrong otherwise could be anywhere.
        cut_off = converted.problem and not converted.damaged
        results.lost[name] = Lost(problem, after=converted.last if cut_off else None)
        results.problems.append(f"{raw.parent.name}/{raw.name}: {problem}")


def _problem(converted: Converted) -> str:
    if converted.problem:
        return converted.problem
    return f"{converted.unreadable} of its lines are no samples" if converted.unreadable else ""


def _checkout_results(run: Run) -> Path:
    return run.environment.checkout / run.profile.ramp.script.parts[0] / "results" / run.id


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
