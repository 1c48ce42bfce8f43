"""k6 on the load generators: the smoke test, and the segments of the ramp."""

from __future__ import annotations

import json
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from prefect import task
from prefect.logging import get_run_logger

from blocks.models.errors import Failed, Refused, Unavailable
from blocks.models.load import LoadPlan, Segment
from tasks.clients.loadgen import LoadGenerator
from tasks.clients.scripts import inspect_script
from tasks.infrastructure import api_url, connect_loadgens
from tasks.metrics import prometheus_of
from tasks.rules import queries
from tasks.rules.durations import go_duration, seconds_of
from tasks.rules.segments import cut_into_segments, segment_options, sequence_of
from tasks.rules.stages import read_load_plan, scale_load, without_nulls
from tasks.run import Run
from tasks.watch import LoadWatch

_TEMPLATES = Environment(
    loader=PackageLoader("tasks"), undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
)
_POLL_S = 0.5
# A segment holds longer than any approval may take; the guard or the ramp ends it before.
_HOLD_MARGIN_S = 3600.0
# A smoke that has not ended this long after its own duration hangs.
_SMOKE_MARGIN_S = 60.0
_LEVEL_REACHED = 0.99
_LEVEL_TIMEOUT_S = 30.0


def read_ramp_plan(run: Run) -> LoadPlan:
    """Read the ramp's script on the worker and scale it as the profile says.

    Raises:
        Refused: the script is missing, does not parse, or cannot be cut into stages.
    """
    ramp = run.profile.ramp
    shown = _inspect(run, ramp.script)
    return scale_load(read_load_plan(shown, str(ramp.script)), load=ramp.load_scale, time=ramp.time_scale)


@task(retries=2, retry_delay_seconds=2)
def install_load_generators(run: Run) -> tuple[str, ...]:
    """Copy k6 and the tests folder to every load generator; return k6's version on each."""
    found = []
    for loadgen in load_generators(run):
        binary = run.environment.loadgen_k6_binary
        local = binary if binary.is_file() else Path(shutil.which(str(binary)) or binary)
        loadgen.install(local, run.environment.checkout / run.profile.ramp.script.parts[0])
        found.append(f"{loadgen.host.address}: {loadgen.host.must([loadgen.k6, 'version']).strip()}")
    return tuple(found)


def load_generators(run: Run) -> tuple[LoadGenerator, ...]:
    """Connect to every load generator."""
    return tuple(
        LoadGenerator(host, f"{run.environment.ssh.work_directory}/{run.id}", number)
        for number, host in enumerate(connect_loadgens(run))
    )


@task
def read_users_file(run: Run) -> str:
    """Return users.json as it is on the first load generator."""
    loadgen = load_generators(run)[0]
    return loadgen.host.must(["cat", f"{loadgen.folder}/{run.profile.users.file}"])


@task
def run_smoke(run: Run) -> dict[str, Any]:
    """Run the smoke script on the first load generator and return its exit code, times and k6's summary."""
    smoke = run.profile.smoke
    options = _smoke_options(run)
    seconds = max(seconds_of(str(item.get("duration", "0"))) for item in options["scenarios"].values())
    loadgen = load_generators(run)[0]
    wrapper = _write_wrapper(run, loadgen, "smoke", smoke.script, options)
    started = datetime.now(UTC)
    loadgen.start("smoke", [*_outputs(loadgen, "smoke"), wrapper], _k6_environment(run))
    deadline = time.monotonic() + seconds + _SMOKE_MARGIN_S
    while True:
        job = next((job for job in loadgen.jobs() if job.name == "smoke"), None)
        if job is not None and not job.alive:
            break
        if time.monotonic() > deadline:
            loadgen.interrupt("smoke")
            raise Unavailable(f"The smoke test did not end within {seconds + _SMOKE_MARGIN_S:g} s and was interrupted.")
        time.sleep(_POLL_S)
    ended = datetime.now(UTC)
    folder = run.evidence / "smoke"
    if job.exit_code is None:
        raise Failed(f"k6 was killed on {loadgen.host.address}; it said: {loadgen.log_tail('smoke')[-300:]}")
    loadgen.fetch("smoke/log", folder / "k6.log")
    summary_file = folder / "summary.json"
    try:
        loadgen.fetch("smoke/summary.json", summary_file)
    except Failed as error:
        raise Failed(f"k6 ended with {job.exit_code} and wrote no summary: {_last_error(folder / 'k6.log')}") from error
    result = {"exit_code": job.exit_code, "started": started.isoformat(), "ended": ended.isoformat()}
    run.journal.append("smoke", "smoke", **result)
    return {
        **result,
        "metrics": json.loads(summary_file.read_text())["metrics"],
        "error": _last_error(folder / "k6.log"),
    }


def prepare_ramp(run: Run, plan: LoadPlan) -> LoadWatch:
    """Cut the ramp into segments and put each one's wrapper on its load generator, so that a start is one command.

    Raises:
        Refused: a load generator reads another plan out of the script than the worker did.
    """
    loadgens = load_generators(run)
    segments = cut_into_segments(plan, len(loadgens))
    hold_s = (
        plan.script_seconds
        + len(plan.levels) * (run.profile.ramp.approval_timeout_s + run.profile.gate.window_s)
        + _HOLD_MARGIN_S
    )
    for segment in segments:
        tags = {"run_id": run.id, "instance": segment.name}
        _write_wrapper(
            run,
            loadgens[segment.loadgen],
            segment.name,
            run.profile.ramp.script,
            segment_options(plan, segment, hold_s, tags),
        )
    for loadgen in loadgens:
        _same_plan_there(run, loadgen)
    return LoadWatch(loadgens=loadgens, plan=plan, segments=segments)


def start_stage(run: Run, watch: LoadWatch, number: int) -> bool:
    """Start the segments of a stage on all load generators at once.

    Returns:
        Whether it was started: the guard may have stopped the load just now.
    """
    if not watch.may_start():
        return False
    chosen = [segment for segment in watch.segments if segment.stage == number]
    watch.enter_stage(number)
    plan = watch.plan
    run.journal.append(
        "ramp", "stage_started", number=number,
        vus=round(plan.levels[number - 1].amount) if plan.unit == "vus" else None,
        rate=plan.levels[number - 1].amount if plan.unit == "rate" else None,
    )  # fmt: skip

    def start(segment: Segment) -> None:
        loadgen = watch.loadgens[segment.loadgen]
        arguments = [
            *_outputs(loadgen, segment.name),
            "--execution-segment", f"{segment.start}:{segment.end}",
            "--execution-segment-sequence", sequence_of(watch.segments),
            _wrapper_path(loadgen, run.profile.ramp.script, segment.name),
        ]  # fmt: skip
        loadgen.start(segment.name, arguments, _k6_environment(run))
        run.journal.append(
            "ramp", "segment_started", index=segment.index, loadgen=loadgen.host.address, share=round(segment.share, 6)
        )
        watch.expect(segment)

    with ThreadPoolExecutor(len(chosen)) as pool:
        list(pool.map(start, chosen))
    return True


def wait_for_level(run: Run, watch: LoadWatch, number: int) -> datetime | None:
    """Wait until the stage's virtual users are there and return when; None when the guard stopped the load.

    Raises:
        Unavailable: they are not there long after the rise should have ended.
    """
    level = watch.plan.levels[number - 1]
    prometheus = prometheus_of(run)
    deadline = time.monotonic() + level.rise_s + _LEVEL_TIMEOUT_S
    users: float | None = None
    while watch.may_start():
        if watch.plan.unit == "rate":
            if time.monotonic() > deadline - _LEVEL_TIMEOUT_S:
                break
        else:
            users = prometheus.value(queries.virtual_users(run.environment.metrics, run.id))
            if users is not None and users >= level.amount * _LEVEL_REACHED:
                break
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"Stage {number} has {users or 0:g} of {level.amount:g} virtual users long after its rise; look at k6's log."
                )
        time.sleep(_POLL_S)
    else:
        return None
    return run.journal.append("ramp", "stage_steady", number=number).at


def end_ramp(run: Run, watch: LoadWatch) -> None:
    """Stop the load, unless the guard already did, and journal how every segment ended."""
    if watch.breach is None:
        watch.finish()
        watch.stop_load()
    else:
        watch.stopped.wait(_SMOKE_MARGIN_S)
        watch.finish()
    jobs = watch.jobs()
    for name, segment in watch.running.items():
        job = jobs.get(name)
        run.journal.append(
            "ramp", "segment_ended", index=segment.index, exit_code=job.exit_code if job else None,
            k6_summary=f"evidence/results/loadgen-{segment.loadgen}/{name}/summary.json",
        )  # fmt: skip
    get_run_logger().info("Load off: %s segments ended", len(watch.running))


def stop_all_load(run: Run) -> int:
    """Interrupt every k6 of the run on every load generator and wait for it; return how many ran."""
    if "loadgen_public_ip" not in run.outputs():
        return 0
    loadgens = load_generators(run)
    alive = [job for loadgen in loadgens for job in loadgen.jobs() if job.alive]
    if alive:
        LoadWatch(loadgens=loadgens, plan=_NO_PLAN, segments=()).stop_load()
    for loadgen in loadgens:
        loadgen.host.close()
    return len(alive)


_NO_PLAN = LoadPlan(unit="vus", levels=(), scenarios=(), thresholds={}, tags={}, other={})


def _inspect(run: Run, script: Path) -> dict[str, Any]:
    environment = run.environment
    if not environment.checkout.is_dir():
        raise Refused(
            f"The checkout {environment.checkout} is missing; clone the system's repository there, or set checkout."
        )
    url = f"http://127.0.0.1:{environment.services.api_port}"
    return inspect_script(
        environment.k6_command, environment.checkout, script, {"API_URL": url}, run.profile.users.file
    )


def _same_plan_there(run: Run, loadgen: LoadGenerator) -> None:
    script = run.profile.ramp.script
    shown = loadgen.host.must(
        [
            loadgen.k6,
            "inspect",
            "--execution-requirements",
            "-e",
            f"API_URL={api_url(run)}",
            f"{loadgen.folder}/{script}",
        ]
    )
    there = read_load_plan(json.loads(shown), str(script))
    here = read_load_plan(_inspect(run, script), str(script))
    if (there.levels, there.scenarios) != (here.levels, here.scenarios):
        raise Refused(
            f"{script} gives another plan on {loadgen.host.address} than on the worker; the script depends on where it runs."
        )


def _smoke_options(run: Run) -> dict[str, Any]:
    """Return the smoke's own options with the run's tags, and shorter when the profile says so."""
    smoke = run.profile.smoke
    options = {
        key: value
        for key, value in without_nulls(_inspect(run, smoke.script)).items()
        if key not in {"totalDuration", "maxVUs"}
    }
    scenarios = options.get("scenarios") or {}
    if not scenarios:
        raise Refused(
            f"{smoke.script} has no scenarios; the smoke test needs one for each of {', '.join(smoke.endpoints)}."
        )
    if smoke.hold_s is not None:
        for name, scenario in scenarios.items():
            if "duration" not in scenario:
                raise Refused(f"smoke.hold_s shortens constant scenarios; '{name}' of {smoke.script} has no duration.")
            scenario["duration"] = go_duration(smoke.hold_s)
    # A threshold on a sub-metric makes k6 write its numbers into the summary.
    noted = {
        f"{metric}{{scenario:{name}}}": [limit]
        for name in scenarios
        for metric, limit in (("iterations", "count>=0"), ("http_req_duration", "p(95)>=0"))
    }
    thresholds = {**noted, **(options.get("thresholds") or {})}
    return {
        **options,
        "thresholds": thresholds,
        "tags": {**(options.get("tags") or {}), "run_id": run.id, "instance": "smoke"},
    }


def _write_wrapper(run: Run, loadgen: LoadGenerator, name: str, script: Path, options: dict[str, Any]) -> str:
    source = (run.environment.checkout / script).read_text()
    text = _TEMPLATES.get_template("wrapper.js.j2").render(
        name=name,
        script=script.name,
        default_export=re.search(r"^\s*export\s+default\b", source, re.MULTILINE) is not None,
        options=json.dumps(options, indent=2),
    )
    path = _wrapper_path(loadgen, script, name)
    loadgen.host.write(text, path)
    return path


def _wrapper_path(loadgen: LoadGenerator, script: Path, name: str) -> str:
    return f"{loadgen.folder}/{script.parent}/rampart-{name}.js"


def _outputs(loadgen: LoadGenerator, name: str) -> list[str]:
    folder = f"{loadgen.folder}/jobs/{name}"
    return [
        "--no-color", "--no-usage-report",
        "--out", "experimental-prometheus-rw",
        "--out", f"csv={folder}/samples.csv.gz",
        "--summary-export", f"{folder}/summary.json",
    ]  # fmt: skip


def _k6_environment(run: Run) -> dict[str, str]:
    return {
        "API_URL": api_url(run),
        **run.profile.script_environment,
        "K6_PROMETHEUS_RW_SERVER_URL": f"{prometheus_of(run).url}/api/v1/write",
        "K6_PROMETHEUS_RW_PUSH_INTERVAL": "1s",
        "K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM": "true",
        "K6_PROMETHEUS_RW_STALE_MARKERS": "true",
        "K6_AUTO_EXTENSION_RESOLUTION": "false",
    }


def _last_error(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if "level=error" in line]
    return lines[-1][:300] if lines else ""
