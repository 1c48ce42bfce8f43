"""A trace as a person reads it: its spans as a tree, each with its place on the trace's time line."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from deployments.rehearsal.telemetry.store import Source, Trace, TraceStore
from deployments.rehearsal.telemetry.tags import attribute_tags, kind_name, process_tags, span_tags, tag_text
from deployments.rehearsal.telemetry.wire import Span, Status

TICKS = 4
"""Marks on the ruler after the one at 0."""

_NS_PER_US, _NS_PER_MS, _NS_PER_S = 10**3, 10**6, 10**9
_NARROWEST_PERCENT = 0.15
"""So that the bar of a span far shorter than its trace can still be seen."""

Entry = tuple[Source, Span]
Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Row:
    """A span in the waterfall; `left` and `width` are percents of the trace's duration."""

    span_id: str
    depth: int
    service: str
    operation: str
    kind: str
    failed: bool
    found: bool
    left: float
    width: float
    offset: str
    duration: str
    tags: Pairs
    process: Pairs
    events: list[tuple[str, str, Pairs]]


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A trace's page: its heading and its rows."""

    trace_id: str
    service: str
    operation: str
    start: str
    duration: str
    failed: int
    services: list[str]
    ticks: list[str]
    rows: list[Row]


def waterfall(store: TraceStore, trace: Trace, find: str) -> Waterfall:
    """Return the page of a trace; rows whose id, service or operation contains `find` are marked."""
    entries = list(store.spans(trace))
    end_ns = max(trace.start_ns + 1, *(span.end_time_unix_nano for _, span in entries))
    length_ns = end_ns - trace.start_ns
    rows = [_row(depth, entry, trace.start_ns, length_ns, find) for depth, entry in _tree(entries)]
    return Waterfall(
        trace_id=trace.trace_id.hex(),
        service=rows[0].service,
        operation=rows[0].operation,
        start=moment(trace.start_ns),
        duration=duration(length_ns),
        failed=sum(row.failed for row in rows),
        services=sorted({row.service for row in rows}),
        ticks=[duration(length_ns * tick // TICKS) for tick in range(TICKS + 1)],
        rows=rows,
    )


def duration(nanoseconds: int) -> str:
    """Return a duration in the unit that suits it, to two places at most."""
    for unit, size in (("s", _NS_PER_S), ("ms", _NS_PER_MS)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.2f}".rstrip("0").rstrip(".") + unit
    return f"{nanoseconds // _NS_PER_US}µs"


def moment(unix_ns: int) -> str:
    """Return a time in UTC to the millisecond."""
    seconds, rest = divmod(unix_ns, _NS_PER_S)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest // _NS_PER_MS:03d} UTC"


def _tree(entries: list[Entry]) -> Iterator[tuple[int, Entry]]:
    """Yield each span once with its depth, parents before children, each level by start.

    A span whose parent is not in the trace is a root; so is the first span of a ring of parents.
    """
    entries = sorted(entries, key=lambda entry: entry[1].start_time_unix_nano)
    ids = {span.span_id for _, span in entries}
    children: dict[bytes, list[int]] = defaultdict(list)
    for number, (_, span) in enumerate(entries):
        children[span.parent_span_id if span.parent_span_id in ids else b""].append(number)
    shown: set[int] = set()
    # The last to be pushed is the first to be shown: roots after all others, each level from its end.
    pending = [(0, number) for number in reversed(range(len(entries)))]
    pending += [(0, number) for number in reversed(children[b""])]
    while pending:
        depth, number = pending.pop()
        if number in shown:
            continue
        shown.add(number)
        yield depth, entries[number]
        pending += [(depth + 1, child) for child in reversed(children[entries[number][1].span_id])]


def _row(depth: int, entry: Entry, start_ns: int, length_ns: int, find: str) -> Row:
    source, span = entry
    offset_ns = span.start_time_unix_nano - start_ns
    duration_ns = max(0, span.end_time_unix_nano - span.start_time_unix_nano)
    named = (span.span_id.hex(), source.service, span.name)
    return Row(
        span_id=named[0],
        depth=depth,
        service=source.service,
        operation=span.name,
        kind=kind_name(span.kind),
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        found=bool(find) and any(find in name for name in named),
        left=100 * offset_ns / length_ns,
        width=max(_NARROWEST_PERCENT, 100 * duration_ns / length_ns),
        offset=duration(offset_ns),
        duration=duration(duration_ns),
        tags=[(str(tag["key"]), tag_text(tag)) for tag in span_tags(source, span)],
        process=[(str(tag["key"]), tag_text(tag)) for tag in process_tags(source)],
        events=[
            (
                duration(max(0, event.time_unix_nano - start_ns)),
                event.name,
                [(str(tag["key"]), tag_text(tag)) for tag in attribute_tags(event.attributes)],
            )
            for event in span.events
        ],
    )
