"""What a reader wants to know first: how it went, why, and what to do next. All of it is read from the record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from blocks.models.record import Breach, Check, EndpointNumbers, Limit, Record, Stage, Unfinished
from blocks.models.verdict import Verdict
from tasks.rules.naming import name_some

ENDPOINTS: tuple[tuple[str, str], ...] = (
    ("signin", "Sign-in"), ("bet", "Bet"), ("history", "History"), ("ws", "WS handshake"),
)  # fmt: skip

_OPEN = {Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE}
_MOST_STEPS, _MOST_NAMED = 4, 4
_MINUTE_S = 60


@dataclass(frozen=True)
class Tile:
    """A key number of the first screen."""

    label: str
    value: str
    note: str = ""
    tone: Literal["", "good", "bad"] = ""


def headline(record: Record) -> str:
    """Return the one sentence after the verdict."""
    if record.unfinished is not None and ": Not reached" in record.reason:
        where = _where(record.unfinished)
        what = _died(record.unfinished) if record.ended else "did not get beyond"
        return f"The run {what} {where}."
    # A check's id stays as it is searched for.
    begins_with_id = any(record.reason.startswith(f"{check.id}:") for check in record.checks)
    reason = record.reason if begins_with_id else record.reason[:1].upper() + record.reason[1:]
    return reason if reason.endswith((".", "?", "!")) else f"{reason}."


def how_it_ended(record: Record) -> str:
    """Return where a run died, or how far it has come; empty when it ended as it should."""
    if record.unfinished is None:
        return "" if record.ended else "The journal does not say that the run ended: this is what was known by then."
    where = _where(record.unfinished)
    at = f"{record.unfinished.last_line:%H:%M:%S} UTC"
    if record.ended:
        return (
            f"It {_died(record.unfinished)} {where}: the last line of its {record.unfinished.phase} phase is of {at}. "
            "Numbers are those captured before."
        )
    return f"Its last line is of {at}, at {where}: it still runs, or died there. Numbers are those captured until then."


def _died(unfinished: Unfinished) -> str:
    return "was interrupted at" if unfinished.interrupted else "died at"


def _where(unfinished: Unfinished) -> str:
    if unfinished.stage:
        # The check that comes next is made when the ramp is over: a stage says more of where it was.
        return f"stage {unfinished.stage} of the ramp"
    return unfinished.check or f"the end of its {unfinished.phase} phase"


def load_of(stage: Stage) -> str:
    """Return the load of a stage with its unit."""
    if stage.vus is not None:
        return f"{stage.vus:,} VUs"
    return f"{stage.rate:,g} /s" if stage.rate is not None else "not captured"


def ceiling_of(record: Record) -> str:
    """Return the ceiling in words."""
    stage = record.ceiling.stage
    if not stage:
        return "none"
    held = stage_of(record, stage)
    load = f"{record.ceiling.vus:,} VUs" if record.ceiling.vus is not None else load_of(held) if held else ""
    return f"stage {stage}" + (f", {load}" if load else "")


def stage_of(record: Record, number: int | None) -> Stage | None:
    """Return a stage by its number."""
    return next((stage for stage in record.stages if stage.number == number), None)


def numbers_of(stage: Stage, endpoint: str) -> EndpointNumbers | None:
    """Return the numbers of an endpoint at a stage."""
    return next((item for item in stage.endpoints if item.name == endpoint), None)


def error_rate_of(stage: Stage) -> float | None:
    """Return failed of all requests of a stage, over its endpoints; None when no request was captured."""
    known = [
        (item.error_rate, item.requests) for item in stage.endpoints if item.error_rate is not None and item.requests
    ]
    total = sum(requests for _, requests in known)
    return sum(rate * requests for rate, requests in known) / total if total else None


def limit_of(record: Record, metric: str, scope: str = "") -> Limit | None:
    """Return the guard's limit of a metric: the strictest of those for the scope or for everything."""
    fitting = [rule for rule in record.limits if rule.metric == metric and rule.scope == scope]
    return min(fitting, key=lambda rule: rule.limit) if fitting else None


def is_over(record: Record, metric: str, scope: str, value: float | None) -> bool:
    """Say whether a value is on the wrong side of the guard's limit."""
    limit = limit_of(record, metric, scope) or limit_of(record, metric)
    if limit is None or value is None:
        return False
    return value < limit.limit if limit.operator == "<" else value > limit.limit


def why_missing(record: Record, stage: Stage, *what: str) -> str:
    """Say why something of a stage is not there, as far as it is known."""
    for name in what:
        if name in stage.not_captured:
            return stage.not_captured[name]
    if record.unfinished is not None and stage.steady_to is None:
        return f"the run ended in {record.unfinished.phase} before it"
    breach = next((item for item in record.breaches if item.stage == stage.number), None)
    if stage.gate is None and breach is not None:
        return f"the load was stopped ({breach.rule}) before the stage was judged"
    if stage.gate is None:
        return "the stage was not judged"
    if not any(check.phase == "collect" and check.started for check in record.checks):
        return "the evidence was not collected"
    return "nothing was found in what was collected"


def tiles(record: Record) -> tuple[Tile, ...]:
    """Return the key numbers of the first screen."""
    best = stage_of(record, record.ceiling.stage)
    found = [_ceiling(record)]
    if best is not None:
        found += [_signin(record, best), _errors(record, best)]
    found += [_stages(record), _breaches(record), _teardown(record), _cost(record)]
    return tuple(found)


def next_steps(record: Record) -> tuple[str, ...]:
    """Return what a person should do now, most urgent first; a run without a flaw has its one sentence too."""
    return tuple(_steps(record))[:_MOST_STEPS]


def open_checks(record: Record) -> tuple[Check, ...]:
    """Return the checks that did not pass although they were made."""
    return tuple(check for check in record.checks if check.implemented and check.verdict in _OPEN)


def span(start: datetime, end: datetime | None) -> str:
    """Return a span of time as people say it."""
    if end is None:
        return "not captured: it did not end"
    return seconds_text((end - start).total_seconds())


def seconds_text(seconds: float) -> str:
    """Return seconds as people say them: 4.2 s, 3 min 05 s, 1 h 12 min."""
    if seconds < 10:  # noqa: PLR2004 - below ten, tenths matter
        return f"{seconds:.1f} s"
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    if minutes < _MINUTE_S:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // _MINUTE_S} h {minutes % _MINUTE_S:02d} min"


def _steps(record: Record) -> Iterable[str]:
    teardown = record.teardown
    if teardown is not None and teardown.leftover:
        yield f"Remove what is left over, it costs money: {name_some(teardown.leftover, _MOST_NAMED)}. The detail of teardown.sweep says how."
    elif teardown is None and _was_applied(record):
        yield f"Start the deployment teardown with run id {record.run_id}: infrastructure was made and nothing says that it is gone."
    breach = record.breaches[-1] if record.breaches else None
    if breach is not None:
        yield from _steps_after(breach)
    for check in open_checks(record):
        if breach is None or check.phase != "ramp":
            yield f"{check.id} {check.verdict.value}: {check.detail}"
    if record.unfinished is not None:
        yield _step_after_end(record, record.unfinished)
    if record.verdict is Verdict.PASS:
        last = record.stages[-1] if record.stages else None
        if last is not None and record.ceiling.stage == last.number:
            yield f"Nothing has to be done. {load_of(last)} is the script's top, not the system's: add levels to find its ceiling."
        else:
            yield "Nothing has to be done."


def _was_applied(record: Record) -> bool:
    """Whether an apply was tried, so that something may have been made."""
    return any(check.id == "provision.apply" and check.started for check in record.checks)


def _step_after_end(record: Record, unfinished: Unfinished) -> str:
    if not record.ended:
        return f"If it does not run any more, start the deployment report with run id {record.run_id}."
    if unfinished.interrupted:
        return "Start it again: it was interrupted by Ctrl-C, a cancel or a SIGTERM."
    return "Read the worker's log for why the run died, then start it again."


def _steps_after(breach: Breach) -> Iterable[str]:
    matched = [row for row in breach.triage if row.matched]
    if matched:
        yield f"Look into {matched[0].row}: {matched[0].cause or matched[0].evidence}."
    elif breach.triage:
        yield (
            "Find the cause: no row of the matrix matched. "
            "The pictures and traces of the breached stage are the place to begin."
        )
    if breach.stage and breach.stage > 1:
        yield f"After a fix, start a run at stage {breach.stage - 1} (start_stage): the stages below are risen through."


def _ceiling(record: Record) -> Tile:
    stable = [stage for stage in record.stages if stage.gate and stage.gate.verdict is Verdict.PASS]
    if record.ceiling.stage:
        return Tile("Ceiling", ceiling_of(record), record.ceiling.reason)
    if record.unfinished is not None and stable:
        top = stable[-1]
        return Tile("Ceiling", "not captured", f"the run ended first; stage {top.number}, {load_of(top)}, was stable")
    return Tile("Ceiling", "none", "no stage was stable" if record.stages else "the ramp was not reached")


def _signin(record: Record, stage: Stage) -> Tile:
    found = numbers_of(stage, "signin")
    limit = limit_of(record, "p95_ms", "signin")
    note = f"at stage {stage.number}" + (f"; limit {limit.limit:g} ms" if limit else "")
    if found is None or found.p95_ms is None:
        return Tile("Sign-in p95", "not captured", why_missing(record, stage, "numbers"))
    tone: Literal["", "bad"] = "bad" if is_over(record, "p95_ms", "signin", found.p95_ms) else ""
    return Tile("Sign-in p95", f"{found.p95_ms:,.0f} ms", note, tone)


def _errors(record: Record, stage: Stage) -> Tile:
    rate = error_rate_of(stage)
    if rate is None:
        return Tile("Error rate", "not captured", why_missing(record, stage, "numbers"))
    limit = limit_of(record, "error_rate")
    total = sum(item.requests or 0 for item in stage.endpoints)
    note = f"of {total:,} requests at stage {stage.number}" + (f"; limit {limit.limit * 100:g} %" if limit else "")
    return Tile("Error rate", f"{rate * 100:.2f} %", note, "bad" if is_over(record, "error_rate", "", rate) else "")


def _stages(record: Record) -> Tile:
    judged = [stage for stage in record.stages if stage.gate]
    stable = sum(1 for stage in judged if stage.gate and stage.gate.verdict is Verdict.PASS)
    if not record.stages:
        return Tile("Stages", "none", "the ramp was not reached")
    return Tile("Stages", f"{stable} stable", f"of {len(record.stages)} begun, {len(judged)} judged")


def _breaches(record: Record) -> Tile:
    if not record.breaches:
        return Tile("Breaches", "none", "no limit was crossed" if record.stages else "the ramp was not reached")
    last = record.breaches[-1]
    if last.stopped is None:
        return Tile("Breaches", str(len(record.breaches)), "when the load was off: not captured", "bad")
    return Tile(
        "Breaches",
        str(len(record.breaches)),
        f"load off {(last.stopped - last.detected).total_seconds():.1f} s after it was seen",
        "bad",
    )


def _teardown(record: Record) -> Tile:
    teardown = record.teardown
    if teardown is None:
        return Tile("Teardown", "not run", "nothing in the journal says that the infrastructure is gone", "bad")
    count = "not captured" if teardown.destroyed is None else f"{teardown.destroyed} destroyed"
    if teardown.leftover:
        return Tile(
            "Teardown", f"{len(teardown.leftover)} left over", f"{count}: {', '.join(teardown.leftover)}", "bad"
        )
    good = teardown.verdict is Verdict.PASS
    return Tile(
        "Teardown", count, "nothing left over" if good else f"ended {teardown.verdict.value}", "" if good else "bad"
    )


def _cost(record: Record) -> Tile:
    cost = record.cost
    if cost.actual_usd is not None:
        return Tile("Cost", f"{cost.actual_usd:.2f} USD", cost.actual_basis)
    if cost.estimated_usd is not None:
        return Tile("Cost, estimated", f"{cost.estimated_usd:.2f} USD", "the actual figure is known after a day")
    if not _was_applied(record):
        return Tile("Cost", "none", "nothing was provisioned")
    return Tile("Cost", "not captured", "Cost Explorer knows it after a day")
