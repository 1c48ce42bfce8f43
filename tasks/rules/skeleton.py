"""Filling the team's own report: every {{TBD}} is found by its heading, its row and its column."""

from __future__ import annotations

import re
from collections.abc import Callable

from blocks.models.record import EndpointNumbers, Record, Stage

TBD = "{{TBD}}"
_NAMED = re.compile(r"\{\{\s*stage\.(\d+)\.(\w+)\.(\w+)\s*\}\}")
_ENDPOINTS = {
    "sign in": "signin",
    "signin": "signin",
    "login": "signin",
    "bet": "bet",
    "dice": "bet",
    "history": "history",
    "ws": "ws",
    "websocket": "ws",
}
_QUANTILES = {
    "p50": "p50_ms", "median": "p50_ms", "p90": "p90_ms", "p95": "p95_ms", "95th percentile": "p95_ms", "p99": "p99_ms",
    "99th percentile": "p99_ms", "max": "max_ms",
}  # fmt: skip


def fill_skeleton(text: str, record: Record) -> tuple[str, tuple[str, ...]]:  # noqa: C901 - one pass over the lines, a case a kind of line
    """Fill a skeleton.

    Returns:
        The filled text, and where a field could not be matched: it stays visible as {{TBD}}. A field that is
        known but was not captured says so; nothing is invented.
    """
    heading = ""
    columns: list[str] = []
    lines: list[str] = []
    unmatched: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            heading, columns = _plain(line), []
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.lstrip().startswith("|") else []
        if cells and TBD not in line and not columns and not set(line) <= set("|-: "):
            columns = [_plain(cell) for cell in cells]
        if not cells:
            columns = []
        filled = _NAMED.sub(lambda match: _named(record, match), line)
        if TBD in filled and cells:
            row = _plain(cells[0])
            for index, cell in enumerate(cells):
                if TBD in cell:
                    column = columns[index] if index < len(columns) else ""
                    value = _value(record, heading, row, column)
                    if value is None:
                        unmatched.append(f"{heading}: {row} / {column}")
                    else:
                        cells[index] = cell.replace(TBD, value)
            filled = f"| {' | '.join(cells)} |"
        elif TBD in filled:
            value = _value(record, heading, _plain(filled.partition(TBD)[0]), "value")
            if value is None:
                unmatched.append(f"{heading}: {filled.strip()[:60]}")
            else:
                filled = filled.replace(TBD, value)
        lines.append(filled)
    return "\n".join(lines) + "\n", tuple(unmatched)


def _value(record: Record, heading: str, row: str, column: str) -> str | None:
    if "stage" in heading and (number := re.search(r"\d+", row)):
        return _stage_value(record, int(number[0]), column)
    if "smoke" in heading:
        return _smoke_value(record, row, column)
    for (section, label), read in _FIELDS.items():
        if section in heading and row.startswith(label):
            return read(record) or "not captured"
    return None


def _stage_value(record: Record, number: int, column: str) -> str | None:  # noqa: PLR0911 - a column a return
    stage = next((item for item in record.stages if item.number == number), None)
    if stage is None:
        return f"not captured: stage {number} was not reached"
    if column in {"vus", "virtual users", "users", "rate"}:
        return str(stage.vus if stage.vus is not None else stage.rate)
    if "gate" in column:
        return stage.gate.verdict.value if stage.gate else "not captured: the stage was not judged"
    if "success" in column:
        return (
            "not captured: no handshake" if stage.ws_handshake_success is None else f"{stage.ws_handshake_success:.2%}"
        )
    if "error" in column:
        return _error_rate(stage)
    if "cpu" in column:
        known = [item.cpu_percent for item in stage.sut if item.cpu_percent is not None]
        return f"{sum(known):.0f} %" if known else "not captured: docker stats gave nothing"
    if "memory" in column:
        sizes = [item.memory_bytes for item in stage.sut if item.memory_bytes is not None]
        return f"{sum(sizes) / 2**20:.0f} MiB" if sizes else "not captured: docker stats gave nothing"
    endpoint, quantile = (
        _endpoint_of(column),
        next((field for word, field in _QUANTILES.items() if word in column), None),
    )
    if endpoint and quantile:
        return _quantile(stage, endpoint, quantile)
    return None


def _smoke_value(record: Record, row: str, column: str) -> str | None:
    checks = {check.id: check for check in record.checks}
    wanted = {
        "sign in p95": "smoke.signin_p95", "bet p95": "smoke.bet_exception", "peak vus": "smoke.vus",
    }  # fmt: skip
    numbers: dict[str, str] = record.smoke.get("numbers", {})
    if column.startswith("verdict"):
        check = checks.get(wanted.get(row, "smoke.run"))
        return check.verdict.value if check else None
    if column.startswith(("observed", "value", "result")):
        return numbers.get(row, f"not captured: {checks['smoke.run'].detail}") if row in _SMOKE_ROWS else None
    return None


_SMOKE_ROWS = {"sign in p95", "bet p95", "history p95", "ws handshake p95", "error rate", "peak vus"}


def _named(record: Record, match: re.Match[str]) -> str:
    stage = next((item for item in record.stages if item.number == int(match[1])), None)
    if stage is None:
        return f"not captured: stage {match[1]} was not reached"
    item = _numbers(stage, match[2])
    if item is None or match[3] not in EndpointNumbers.model_fields:
        return match[0]
    value = getattr(item, match[3])
    return "not captured" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _quantile(stage: Stage, endpoint: str, field: str) -> str:
    item = _numbers(stage, endpoint)
    value = getattr(item, field) if item is not None else None
    return f"not captured: no sample of {endpoint}" if value is None else f"{value:.0f} ms"


def _error_rate(stage: Stage) -> str:
    known = [
        (item.error_rate, item.requests) for item in stage.endpoints if item.error_rate is not None and item.requests
    ]
    total = sum(requests for _, requests in known)
    return f"{sum(rate * requests for rate, requests in known) / total:.2%}" if total else "not captured: no requests"


def _numbers(stage: Stage, endpoint: str) -> EndpointNumbers | None:
    return next((item for item in stage.endpoints if item.name == endpoint), None)


def _endpoint_of(text: str) -> str | None:
    return next((name for word, name in _ENDPOINTS.items() if re.search(rf"\b{word}\b", text)), None)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def _none_of(record: Record, value: str) -> str:
    return value if record.breaches else "none"


_FIELDS: dict[tuple[str, str], Callable[[Record], str]] = {
    ("summary", "date"): lambda record: record.started.date().isoformat(),
    ("summary", "run"): lambda record: record.run_id,
    ("summary", "environment"): lambda record: record.environment,
    ("summary", "verdict"): lambda record: record.verdict.value,
    ("summary", "reason for the ceiling"): lambda record: record.ceiling.reason,
    ("summary", "reason"): lambda record: record.reason,
    ("summary", "ceiling"): lambda record: (
        f"stage {record.ceiling.stage}, {record.ceiling.vus} VUs" if record.ceiling.stage else ""
    ),
    ("summary", "duration"): lambda record: (
        f"{(record.ended - record.started).total_seconds() / 60:.0f} min" if record.ended else ""
    ),
    ("environment", "region"): lambda record: record.facts.get("region", ""),
    ("environment", "sut instance type"): lambda record: record.facts.get("sut_instance_type", ""),
    ("environment", "loadgen instance type"): lambda record: record.facts.get("instance_types", ""),
    ("environment", "number of loadgens"): lambda record: record.facts.get("loadgens", ""),
    ("environment", "image tag"): lambda record: record.facts.get("image_tag", ""),
    ("environment", "k6 version"): lambda record: record.versions.get("k6", ""),
    ("environment", "load users seeded"): lambda record: record.facts.get("users", ""),
    ("environment", "terraform resources created"): lambda record: record.facts.get("resources", ""),
    ("breach", "rule"): lambda record: _none_of(record, record.breaches[0].rule if record.breaches else ""),
    ("breach", "observed"): lambda record: _none_of(record, record.breaches[0].observed if record.breaches else ""),
    ("breach", "limit"): lambda record: _none_of(record, record.breaches[0].limit if record.breaches else ""),
    ("breach", "stage"): lambda record: _none_of(record, str(record.breaches[0].stage) if record.breaches else ""),
    ("breach", "time from"): lambda record: _none_of(record, _stop_seconds(record)),
    ("breach", "cause"): lambda record: "none" if not record.breaches else "not captured: triage is not implemented",
    ("breach", "decision"): lambda record: _none_of(record, record.decisions[-1].answer if record.decisions else ""),
    ("breach", "decided by"): lambda record: _none_of(record, record.decisions[-1].by if record.decisions else ""),
    ("traces", "slowest"): lambda record: _trace(record, "slowest"),
    ("traces", "failed"): lambda record: _trace(record, "failed") or "none: no request failed",
    ("cost", "estimated"): lambda record: (
        f"{record.cost.estimated_usd}" if record.cost.estimated_usd is not None else "not captured: not estimated"
    ),
    ("cost", "actual"): lambda record: (
        f"{record.cost.actual_usd}" if record.cost.actual_usd is not None else "not captured: known after 24 h"
    ),
    ("teardown", "resources destroyed"): lambda record: str(record.teardown.destroyed) if record.teardown else "",
    ("teardown", "registries"): lambda record: str(len(record.teardown.ecr_deleted)) if record.teardown else "",
    ("teardown", "left over"): lambda record: (
        (", ".join(record.teardown.leftover) or "nothing") if record.teardown else ""
    ),
    ("teardown", "duration"): lambda record: (
        f"{record.teardown.seconds:.0f} s" if record.teardown and record.teardown.seconds else ""
    ),
    ("sign off", "approved by"): lambda record: record.decisions[-1].by if record.decisions else "",
    ("sign off", "date"): lambda record: (record.ended or record.started).date().isoformat(),
}


def _stop_seconds(record: Record) -> str:
    breach = record.breaches[0] if record.breaches else None
    if breach is None or breach.stopped is None:
        return ""
    return f"{(breach.stopped - breach.detected).total_seconds():.1f} s"


def _trace(record: Record, why: str) -> str:
    return next((item.id for stage in record.stages for item in stage.trace_ids if item.why.startswith(why)), "")


def has_fields(text: str) -> bool:
    """Say whether a text has a field to fill."""
    return "{{" in text
