"""The report: record.json, the team's filled skeleton, report.md and one self-contained report.html."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from blocks.models.checklist import PHASES
from blocks.models.errors import Failed, Refused
from blocks.models.record import Limit, Record, Stage
from blocks.models.verdict import Judgement, Verdict, failed, passed
from tasks.checks import check
from tasks.clients.charts import Curve, Mark, Moments, draw_over_stages, draw_over_time, is_near
from tasks.clients.journal import Journal
from tasks.clients.pictures import Thumbnail, thumbnails
from tasks.comparison import compare_run
from tasks.cost import schedule_cost_check
from tasks.evidence import write_manifest
from tasks.rules import series, summary
from tasks.rules.guard import shown as in_its_unit
from tasks.rules.record import fold, unimplemented
from tasks.rules.skeleton import fill_skeleton, has_fields
from tasks.run import Run

_TEMPLATES = Environment(
    loader=PackageLoader("tasks"),
    undefined=StrictUndefined,
    autoescape=select_autoescape(["html.j2", "html"]),
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_SKELETON = Path("docs") / "performance-test-report.md"
_FILLED = Path("evidence") / "performance-test-report.md"
_KEPT = Path("evidence") / "performance-test-report.skeleton.md"
_MIB = 2**20
# More lines than colours that can be told apart are no plot.
_MOST_CURVES = 8


@dataclass(frozen=True)
class Plot:
    """A plot of the page, or why there is none."""

    title: str
    unit: str
    svg: str = ""
    missing: str = ""
    note: str = ""


def write_report(run: Run) -> Path:
    """Fill the team's report, close the journal, and render everything; returns report.html.

    Raises:
        Failed: something could not be written; what could be is there.
    """
    problems = [
        problem
        for step in (
            lambda: _check_filled(run),
            lambda: compare_run(run),
            lambda: schedule_cost_check(run),
            lambda: run.journal.append("report", "run_closed"),
        )
        for problem in _tried(step)
    ]
    return _render(run, problems)


def render_again(run: Run) -> Path:
    """Render a run's report as its journal is now, without a line in it; returns report.html.

    Raises:
        Failed: something could not be written; what could be is there.
    """
    return _render(run, [])


def render_run(folder: Path) -> Path:
    """Render a run's report from its journal and evidence alone, the same bytes each time; returns report.html.

    Each page is written even when another one cannot be; where there is no room for pictures, without them.

    Raises:
        Refused: the folder holds no journal.
        Failed: a file could not be written, for example because the disk is full.
    """
    journal = folder / "journal.jsonl"
    if not journal.is_file():
        raise Refused(f"{folder} holds no journal.jsonl; wanted is the folder of a run, such as runs/latest.")
    events, unreadable = Journal(journal).read()
    record = fold(events, unreadable)
    context = _context(folder, record)
    page = folder / "report.html"
    problems = _write(folder / "record.json", _json(record))
    problems += _write(folder / "report.md", _TEMPLATES.get_template("report.md.j2").render(**context))
    html = _TEMPLATES.get_template("report.html.j2")
    drawn = _drawn(folder, record)
    if full := _write(page, html.render(**context, **drawn)):
        problems += full
        bare = [(stage, Thumbnail(missing=full[0])) for stage, _ in drawn["pictures"]]
        _write(page, html.render(**context, **{**drawn, "pictures": bare}))
    if problems:
        raise Failed(f"{'; '.join(problems)}. Make room, then run: python -m flows.report {folder}")
    return page


def _render(run: Run, problems: list[str]) -> Path:
    problems += _tried(lambda: _fill(run.folder, run.record()))
    filled, skeleton = run.folder / _FILLED, run.environment.checkout / _SKELETON
    if run.environment.fill_team_report and filled.is_file():
        problems += _tried(lambda: shutil.copyfile(filled, skeleton))
    problems += _tried(lambda: write_manifest(run))
    page = render_run(run.folder)
    if problems:
        raise Failed(f"{'; '.join(problems)}. Make room, then start the deployment report with run id {run.id}.")
    return page


def _tried(action: Callable[[], object]) -> list[str]:
    """Do what may fail for want of room; returns why it did."""
    try:
        action()
    except OSError as error:
        return [f"{Path(str(error.filename or 'a file')).name} could not be written: {error.strerror or error}"]
    return []


def _check_filled(run: Run) -> None:
    with check(run, "report.filled", needed=False) as checking:
        judgement = _fill_first(run)
        checking.judge(judgement, *(file for file in [run.folder / _FILLED] if file.is_file()))


def _fill_first(run: Run) -> Judgement:
    """Keep the team's skeleton beside the evidence, so that it can be filled again, and fill it."""
    skeleton = run.environment.checkout / _SKELETON
    if not skeleton.is_file():
        raise Refused(f"The checkout has no {_SKELETON}; add the team's skeleton with {{{{TBD}}}} fields.")
    try:
        text = skeleton.read_text()
        if not has_fields(text):
            raise Refused(f"{_SKELETON} has no field such as {{{{TBD}}}}; was it filled before? Restore it from git.")
        (run.folder / _KEPT).write_text(text)
        left = _fill(run.folder, run.record())
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(f"The team's report could not be written: {error}; make room and render it again.") from error
    if left:
        return failed(f"{len(left)} fields could not be matched and stay as they are: {'; '.join(left)}.")
    return passed("every field is replaced")


def _fill(folder: Path, record: Record) -> tuple[str, ...]:
    """Fill the kept skeleton; returns where a field is left over."""
    kept = folder / _KEPT
    if not kept.is_file():
        return ()
    text, left = fill_skeleton(kept.read_text(), record)
    (folder / _FILLED).write_text(text)
    return left


def _context(folder: Path, record: Record) -> dict[str, Any]:
    """Return what both pages are made of."""
    counts = {
        phase: [check for check in record.checks if check.phase == phase and check.implemented] for phase in PHASES
    }
    return {
        "record": record,
        "unimplemented": unimplemented(record),
        "endpoints": summary.ENDPOINTS,
        "headline": summary.headline(record),
        "ended": summary.how_it_ended(record),
        "steps": summary.next_steps(record),
        "tiles": summary.tiles(record),
        "phases": [
            (
                phase,
                [check for check in record.checks if check.phase == phase],
                sum(check.verdict is Verdict.PASS for check in counts[phase]),
                len(counts[phase]),
            )
            for phase in PHASES
        ],
        "load_of": summary.load_of,
        "in_its_unit": in_its_unit,
        "numbers_of": summary.numbers_of,
        "error_rate_of": summary.error_rate_of,
        "is_over": lambda metric, scope, value: summary.is_over(record, metric, scope, value),
        "why": lambda stage, *what: summary.why_missing(record, stage, *what),
        "span": summary.span,
        "seconds_text": summary.seconds_text,
        "hottest": _hottest,
        "trace_link": lambda id_: _trace_link(record, id_),
        "has_file": lambda name: (folder / name).is_file(),
    }


def _drawn(folder: Path, record: Record) -> dict[str, Any]:
    """Return the page's plots and pictures."""
    shown = [stage for stage in record.stages if stage.screenshot]
    pictures = thumbnails([folder / str(stage.screenshot) for stage in shown])
    by_stage = {stage.number: picture for stage, picture in zip(shown, pictures, strict=True)}
    return {
        "over_time": [_over_time(folder, record, *family) for family in _FAMILIES],
        "over_stages": _over_stages(record),
        "pictures": [(stage, by_stage.get(stage.number, Thumbnail())) for stage in record.stages],
    }


def _percent(value: float) -> float:
    return value * 100


def _mib(value: float) -> float:
    return value / _MIB


def _same(value: float) -> float:
    return value


# Family of series, title of its plot, unit, how a value is shown, metric and scope of the limit that is drawn.
_FAMILIES: tuple[tuple[str, str, str, Callable[[float], float], tuple[str, str] | None], ...] = (
    ("p95", "p95 per endpoint", "ms", _same, ("p95_ms", "signin")),
    ("vus", "Virtual users", "VUs", _same, None),
    ("error_rate", "Error rate", "%", _percent, ("error_rate", "")),
    ("ws_success", "Accepted WebSocket handshakes", "%", _percent, ("ws_handshake_success", "")),
    ("request_rate", "Requests per second", "1/s", _same, None),
    ("cpu", "CPU per container", "% of its limit", _percent, ("container_cpu_ratio", "")),
    ("memory", "Memory per container", "MiB", _mib, None),
    ("queues", "Waiting jobs per queue", "jobs", _same, ("queue_depth", "")),
)
_NAMES = dict(summary.ENDPOINTS)


def _over_time(  # noqa: PLR0913, PLR0917 - a row of the table above
    folder: Path,
    record: Record,
    name: str,
    title: str,
    unit: str,
    shown: Callable[[float], float],
    limited: tuple[str, str] | None,
) -> Plot:
    try:
        curves = _kept(folder, record, name)
    except ValueError as error:
        return Plot(title, unit, missing=str(error))
    lines, note = _most(curves.lines)
    drawn = [
        Curve(_NAMES.get(line, line), [None if value is None else shown(value) for value in values])
        for line, values in lines.items()
    ]
    rule = summary.limit_of(record, *limited) if limited else None
    limit = shown(rule.limit) if rule else None
    svg = draw_over_time(curves.times(), drawn, limit, _moments(record, curves.start))
    return Plot(title, unit, svg, note="; ".join(part for part in (_limit_note(rule, limit, drawn), note) if part))


def _limit_note(rule: Limit | None, limit: float | None, curves: Sequence[Curve]) -> str:
    if rule is None or limit is None:
        return ""
    return f"{rule.name} limit {limit:g}" + (", dashed" if is_near(curves, limit) else ", far above")


def _kept(folder: Path, record: Record, name: str) -> series.Curves:
    """Read a family of lines, when the file is the one that was journaled.

    Raises:
        ValueError: it is not there, or another one; with the reason.
    """
    known = next((item for item in record.series if item.name == name), None)
    if known is None:
        raise ValueError("the run ended before its series were kept" if record.stages else "there was no load")
    if known.file is None:
        raise ValueError(known.not_captured)
    try:
        content = (folder / known.file).read_bytes()
    except OSError:
        raise ValueError(f"{known.file} is not in the evidence") from None
    if hashlib.sha256(content).hexdigest() != known.sha256:
        raise ValueError(f"{known.file} is not the file that was journaled: its SHA-256 differs")
    return series.read(content.decode())


def _most(lines: Mapping[str, tuple[float | None, ...]]) -> tuple[dict[str, tuple[float | None, ...]], str]:
    """Choose the lines with the highest values when there are too many, and say so."""
    if len(lines) <= _MOST_CURVES:
        return {name: lines[name] for name in sorted(lines, key=_place)}, ""
    ranked = sorted(lines, key=lambda name: (-max((value or 0.0 for value in lines[name]), default=0.0), name))
    chosen = sorted(ranked[:_MOST_CURVES])
    return {name: lines[name] for name in chosen}, f"the highest {_MOST_CURVES} of {len(lines)} are shown"


def _place(line: str) -> tuple[int, str]:
    """Order endpoints as everywhere, other lines by name: a colour means the same in every plot."""
    known = list(_NAMES)
    return (known.index(line) if line in known else len(known), line)


def _moments(record: Record, start: datetime) -> Moments:
    def second(at: datetime) -> float:
        return (at - start).total_seconds()

    stages = []
    # Without a ramp there is no stage, and nothing follows it.
    for stage, later in zip(record.stages, [*record.stages[1:], None], strict=False):
        stopped = next((item.stopped or item.detected for item in record.breaches if item.stage == stage.number), None)
        end = stage.ended or stopped or (later.started if later else stage.steady_to)
        stages.append((str(stage.number), second(stage.started), second(end or stage.started)))
    marks = [
        Mark("pass" if stage.gate.verdict is Verdict.PASS else "fail", second(stage.steady_to))
        for stage in record.stages
        if stage.gate and stage.steady_to
    ]
    first, last = (stages[0][1], stages[-1][2]) if stages else (0.0, 0.0)
    marks += [
        Mark("approval", second(item.answered))
        for item in record.decisions
        if item.answered and first <= second(item.answered) <= last + 1
    ]
    marks += [Mark("breach", second(item.detected)) for item in record.breaches]
    return Moments(stages, marks)


def _over_stages(record: Record) -> list[Plot]:
    stages = [stage for stage in record.stages if stage.endpoints]
    if not stages:
        return []
    labels = [f"{stage.number}\n{_short_load(stage)}" for stage in stages]

    def curve(endpoint: str, name: str) -> Curve:
        found = [summary.numbers_of(stage, endpoint) for stage in stages]
        return Curve(name, [item.p95_ms if item else None for item in found])

    rates = [summary.error_rate_of(stage) for stage in stages]
    p95 = [curve(*item) for item in summary.ENDPOINTS]
    errors = [Curve("errors", [None if rate is None else rate * 100 for rate in rates])]
    p95_rule, error_rule = summary.limit_of(record, "p95_ms", "signin"), summary.limit_of(record, "error_rate")
    p95_limit = p95_rule.limit if p95_rule else None
    error_limit = error_rule.limit * 100 if error_rule else None
    return [
        Plot(
            "p95 per stage",
            "ms, exact",
            draw_over_stages(labels, p95, p95_limit),
            note=_limit_note(p95_rule, p95_limit, p95),
        ),
        Plot(
            "Error rate per stage",
            "%, exact",
            draw_over_stages(labels, errors, error_limit),
            note=_limit_note(error_rule, error_limit, errors),
        ),
    ]


def _short_load(stage: Stage) -> str:
    amount = stage.vus if stage.vus is not None else stage.rate
    return "" if amount is None else f"{amount:g}"


def _hottest(stage: Stage) -> str:
    """Return the container that used the most CPU at a stage's end."""
    known = [(item.cpu_percent, item.container) for item in stage.sut if item.cpu_percent is not None]
    if not known:
        return ""
    percent, name = max(known)
    return f"{name} {percent:.0f} %"


def _trace_link(record: Record, trace_id: str) -> str:
    """Return the address of a trace's page beside the search that was linked; empty when no Jaeger is known."""
    search = record.links.get("Jaeger search", "")
    if not search:
        return ""
    parts = urlsplit(search)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rpartition('/search')[0]}/trace/{trace_id}"


def _json(record: Record) -> str:
    return json.dumps(record.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _write(file: Path, text: str) -> list[str]:
    """Write a file in one step; returns why it could not be."""
    part = file.with_name(file.name + ".part")
    try:
        part.write_text(text)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        return [f"{file.name} could not be written: {error.strerror or error}"]
    return []
