"""k6 on the load generators: the smoke test, and the segments of the ramp."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from prefect import task
from prefect.logging import get_run_logger

from blocks.models.errors import Failed, RampartError, Refused, Unavailable
from blocks.models.load import LoadPlan, Segment
from tasks.clients.hosts import Host
from tasks.clients.loadgen import LoadGenerator
from tasks.clients.scripts import inspect_script
from tasks.infrastructure import api_url, connect_loadgen, connect_loadgens, loadgen_addresses
from tasks.metrics import prometheus_of
from tasks.rules import queries
from tasks.rules.durations import go_duration, seconds_of
from tasks.rules.segments import (
    cut_into_segments,
    literal_options,
    renumber,
    segment_options,
    sequence_of,
    with_system_tags,
)
from tasks.rules.stages import read_load_plan, scale_load, without_nulls
from tasks.run import Run
from tasks.watch import LoadWatch, on_each, see_off

T = TypeVar("T")

_TEMPLATES = Environment(
    loader=PackageLoader("tasks"), undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
)
_POLL_S = 0.5
# A segment holds longer than any approval may take; the guard or the ramp ends it before.
_HOLD_MARGIN_S = 3600.0
# A smoke that has not ended this long after its own duration hangs.
_SMOKE_MARGIN_S = 60.0
# The guard has stopped a load before this in almost every case; teardown stops it again.
_GUARD_S = 60.0
# k6's default gracefulStop is 30 s; after that it interrupts iterations by itself.
_ENDING_S = 60.0
# A command that was lost is tried again this often, and this long.
_AGAIN_S = 2.0
_PATIENCE_S = 30.0
_LEVEL_REACHED = 0.99
_LEVEL_TIMEOUT_S = 30.0


def read_ramp_plan(run: Run) -> LoadPlan:
    """Read the ramp's script on the worker and scale it as the profile says.

    Raises:
        Refused: the script is missing, does not parse, or cannot be cut into stages.
    """
    ramp = run.profile.ramp
    shown = _inspect(run, ramp.script)
    plan = scale_load(read_load_plan(shown, str(ramp.script)), load=ramp.load_scale, time=ramp.time_scale)
    # How many load generators there will be is known after apply; what cannot be cut for one is refused here.
    cut_into_segments(plan, 1)
    return plan


def refuse_unknown_stage(plan: LoadPlan, number: int) -> None:
    """Refuse a stage the script does not have.

    Raises:
        Refused: it has no such stage.
    """
    if not 1 <= number <= len(plan.levels):
        raise Refused(
            f"Start stage {number} does not exist: the script has stages 1 to {len(plan.levels)}; choose one."
        )


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
    return tuple(_load_generator(run, number, host) for number, host in enumerate(connect_loadgens(run)))


def _load_generator(run: Run, number: int, host: Host) -> LoadGenerator:
    return LoadGenerator(host, f"{run.environment.ssh.work_directory}/{run.id}", number)


@task
def read_users_file(run: Run) -> str:
    """Return users.json as it is on the first load generator."""
    loadgen = load_generators(run)[0]
    return loadgen.host.must(["cat", f"{loadgen.folder}/{run.profile.users.file}"])


@task
def run_smoke(run: Run, name: str = "smoke") -> dict[str, Any]:
    """Run the smoke script on the first load generator and return its exit code, times and k6's summary.

    Args:
        run: the run.
        name: of the k6 job; a smoke test that is run again has another one.
    """
    smoke = run.profile.smoke
    options = read_smoke_options(run)
    seconds = max(seconds_of(str(item.get("duration", "0"))) for item in options["scenarios"].values())
    loadgen = load_generators(run)[0]
    wrapper = _write_wrapper(loadgen, name, smoke.script, options)
    started = datetime.now(UTC)
    loadgen.start(name, [*_outputs(loadgen, name), wrapper], _k6_environment(run, name))
    deadline = time.monotonic() + seconds + _SMOKE_MARGIN_S
    while True:
        job = next((job for job in loadgen.jobs() if job.name == name), None)
        if job is not None and not job.alive:
            break
        if time.monotonic() > deadline:
            loadgen.interrupt(name)
            raise Unavailable(f"The smoke test did not end within {seconds + _SMOKE_MARGIN_S:g} s and was interrupted.")
        time.sleep(_POLL_S)
    ended = datetime.now(UTC)
    folder = run.evidence / name
    if job.exit_code is None:
        raise Failed(f"k6 was killed on {loadgen.host.address}; it said: {loadgen.log_tail(name)[-300:]}")
    loadgen.fetch(f"{name}/log", folder / "k6.log")
    summary_file = folder / "summary.json"
    try:
        loadgen.fetch(f"{name}/summary.json", summary_file)
    except Failed as error:
        raise Failed(f"k6 ended with {job.exit_code} and wrote no summary: {_last_error(folder / 'k6.log')}") from error
    result = {"exit_code": job.exit_code, "started": started.isoformat(), "ended": ended.isoformat()}
    run.journal.append("smoke", "smoke", **result)
    return {
        **result,
        "metrics": json.loads(summary_file.read_text())["metrics"],
        "error": _last_error(folder / "k6.log"),
    }


def prepare_ramp(run: Run, plan: LoadPlan, *, literally: bool = False) -> LoadWatch:
    """Connect to the load generators, see that they read the same script, and prepare the first attempt.

    Args:
        run: the run.
        plan: the ramp's plan.
        literally: run the script as it is, one k6 per load generator, instead of held stages.

    Raises:
        Refused: a load generator reads another plan out of the script than the worker did.
    """
    loadgens = load_generators(run)
    here = read_load_plan(_inspect(run, run.profile.ramp.script), str(run.profile.ramp.script))
    for loadgen in loadgens:
        _same_plan_there(run, loadgen, here)
    watch = LoadWatch(loadgens=loadgens, plan=plan, segments=())
    watch.segments = prepare_whole(run, watch, plan) if literally else prepare_segments(run, watch, plan)
    return watch


def prepare_segments(run: Run, watch: LoadWatch, plan: LoadPlan) -> tuple[Segment, ...]:
    """Cut a plan into segments and put a wrapper for each stage on the load generators, so that a start is one command.

    Args:
        run: the run.
        watch: the load; its wrappers and results of earlier attempts stay as they are.
        plan: what to rise through.
    """
    cuts = cut_into_segments(plan, len(watch.loadgens))
    segments = renumber(cuts, watch.next_index(len(cuts)))
    hold_s = (
        plan.script_seconds
        + len(plan.levels) * (run.profile.ramp.approval_timeout_s + run.profile.gate.window_s)
        + _HOLD_MARGIN_S
    )
    for segment in segments:
        options = segment_options(plan, segment, hold_s, {"run_id": run.id})
        _write_wrapper(watch.loadgens[segment.loadgen], segment.name, run.profile.ramp.script, options)
    return segments


def prepare_whole(run: Run, watch: LoadWatch, plan: LoadPlan) -> tuple[Segment, ...]:
    """Put the script as it is on the load generators: one k6 each, which runs all stages by itself."""
    count = len(watch.loadgens)
    first = watch.next_index(count)
    segments = tuple(
        Segment(
            index=first + number, stage=1, loadgen=number, start=Fraction(number, count), end=Fraction(number + 1, count),
            rise_s=plan.levels[0].rise_s,
        )
        for number in range(count)
    )  # fmt: skip
    for segment in segments:
        options = literal_options(plan, {"run_id": run.id})
        _write_wrapper(watch.loadgens[segment.loadgen], segment.name, run.profile.ramp.script, options)
    return segments


def start_stage(run: Run, watch: LoadWatch, number: int, *, towards: int | None = None) -> bool:
    """Start the segments of a stage on all load generators at once.

    Args:
        run: the run.
        watch: the load.
        number: the stage.
        towards: the stage that is to be held when this one is only risen through: it is no stage of the record then.

    Returns:
        Whether it was started: the guard may have stopped the load just now.
    """
    if not watch.may_start():
        return False
    chosen = [segment for segment in watch.segments if segment.stage == number]
    if towards is None:
        enter_stage(run, watch, number)
    else:
        watch.enter_stage(towards)
    with ThreadPoolExecutor(len(chosen)) as pool:
        return all(pool.map(lambda segment: _start(run, watch, segment), chosen))


def enter_stage(run: Run, watch: LoadWatch, number: int) -> None:
    """Say that a stage begins."""
    level = watch.plan.levels[number - 1]
    watch.enter_stage(number)
    run.journal.append(
        "ramp", "stage_started", number=number,
        vus=round(level.amount) if watch.plan.unit == "vus" else None,
        rate=level.amount if watch.plan.unit == "rate" else None,
    )  # fmt: skip


def step_down(run: Run, watch: LoadWatch, number: int) -> None:
    """Stop the segments of the newest stage and hold the one below."""
    chosen = [segment for segment in watch.segments if segment.stage == number]
    stop_segments(run, watch, chosen)
    watch.segments = patiently(lambda: _prepared_again(run, watch, chosen))
    enter_stage(run, watch, number - 1)


def stop_segments(run: Run, watch: LoadWatch, segments: Sequence[Segment]) -> None:
    """Stop running segments on purpose, which is no breach, and journal how they ended.

    Raises:
        RampartError: a load generator does not answer, or still runs k6.
    """
    watch.release(segments)
    patiently(lambda: watch.stop_load([segment.name for segment in segments]))
    patiently(lambda: _journal_ends(run, watch, segments))


def _prepared_again(run: Run, watch: LoadWatch, chosen: Sequence[Segment]) -> tuple[Segment, ...]:
    """Give ended segments new names, so that they can be started again beside their results."""
    renamed = renumber(tuple(chosen), watch.next_index(len(chosen)))
    again = dict(zip((segment.index for segment in chosen), renamed, strict=True))
    for segment in chosen:
        loadgen = watch.loadgens[segment.loadgen]
        script = run.profile.ramp.script
        loadgen.host.must(
            [
                "cp",
                _wrapper_path(loadgen, script, segment.name),
                _wrapper_path(loadgen, script, again[segment.index].name),
            ]
        )
    return tuple(again.get(segment.index, segment) for segment in watch.segments)


def _start(run: Run, watch: LoadWatch, segment: Segment) -> bool:
    loadgen = watch.loadgens[segment.loadgen]
    cut = [
        "--execution-segment",
        f"{segment.start}:{segment.end}",
        "--execution-segment-sequence",
        sequence_of(watch.segments),
    ]
    arguments = [
        *_outputs(loadgen, segment.name),
        *(cut if len(watch.segments) > 1 else []),
        _wrapper_path(loadgen, run.profile.ramp.script, segment.name),
    ]
    if not watch.may_start():
        return False
    loadgen.start(segment.name, arguments, _k6_environment(run, segment.name))
    run.journal.append(
        "ramp", "segment_started", index=segment.index, loadgen=loadgen.host.address, share=round(segment.share, 6)
    )
    watch.expect(segment)
    if not watch.may_start():
        # The guard stopped the load while this one was starting: what it did not see yet is stopped here.
        loadgen.interrupt(segment.name)
        return False
    return True


def wait_for_level(run: Run, watch: LoadWatch, number: int, *, held: bool = True) -> datetime | None:
    """Wait until the stage's virtual users are there and return when; None when the guard stopped the load.

    Args:
        run: the run.
        watch: the load.
        number: the stage.
        held: whether the stage is held; one that is only risen through is no stage of the record.

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
            try:
                users = prometheus.value(queries.virtual_users(run.environment.metrics, run.id, watch.expected()))
            except Unavailable:
                # One query that fails is asked again: for how long nobody may be seen is the guard's to say.
                users = None
            if users is not None and users >= level.amount * _LEVEL_REACHED:
                break
            if time.monotonic() > deadline:
                seen = "an unknown number" if users is None else f"{users:g}"
                raise Unavailable(
                    f"Stage {number} has {seen} of {level.amount:g} virtual users long after its rise; look at k6's log."
                )
        time.sleep(_POLL_S)
    else:
        return None
    return run.journal.append("ramp", "stage_steady", number=number).at if held else datetime.now(UTC)


def wait_for_end(watch: LoadWatch) -> None:
    """Wait until a script that runs as it is has ended by itself, as long as a graceful stop may take."""
    deadline = time.monotonic() + _ENDING_S
    while any(job.alive for job in patiently(watch.jobs).values()) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def end_ramp(run: Run, watch: LoadWatch) -> RampartError | None:
    """Stop the load, unless the guard already did, and journal how every segment ended.

    Returns:
        Why the load could not be confirmed to be off; teardown stops it again. None when it is off.
    """
    try:
        if watch.finish() or not watch.is_off(_GUARD_S):
            patiently(watch.stop_load)
        patiently(lambda: journal_ended_segments(run, watch))
    except RampartError as error:
        run.journal.append("ramp", "note", text=f"The load could not be confirmed to be off: {error}")
        return error
    get_run_logger().info("Load off")
    return None


def patiently(act: Callable[[], T]) -> T:
    """Do something on the load generators; a lost command is tried again for half a minute."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return act()
        except Unavailable as error:
            if time.monotonic() > deadline:
                raise
            get_run_logger().warning("%s It is tried again.", error)
            time.sleep(_AGAIN_S)


def journal_ended_segments(run: Run, watch: LoadWatch) -> None:
    """Journal how every segment that was expected to run ended."""
    _journal_ends(run, watch, list(watch.running.values()))


def _journal_ends(run: Run, watch: LoadWatch, segments: Sequence[Segment]) -> None:
    jobs = watch.jobs()
    for segment in segments:
        if segment.index in watch.ended:
            continue
        watch.ended.add(segment.index)
        job = jobs.get(segment.name)
        run.journal.append(
            "ramp", "segment_ended", index=segment.index, exit_code=job.exit_code if job else None,
            k6_summary=f"evidence/results/loadgen-{segment.loadgen}/{segment.name}/summary.json",
        )  # fmt: skip


def stop_all_load(run: Run) -> int:
    """Interrupt every k6 of the run on every load generator at once and wait for it; return how many ran.

    One that does not answer keeps none of the others.

    Raises:
        RampartError: a load generator does not answer, or still runs k6; it is named.
    """
    if "loadgen_public_ip" not in run.outputs():
        return 0

    def stop(number: int) -> int:
        host = connect_loadgen(run, number)
        try:
            loadgen = _load_generator(run, number, host)
            alive = sum(job.alive for job in loadgen.jobs())
            if alive:
                see_off(loadgen)
            return alive
        finally:
            host.close()

    return sum(on_each(range(len(loadgen_addresses(run))), stop))


def _inspect(run: Run, script: Path) -> dict[str, Any]:
    environment = run.environment
    if not environment.checkout.is_dir():
        raise Refused(
            f"The checkout {environment.checkout} is missing; clone the system's repository there, or set checkout."
        )
    url = f"http://127.0.0.1:{environment.services.api_port}"
    variables = {"API_URL": url, **run.profile.script_environment}
    return inspect_script(environment.k6_command, environment.checkout, script, variables, run.profile.users.file)


def _same_plan_there(run: Run, loadgen: LoadGenerator, here: LoadPlan) -> None:
    script = run.profile.ramp.script
    variables = {"API_URL": api_url(run), **run.profile.script_environment}
    shown = loadgen.host.must(
        [
            loadgen.k6, "inspect", "--execution-requirements",
            *(item for name, value in variables.items() for item in ("-e", f"{name}={value}")),
            f"{loadgen.folder}/{script}",
        ],
        environment={"K6_AUTO_EXTENSION_RESOLUTION": "false"},
    )  # fmt: skip
    there = read_load_plan(json.loads(shown), str(script))
    if (there.levels, there.scenarios) != (here.levels, here.scenarios):
        raise Refused(
            f"{script} gives another plan on {loadgen.host.address} than on the worker; the script depends on where it runs."
        )


def read_smoke_options(run: Run) -> dict[str, Any]:
    """Return the smoke's own options with the run's tags, and shorter when the profile says so.

    Raises:
        Refused: the script is missing, does not parse, lies elsewhere than the ramp's, or has no scenarios that can be shortened.
    """
    smoke, top = run.profile.smoke, run.profile.ramp.script.parts[0]
    if smoke.script.parts[0] != top:
        raise Refused(
            f"The smoke script {smoke.script} is not below {top}/, which the load generators get because the ramp's script is "
            f"there; move it below {top}/."
        )
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
        **with_system_tags(options),
        "thresholds": thresholds,
        "tags": {**(options.get("tags") or {}), "run_id": run.id},
    }


def _write_wrapper(loadgen: LoadGenerator, name: str, script: Path, options: dict[str, Any]) -> str:
    text = _TEMPLATES.get_template("wrapper.js.j2").render(
        name=name,
        script=script.name,
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


def _k6_environment(run: Run, instance: str) -> dict[str, str]:
    return {
        "API_URL": api_url(run),
        **run.profile.script_environment,
        **{name: secret.get_secret_value() for name, secret in run.profile.script_secrets.items()},
        "RAMPART_INSTANCE": instance,
        "K6_PROMETHEUS_RW_SERVER_URL": f"{prometheus_of(run).url}/api/v1/write",
        "K6_PROMETHEUS_RW_PUSH_INTERVAL": "1s",
        "K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM": "true",
        "K6_PROMETHEUS_RW_STALE_MARKERS": "true",
        # Stages are cut out of the samples by time; whole seconds would move their ends.
        "K6_CSV_TIME_FORMAT": "unix_milli",
        "K6_AUTO_EXTENSION_RESOLUTION": "false",
    }


def _last_error(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if "level=error" in line]
    return lines[-1][:300] if lines else ""
