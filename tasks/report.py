"""The report: record.json, the team's filled skeleton, report.md and one self-contained report.html."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from blocks.models.errors import Refused
from blocks.models.record import Record, Stage
from blocks.models.verdict import failed, passed
from tasks.checks import check
from tasks.clients.charts import Curve, draw_stages
from tasks.clients.journal import Journal
from tasks.comparison import compare_run
from tasks.cost import schedule_cost_check
from tasks.evidence import write_manifest
from tasks.rules.record import fold, unimplemented
from tasks.rules.skeleton import fill_skeleton
from tasks.run import Run

_TEMPLATES = Environment(
    loader=PackageLoader("tasks"),
    undefined=StrictUndefined,
    autoescape=select_autoescape(["html.j2", "html"]),
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENDPOINTS = (("signin", "sign-in"), ("bet", "bet"), ("history", "history"), ("ws", "WS handshake"))
_SKELETON = Path("docs") / "performance-test-report.md"
# The limit drawn into the plot of p95: the checklist's abort criterion for sign-in.
_SIGNIN_LIMIT_MS = 500.0


def write_report(run: Run) -> Path:
    """Fill the team's report, close the journal, and render everything; returns report.html."""
    skeleton = run.environment.checkout / _SKELETON
    with check(run, "report.filled", needed=False) as checking:
        if not skeleton.is_file():
            raise Refused(f"The checkout has no {_SKELETON}; add the team's skeleton with {{{{TBD}}}} fields.")
        text, unmatched = fill_skeleton(skeleton.read_text(), run.record())
        file = run.evidence / "performance-test-report.md"
        file.write_text(text)
        if unmatched:
            checking.judge(failed(f"{len(unmatched)} fields could not be matched: {'; '.join(unmatched[:5])}."), file)
        else:
            checking.judge(passed("every {{TBD}} is replaced"), file)
    compare_run(run)
    schedule_cost_check(run)
    run.journal.append("report", "run_closed")
    # Once more, now that the run is closed: its end and verdict belong into the text.
    return amend_report(run)


def amend_report(run: Run) -> Path:
    """Write everything again from the journal as it is now; returns report.html."""
    skeleton = run.environment.checkout / _SKELETON
    if skeleton.is_file():
        (run.evidence / "performance-test-report.md").write_text(fill_skeleton(skeleton.read_text(), run.record())[0])
    write_manifest(run)
    return render_run(run.folder)


def render_run(folder: Path) -> Path:
    """Render a run's report from its journal and evidence alone, the same bytes each time; returns report.html.

    Raises:
        Refused: the folder holds no journal.
    """
    journal = folder / "journal.jsonl"
    if not journal.is_file():
        raise Refused(f"{folder} holds no journal.jsonl; wanted is the folder of a run, such as runs/latest.")
    events, unreadable = Journal(journal).read()
    record = fold(events, unreadable)
    _write(
        folder / "record.json",
        json.dumps(record.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n",
    )
    context = {
        "record": record,
        "unimplemented": unimplemented(record),
        "endpoints": _ENDPOINTS,
        "numbers": _numbers,
        "errors": _errors,
    }
    _write(folder / "report.md", _TEMPLATES.get_template("report.md.j2").render(**context))
    page = folder / "report.html"
    plots = _plots(record)
    pictures = _pictures(folder, record)
    _write(page, _TEMPLATES.get_template("report.html.j2").render(**context, plots=plots, pictures=pictures))
    return page


def _plots(record: Record) -> list[dict[str, str]]:
    stages = [stage for stage in record.stages if stage.endpoints]
    if not stages:
        return []
    labels = [f"{stage.number}\n{stage.vus or stage.rate}" for stage in stages]

    def curve(endpoint: str, name: str) -> Curve:
        return Curve(name, [_numbers(stage).get(endpoint, {}).get("p95_ms") for stage in stages])

    containers = sorted({item.container for stage in stages for item in stage.sut})
    used = [
        Curve(
            name, [next((item.cpu_percent for item in stage.sut if item.container == name), None) for stage in stages]
        )
        for name in containers
    ]
    plots = [
        (
            "p95 per endpoint and stage",
            "ms",
            [curve(*item) for item in _ENDPOINTS],
            ("sign-in limit 500 ms", _SIGNIN_LIMIT_MS),
        ),
        (
            "Errors per stage",
            "%",
            [Curve("errors", [None if (rate := _errors(stage)) is None else rate * 100 for stage in stages])],
            ("limit 5 %", 5.0),
        ),
        ("CPU per container and stage (100 % = one core)", "%", used, None),
    ]
    return [
        {"title": title, "svg": draw_stages(title, unit, labels, curves, limit)} for title, unit, curves, limit in plots
    ]


def _pictures(folder: Path, record: Record) -> list[dict[str, str]]:
    """Inline the last stage's picture; the others are linked, so that the page stays small."""
    found = [(stage.number, folder / stage.screenshot) for stage in record.stages if stage.screenshot]
    return [
        {
            "stage": str(number),
            "href": str(file.relative_to(folder)),
            "data": base64.b64encode(file.read_bytes()).decode() if number == found[-1][0] and file.is_file() else "",
        }
        for number, file in found
    ]


def _numbers(stage: Stage) -> dict[str, dict[str, Any]]:
    return {item.name: item.model_dump() for item in stage.endpoints}


def _errors(stage: Stage) -> float | None:
    known = [
        (item.error_rate, item.requests) for item in stage.endpoints if item.error_rate is not None and item.requests
    ]
    total = sum(requests for _, requests in known)
    return sum(rate * requests for rate, requests in known) / total if total else None


def _write(file: Path, text: str) -> None:
    part = file.with_name(file.name + ".part")
    part.write_text(text)
    part.replace(file)
