"""Finding traces, newest first. As in Jaeger's memory store, one span of the trace must meet all conditions at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from deployments.rehearsal.telemetry.store import Source, Trace, TraceStore
from deployments.rehearsal.telemetry.tags import attribute_tags, process_tags, span_tags, tag_text
from deployments.rehearsal.telemetry.wire import Span, Status

DEFAULT_LIMIT = 100
"""Traces a search returns when it names no limit; `defaultQueryLimit` of Jaeger's query parser."""

_MADE_UP = frozenset(
    {
        "error",
        "span.kind",
        "otel.status_code",
        "otel.status_description",
        "otel.scope.name",
        "otel.scope.version",
        "w3c.tracestate",
    }
)
"""Tags that Jaeger makes of other fields: their names are not in the span's bytes."""


class DepthError(Exception):
    """The limit is not within what the store can hold; the message is Jaeger's memory store's."""


@dataclass(frozen=True, slots=True)
class Search:
    """Conditions on a span; an empty string, None or an empty map sets none. Times are Unix nanoseconds."""

    start_ns: int
    end_ns: int
    service: str = ""
    operation: str = ""
    min_duration_ns: int | None = None
    max_duration_ns: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    limit: int = DEFAULT_LIMIT


def find(store: TraceStore, search: Search) -> list[Trace]:
    """Return up to `search.limit` matching traces, newest first.

    Raises:
        DepthError: the limit is below 1 or above the number of traces the store keeps.
    """
    if not 0 < search.limit <= store.max_traces:
        raise DepthError("search depth must be greater than 0 and less than max traces")
    found: list[Trace] = []
    for trace in _candidates(store, search):
        if any(_span_matches(source, span, search) for source, span in store.spans(trace)):
            found.append(trace)
            if len(found) == search.limit:
                break
    return found


def _candidates(store: TraceStore, search: Search) -> Iterator[Trace]:
    """Yield the traces that may match, judged by what is known without decoding a span."""
    service = store.service_bit(search.service)
    if search.service and not service:
        return
    shortest = search.min_duration_ns or 0
    only_failed = search.tags.get("error") == "true"
    needles = [needle.encode() for needle in (search.operation, *_own_tags(store, search)) if needle]
    for trace in store.newest_first():
        if (
            trace.start_ns <= search.end_ns
            and trace.last_start_ns >= search.start_ns
            and trace.longest_ns >= shortest
            and (trace.services & service or not service)
            and (trace.failed or not only_failed)
            and all(needle in trace.frames for needle in needles)
        ):
            yield trace


def _own_tags(store: TraceStore, search: Search) -> list[str]:
    """Return the tags that only a span itself can carry: no resource has them and Jaeger does not make them up."""
    of_resources = {attribute.key for source in store.sources for attribute in source.resource.attributes}
    return [key for key in search.tags if key not in _MADE_UP and key not in of_resources]


def _span_matches(source: Source, span: Span, search: Search) -> bool:
    duration = span.end_time_unix_nano - span.start_time_unix_nano
    return (
        (not search.service or source.service == search.service)
        and (not search.operation or span.name == search.operation)
        and search.start_ns <= span.start_time_unix_nano <= search.end_ns
        and (search.min_duration_ns is None or duration >= search.min_duration_ns)
        and (search.max_duration_ns is None or duration <= search.max_duration_ns)
        and (not search.tags or _tags_match(source, span, search.tags))
    )


def _tags_match(source: Source, span: Span, wanted: Mapping[str, str]) -> bool:
    """Tell whether the span, its process or one of its events carries every wanted tag."""
    failed = span.status.code == Status.STATUS_CODE_ERROR
    rest = {key: value for key, value in wanted.items() if key != "error"}
    if wanted.get("error", "true" if failed else "false") != ("true" if failed else "false"):
        return False
    tags = span_tags(source, span) + process_tags(source)
    for event in span.events:
        tags += attribute_tags(event.attributes)
    carried = {(tag["key"], tag_text(tag)) for tag in tags}
    return carried.issuperset(rest.items())
