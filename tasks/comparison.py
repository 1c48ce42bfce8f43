"""Comparing a run with an earlier one, and keeping it for those to come."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from blocks.models.errors import NoData, RampartError
from blocks.models.event import Event, opening
from blocks.models.record import Comparison, Record
from blocks.models.verdict import Verdict, worst
from tasks.clients.history import History, measure
from tasks.rules.comparison import PastRun, Window, compare, differences, last_comparable
from tasks.rules.trend import trends
from tasks.run import Run

_TEMPLATES = Environment(
    loader=PackageLoader("tasks"), undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def compare_run(run: Run) -> None:
    """Keep the run in the history, compare it with the chosen or the last comparable one, and write the page of trends.

    Once a run: what was said then is in the journal. A run without numbers is neither kept nor compared.
    """
    events, record = run.journal.read()[0], run.record()
    windows = _windows(record)
    if not windows or any(event.kind == "comparison" for event in events):
        return
    history = History(run.environment.runs_folder / "history")
    try:
        comparison = _compare(run, record, _options(events), history, windows)
        _write_trends(history)
    except RampartError as error:
        run.journal.append("report", "note", text=str(error))
        return
    run.journal.append("report", "comparison", **comparison.model_dump(mode="json", exclude_defaults=True))


def _compare(
    run: Run, record: Record, options: dict[str, object], history: History, windows: tuple[Window, ...]
) -> Comparison:
    measured = measure(run.evidence / "results", windows)
    if not measured:
        raise NoData("The raw k6 samples hold no request of a stage or the smoke test: this run is not compared.")
    # The checks of the report itself are still to come.
    judged = worst(item.verdict for item in record.checks if item.started is not None)
    now = PastRun(
        run_id=run.id, started=record.started, verdict=judged.value, ceiling=record.ceiling.stage,
        settings=_settings(run, record, options),
    )  # fmt: skip
    past = history.runs()
    history.keep(now, measured)
    chosen = str(options.get("compare_with") or "")
    if chosen:
        then = next((known for known in past if known.run_id == chosen), None)
        why = f"run {chosen}, which the form names, is not in the history of {len(past)} earlier runs"
    else:
        then = last_comparable(now, past)
        why = "there is no earlier run with the same environment and load"
    if then is None:
        return Comparison(chosen=bool(chosen), why=why)
    earlier = history.numbers(then.run_id, with_counts=True).get(then.run_id, ())
    if not earlier:
        raise NoData(f"The history has no numbers of run {then.run_id}; this run is not compared.")
    return Comparison(
        baseline=then.run_id, baseline_started=then.started, chosen=bool(chosen), differences=differences(now, then),
        numbers=compare(measured, earlier, (run.id, then.run_id)),
    )  # fmt: skip


def _windows(record: Record) -> tuple[Window, ...]:
    """Return the parts of a run that can be compared: its smoke test, and every stage that was held."""
    found = []
    if "started" in record.smoke and "ended" in record.smoke:
        passed = any(item.id == "smoke.run" and item.verdict is Verdict.PASS for item in record.checks)
        found.append(
            Window(
                where="smoke", position=0, load=None, stable=passed, start=record.smoke["started"], end=record.smoke["ended"]
            )
        )  # fmt: skip
    found += [
        Window(
            where=f"stage {stage.number}", position=stage.number, load=stage.vus if stage.vus is not None else stage.rate,
            stable=stage.gate is not None and stage.gate.verdict is Verdict.PASS, start=stage.steady_from, end=stage.steady_to,
        )
        for stage in record.stages
        if stage.steady_from is not None and stage.steady_to is not None
    ]  # fmt: skip
    return tuple(found)


def _options(events: tuple[Event, ...]) -> dict[str, object]:
    opened = opening(events)
    assert opened is not None, "a record was folded from them"
    return {**opened.data.get("options", {}), "left_out": ", ".join(opened.data.get("left_out", ())) or "nothing"}


def _settings(run: Run, record: Record, options: dict[str, object]) -> dict[str, str]:
    """Return what has to be the same, and what is told when it is not: instance types, and the images."""
    profile = run.profile
    return {
        "environment": run.environment_name,
        "left out": str(options["left_out"]),
        "smoke script": str(profile.smoke.script),
        "ramp script": str(profile.ramp.script),
        "load scale": f"{profile.ramp.load_scale:g}",
        "time scale": f"{profile.ramp.time_scale:g}",
        "users": str(profile.users.count),
        "as the script runs": str(options.get("advance") == "continuous"),
        "instance types": record.facts.get("instance_types", "unknown"),
        "image tag": record.facts.get("image_tag", "unknown"),
    }


def _write_trends(history: History) -> Path:
    page = history.folder / "trend.html"
    part = page.with_suffix(".part")
    part.write_text(_TEMPLATES.get_template("trend.html.j2").render(groups=trends(history.runs(), history.numbers())))
    part.replace(page)
    return page
