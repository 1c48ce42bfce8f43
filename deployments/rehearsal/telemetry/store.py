"""The trace store: the newest traces, whole, in bounded memory.

A trace keeps its spans as the protobuf bytes they came in as, one buffer for the whole trace: some 300 bytes a span
instead of kilobytes of objects. They are decoded when someone asks for that trace. Search reads the few numbers kept
beside the buffer first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Protocol

from deployments.rehearsal.telemetry.wire import InstrumentationScope, Resource, Span, Status

MAX_TRACES = 20_000
MAX_BYTES = 28 * 1024 * 1024
"""Span bytes kept at most; with this and 20,000 traces the process stays below 80 MB (measured)."""

NO_SERVICE = "OTLPResourceNoServiceName"
"""What Jaeger calls the service of a resource without `service.name`."""

_FRAME = Struct("<II")
"""Before each span in a trace's buffer: its source's number, its length in bytes."""

_ERROR: int = Status.STATUS_CODE_ERROR


@dataclass(frozen=True, slots=True)
class Batch:
    """Spans that one instrumentation scope of one resource sent together."""

    resource: Resource
    scope: InstrumentationScope
    spans: Sequence[Span]


class Keeper(Protocol):
    """What received spans are given to."""

    def add(self, batch: Batch) -> None:
        """Take a batch."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where spans come from: a resource and an instrumentation scope, kept once for all their spans."""

    number: int
    service: str
    resource: Resource
    scope: InstrumentationScope


@dataclass(slots=True)
class Trace:
    """One trace: its spans' bytes and what search asks first. Times are Unix nanoseconds."""

    trace_id: bytes
    start_ns: int
    last_start_ns: int
    longest_ns: int = 0
    services: int = 0
    """A bit for each service that has a span here, numbered by the store."""
    failed: bool = False
    frames: bytearray = field(default_factory=bytearray)


class TraceStore:
    """Takes batches of spans, gives traces back; forgets the oldest whole traces beyond its bounds."""

    def __init__(self, max_traces: int = MAX_TRACES, max_bytes: int = MAX_BYTES) -> None:
        self.max_traces = max_traces
        self.max_bytes = max_bytes
        self.stored_bytes = 0
        self.sources: list[Source] = []
        self._source_numbers: dict[tuple[bytes, bytes], int] = {}
        self._service_bits: dict[str, int] = {}
        self._operations: dict[str, dict[tuple[str, int], None]] = {}
        self._traces: dict[bytes, Trace] = {}

    def __len__(self) -> int:
        return len(self._traces)

    def add(self, batch: Batch) -> None:
        """Store a batch; spans of a trace may come in any number of batches."""
        if not batch.spans:
            return
        source = self._source(batch.resource, batch.scope)
        bit = self._service_bits[source.service]
        operations = self._operations[source.service]
        traces = self._traces
        for span in batch.spans:
            trace_id, start, encoded = span.trace_id, span.start_time_unix_nano, span.SerializeToString()
            trace = traces.get(trace_id)
            if trace is None:
                trace = traces[trace_id] = Trace(trace_id, start, start)
            trace.start_ns = min(trace.start_ns, start)
            trace.last_start_ns = max(trace.last_start_ns, start)
            trace.longest_ns = max(trace.longest_ns, span.end_time_unix_nano - start)
            trace.services |= bit
            if span.status.code == _ERROR:
                trace.failed = True
            trace.frames += _FRAME.pack(source.number, len(encoded))
            trace.frames += encoded
            self.stored_bytes += len(encoded) + _FRAME.size
            operations[span.name, span.kind] = None
        self._evict()

    def trace(self, trace_id: bytes) -> Trace | None:
        """Return a trace by its 16 bytes, None when it is unknown or was evicted."""
        return self._traces.get(trace_id)

    def newest_first(self) -> list[Trace]:
        """Return all traces by their first span's start."""
        return sorted(self._traces.values(), key=lambda trace: trace.start_ns, reverse=True)

    def spans(self, trace: Trace) -> Iterator[tuple[Source, Span]]:
        """Decode a trace's spans, in the order they came."""
        frames = bytes(trace.frames)
        position = 0
        while position < len(frames):
            number, size = _FRAME.unpack_from(frames, position)
            position += _FRAME.size
            yield self.sources[number], Span.FromString(frames[position : position + size])
            position += size

    def services(self) -> list[str]:
        """Return the names of all services ever seen, sorted."""
        return sorted(self._operations)

    def service_bit(self, service: str) -> int:
        """Return the service's bit in `Trace.services`, 0 when it never sent a span."""
        return self._service_bits.get(service, 0)

    def operations(self, service: str) -> Iterable[tuple[str, int]]:
        """Return (span name, OTLP kind) of all operations of a service ever seen, sorted."""
        return sorted(self._operations.get(service, ()))

    def _source(self, resource: Resource, scope: InstrumentationScope) -> Source:
        key = (resource.SerializeToString(deterministic=True), scope.SerializeToString(deterministic=True))
        number = self._source_numbers.get(key)
        if number is not None:
            return self.sources[number]
        service = next((a.value.string_value for a in resource.attributes if a.key == "service.name"), "") or NO_SERVICE
        # Copies: a part of a message would keep the whole request it came in alive.
        copies = Resource.FromString(key[0]), InstrumentationScope.FromString(key[1])
        source = Source(len(self.sources), service, *copies)
        self._source_numbers[key] = source.number
        self.sources.append(source)
        self._service_bits.setdefault(service, 1 << len(self._service_bits))
        self._operations.setdefault(service, {})
        return source

    def _evict(self) -> None:
        """Forget the traces that were begun first; the newest stays even if it alone is above the bound."""
        while len(self._traces) > self.max_traces or (self.stored_bytes > self.max_bytes and len(self._traces) > 1):
            oldest = self._traces.pop(next(iter(self._traces)))
            self.stored_bytes -= len(oldest.frames)
