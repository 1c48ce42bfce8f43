"""Filling the team's own report: a field is found by its heading, its row and its column, or by its label.

``{{TBD}}`` stands for what its place says. ``{{stage.3.signin.p95_ms}}`` names its number itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from blocks.models.record import Breach, EndpointNumbers, Record, Stage
from tasks.rules import summary

TBD = "{{TBD}}"
_FIELD = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_NAMED = re.compile(r"stage\.(\d+)\.(?:(\w+)\.)?(\w+)")
_DELIMITER = re.compile(r"^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
_BAR = re.compile(r"(?<!\\)\|")
_STAGE = re.compile(r"\b(?:stage|step|level) (\d+)\b")

_ENDPOINTS = (
    ("ws", r"\b(ws|web ?sockets?|handshakes?)\b"),
    ("history", r"\bhistory\b"),
    ("signin", r"\b(sign ?in|log ?in|auth(entication)?)\b"),
    ("bet", r"\b(bets?|dice)\b"),
)
_QUANTILES = (
    ("p50_ms", r"\b(p ?50|50th|50 percentile|median|med)\b"),
    ("p90_ms", r"\b(p ?90|90th|90 percentile)\b"),
    ("p95_ms", r"\b(p ?95|95th|95 percentile)\b"),
    ("p99_ms", r"\b(p ?99|99th|99 percentile)\b"),
    ("max_ms", r"\b(max(imum)?|slowest)\b"),
)
_SCALARS = ("vus", "rate", "ws_handshake_success")


@dataclass(frozen=True)
class Place:
    """Where a field stands; plain lower-case words."""

    heading: str
    row: str
    column: str
    beside: str = ""
    """The other cells of its row."""

    @property
    def words(self) -> str:
        """Everything that may say what is meant."""
        return f"{self.row} {self.column} {self.beside}"

    def __str__(self) -> str:
        return f"{self.heading}: {self.row}" + (f" / {self.column}" if self.column else "")


def fill_skeleton(text: str, record: Record) -> tuple[str, tuple[str, ...]]:
    """Fill a skeleton.

    Returns:
        The filled text, and where a field could not be matched: it stays as it is. A field that is known but was not
        captured says so, and why; nothing is invented. Everything else stays byte for byte.
    """
    lines = text.splitlines(keepends=True)
    heading, columns, left = "", list[str](), list[str]()
    for index, line in enumerate(lines):
        if line.startswith("#"):
            heading, columns = _plain(line), []
        if not _BAR.search(line):
            columns = []
        elif index + 1 < len(lines) and "|" in lines[index + 1] and _DELIMITER.match(lines[index + 1]):
            columns = [_plain(cell) for cell in _cells(line)]
        if _FIELD.search(line):
            lines[index] = (
                _fill_row(record, line, heading, columns, left) if columns else _fill_line(record, line, heading, left)
            )
    return "".join(lines), tuple(left)


def has_fields(text: str) -> bool:
    """Say whether a text has a field to fill."""
    return _FIELD.search(text) is not None


def _fill_row(record: Record, line: str, heading: str, columns: list[str], left: list[str]) -> str:
    """Fill the fields of a table's row; the space around them stays."""
    parts = _BAR.split(line)
    first = 1 if line.lstrip().startswith("|") else 0
    told = [_plain(_FIELD.sub("", part)) for part in parts[first:]]
    for index in range(first, len(parts)):
        column = columns[index - first] if index - first < len(columns) else ""
        beside = " ".join(words for at, words in enumerate(told) if at not in {0, index - first})
        place = Place(heading, told[0], column, beside)
        parts[index] = _FIELD.sub(lambda match, at=place: _filled(record, match, at, left, cell=True), parts[index])
    return "|".join(parts)


def _fill_line(record: Record, line: str, heading: str, left: list[str]) -> str:
    """Fill the fields of a line of text: each is named by the words before it."""
    done, end = "", 0
    for match in _FIELD.finditer(line):
        label = _plain(line[end : match.start()]) or _plain(line[match.end() :])
        done += line[end : match.start()] + _filled(record, match, Place(heading, label, ""), left, cell=False)
        end = match.end()
    return done + line[end:]


def _filled(record: Record, match: re.Match[str], place: Place, left: list[str], *, cell: bool) -> str:
    name = match[1]
    value = _value(record, place) if name == "TBD" else _named(record, name)
    if value is None:
        left.append(str(place) if name == "TBD" else match[0])
        return match[0]
    value = " ".join(value.split())
    return value.replace("|", "\\|") if cell else value


def _value(record: Record, place: Place) -> str | None:
    number = _stage_number(place)
    if number is not None:
        return _stage_value(record, number, place)
    if "smoke" in place.heading:
        return _smoke_value(record, place)
    sections = [name for name, words in _SECTIONS if re.search(words, place.heading)]
    known = [
        (section, read)
        for section, label, read in _FIELDS
        if re.search(rf"^({label})\b", place.row) and (not sections or section in sections)
    ]
    if not known or (not sections and len({section for section, _ in known}) > 1):
        return None
    return known[0][1](record) or f"not captured: {_why(record)}"


def _stage_number(place: Place) -> int | None:
    """Return the stage that a row, a column, a label or a heading is about."""
    for words in (place.row, place.column, place.heading):
        if found := _STAGE.search(words):
            return int(found[1])
    # "Stages" as a heading, and rows that are only a number.
    if "stage" in place.heading and (alone := re.match(r"^(\d+)$", place.row)):
        return int(alone[1])
    return None


def _stage_value(record: Record, number: int, place: Place) -> str | None:
    stage = summary.stage_of(record, number)
    words = _STAGE.sub("", place.words)
    # What stands in the field's own column or label says more than the cells beside it.
    own = _STAGE.sub("", f"{place.column} {place.row}")
    read = _stage_reader(own, words)
    if read is None:
        return None
    if stage is None:
        return f"not captured: stage {number} was not reached" + (
            f" ({_why(record)})" if record.unfinished is not None else ""
        )
    value = read(stage)
    return value or f"not captured: {summary.why_missing(record, stage, 'numbers', 'summary')}"


def _stage_reader(own: str, words: str) -> Callable[[Stage], str] | None:
    endpoint = _first(_ENDPOINTS, own) or _first(_ENDPOINTS, words)
    quantile = _first(_QUANTILES, own)
    if endpoint and quantile:
        unit = "" if re.search(r"\bms\b", own) else " ms"
        return lambda stage: _endpoint(stage, endpoint, quantile, f"{{:.0f}}{unit}")
    for pattern, of_endpoint, read in _STAGE_FIELDS:
        if re.search(pattern, own):
            if endpoint and of_endpoint:
                field, form = of_endpoint
                return lambda stage: _endpoint(stage, endpoint, field, form)
            return read
    return None


def _smoke_value(record: Record, place: Place) -> str | None:
    checks = {check.id: check for check in record.checks}
    numbers: dict[str, str] = record.smoke.get("numbers", {})
    endpoint, quantile = _first(_ENDPOINTS, place.row), _first(_QUANTILES, place.row)
    if endpoint and quantile == "p95_ms":
        row = {"signin": "sign in p95", "bet": "bet p95", "history": "history p95", "ws": "ws handshake p95"}[endpoint]
    elif re.search(r"\berrors?\b", place.row):
        row = "error rate"
    elif re.search(r"\b(vus?|virtual users|users)\b", place.row):
        row = "peak vus"
    else:
        row = ""
    if re.search(r"\bverdict\b|\bstatus\b|\bpass\b", place.column or place.row):
        wanted = {"sign in p95": "smoke.signin_p95", "bet p95": "smoke.bet_exception", "peak vus": "smoke.vus"}
        return checks[wanted.get(row, "smoke.run")].verdict.value
    if row and (not place.column or re.search(r"\b(observed|values?|results?|measured|actual)\b", place.column)):
        return numbers.get(row, f"not captured: {checks['smoke.run'].detail}")
    return None


def _named(record: Record, name: str) -> str | None:
    found = _NAMED.fullmatch(name)
    if found is None:
        return None
    number, endpoint, field = int(found[1]), found[2], found[3]
    known = dict(summary.ENDPOINTS)
    if endpoint is None and field not in _SCALARS:
        return None
    if endpoint is not None and (endpoint not in known or field not in EndpointNumbers.model_fields or field == "name"):
        return None
    stage = summary.stage_of(record, number)
    if stage is None:
        return f"not captured: stage {number} was not reached"
    holder = stage if endpoint is None else summary.numbers_of(stage, endpoint)
    value = getattr(holder, field, None)
    if value is None:
        return f"not captured: {summary.why_missing(record, stage, 'numbers', 'summary')}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _endpoint(stage: Stage, endpoint: str, field: str, form: str) -> str:
    item = summary.numbers_of(stage, endpoint)
    value = getattr(item, field) if item is not None else None
    return "" if value is None else form.format(value)


def _sum(stage: Stage, field: str, divisor: float, unit: str) -> str:
    known = [value for item in stage.sut if (value := getattr(item, field)) is not None]
    return f"{sum(known) / divisor:.0f} {unit}" if known else ""


def _why(record: Record) -> str:
    if record.unfinished is not None:
        return f"the run ended in its {record.unfinished.phase} phase"
    return "the run did not note it" if record.ended else "the run has not ended"


def _first(table: tuple[tuple[str, str], ...], words: str) -> str:
    return next((name for name, pattern in table if re.search(pattern, words)), "")


def _cells(line: str) -> list[str]:
    return _BAR.split(line.strip().removeprefix("|").removesuffix("|"))


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def _of_breach(read: Callable[[Record, Breach], str]) -> Callable[[Record], str]:
    """Say none where nothing was crossed: that is known, not missing."""
    return lambda record: read(record, record.breaches[-1]) if record.breaches else "none"


def _cause(breach: Breach) -> str:
    matched = [row for row in breach.triage if row.matched]
    if matched:
        return f"{matched[0].row}: {matched[0].cause}" if matched[0].cause else matched[0].row
    return "unknown: no row matched" if breach.triage else ""


def _trace(record: Record, why: str) -> str:
    return next((item.id for stage in record.stages for item in stage.trace_ids if item.why.startswith(why)), "")


def _cost(value: float | None, otherwise: str) -> str:
    return f"{value:.2f}" if value is not None else f"not captured: {otherwise}"


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def _last_person(record: Record) -> str:
    return record.decisions[-1].by if record.decisions else ""


def _share(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2%}"


def _load(stage: Stage) -> str:
    amount = stage.vus if stage.vus is not None else stage.rate
    return "" if amount is None else f"{amount:g}"


# What names a column of a stage; the number of an endpoint and its form, when one is named too; else that of the stage.
_STAGE_FIELDS: tuple[tuple[str, tuple[str, str] | None, Callable[[Stage], str]], ...] = (
    (r"\b(success|accepted)\b", None, lambda stage: _share(stage.ws_handshake_success)),
    (r"\b(errors?|fail(ed|ures?)?)\b", ("error_rate", "{:.2%}"), lambda stage: _share(summary.error_rate_of(stage))),
    (
        r"\b(requests?|samples?)\b", ("requests", "{}"),
        lambda stage: str(sum(item.requests or 0 for item in stage.endpoints) or ""),
    ),
    (r"\b(gate|stable|verdict|result|status)\b", None, lambda stage: stage.gate.verdict.value if stage.gate else ""),
    (r"\bcpu\b", None, lambda stage: _sum(stage, "cpu_percent", 1, "%")),
    (r"\b(memory|ram)\b", None, lambda stage: _sum(stage, "memory_bytes", 2**20, "MiB")),
    (
        r"\b(queues?|jobs)\b", None,
        lambda stage: ", ".join(f"{name} {depth:g}" for name, depth in sorted(stage.queues.items())),
    ),
    (r"\b(vus?|virtual users|users|load|rate)\b", None, _load),
)  # fmt: skip
_SECTIONS = (
    ("summary", r"\b(summary|overview|outcome|results?|general|conclusion)\b"),
    ("environment", r"\b(environment|set ?up|infrastructure|test ?bed|configuration)\b"),
    ("breach", r"\b(breach(es)?|triage|abort|incident|findings)\b"),
    ("traces", r"\btraces?\b"),
    ("cost", r"\bcosts?\b"),
    ("teardown", r"\b(tear ?down|clean ?up)\b"),
    ("sign off", r"\b(sign off|approvals?|signatures?)\b"),
)
_FIELDS: tuple[tuple[str, str, Callable[[Record], str]], ...] = (
    ("summary", r"(test )?date|day", lambda record: record.started.date().isoformat()),
    ("summary", r"(test )?run( id)?", lambda record: record.run_id),
    ("summary", r"environment", lambda record: record.environment),
    ("summary", r"(overall )?(verdict|result|outcome|status)", lambda record: record.verdict.value),
    ("summary", r"reason for the ceiling|why (the )?ceiling|ceiling reason", lambda record: record.ceiling.reason),
    ("summary", r"reason|why", lambda record: record.reason),
    (
        "summary", r"ceiling|capacity|max(imum)? (stable )?(load|users|vus)|highest stable",
        lambda record: summary.ceiling_of(record) if record.ceiling.stage else "",
    ),
    ("summary", r"(total )?duration|took", lambda record: summary.span(record.started, record.ended) if record.ended else ""),
    ("environment", r"(aws )?region", lambda record: record.facts.get("region", "")),
    ("environment", r"sut( instance)?|system under test|server instance", lambda record: record.facts.get("sut_instance_type", "")),
    ("environment", r"(load ?gen(erator)?s?)( instance)?( type)?", lambda record: record.facts.get("instance_types", "")),
    ("environment", r"(number|count) of load ?gen(erator)?s", lambda record: record.facts.get("loadgens", "")),
    ("environment", r"image( tag)?|build|version of the system", lambda record: record.facts.get("image_tag", "")),
    ("environment", r"k6( version)?", lambda record: record.versions.get("k6", "")),
    ("environment", r"(load |test )?users( seeded)?|seeded users", lambda record: record.facts.get("users", "")),
    ("environment", r"(terraform )?resources( created)?", lambda record: record.facts.get("resources", "")),
    ("breach", r"rule|limit that was crossed|breached rule", _of_breach(lambda _, breach: breach.rule)),
    ("breach", r"observed|value|measured", _of_breach(lambda _, breach: breach.observed)),
    ("breach", r"limit|threshold", _of_breach(lambda _, breach: breach.limit)),
    ("breach", r"stage|at stage", _of_breach(lambda _, breach: str(breach.stage or "before the first stage"))),
    ("breach", r"time (from|to|until)|stopped after|load off after", _of_breach(
        lambda _, breach: f"{(breach.stopped - breach.detected).total_seconds():.1f} s" if breach.stopped else ""
    )),
    ("breach", r"(root )?cause|triage|row", _of_breach(lambda _, breach: _cause(breach))),
    ("breach", r"decided by|decision by", _of_breach(lambda record, _: _last_person(record))),
    ("breach", r"decision|action", _of_breach(lambda record, _: record.decisions[-1].answer if record.decisions else "")),
    ("traces", r"slow(est)?", lambda record: _trace(record, "slowest")),
    ("traces", r"fail(ed|ing)?|error", lambda record: _trace(record, "failed") or ("none: no failed request was traced" if record.stages else "")),
    ("cost", r"(cost )?estimate(d)?|expected", lambda record: _cost(record.cost.estimated_usd, "no estimate was made")),
    ("cost", r"(cost )?actual|real", lambda record: _cost(record.cost.actual_usd, "Cost Explorer knows it after a day")),
    ("teardown", r"(resources )?destroyed", lambda record: _count(record.teardown.destroyed) if record.teardown else ""),
    ("teardown", r"(image )?registries|ecr", lambda record: str(len(record.teardown.ecr_deleted)) if record.teardown else ""),
    ("teardown", r"left ?overs?|remaining", lambda record: (", ".join(record.teardown.leftover) or "nothing") if record.teardown else ""),
    ("teardown", r"duration|took|seconds", lambda record: (
        summary.seconds_text(record.teardown.seconds) if record.teardown and record.teardown.seconds is not None else ""
    )),
    ("sign off", r"approved|signed|name|by", _last_person),
    ("sign off", r"date|on", lambda record: (record.ended or record.started).date().isoformat()),
)  # fmt: skip
