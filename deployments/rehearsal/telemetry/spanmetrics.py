"""Calls and durations by service, span, kind and status, as the collector's spanmetrics connector counts them."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from deployments.rehearsal.telemetry.store import NO_SERVICE, Batch
from deployments.rehearsal.telemetry.wire import Span, Status

BUCKETS_MS = (2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10_000, 15_000)
"""Upper bounds; `defaultLatencyHistogramBucketsMs` of the connector."""

MAX_SERIES = 2_000
"""Beyond this many label sets new ones are counted together, as by the connector's `aggregation_cardinality_limit`."""

HTTP_STATUS = "http.response.status_code"
"""The one extra dimension: it tells a rate limit (429) from a failure."""

_NS_PER_MS = 1_000_000


class Labels(NamedTuple):
    """What a series counts; the HTTP status is empty for a span that has none."""

    service: str
    span: str
    kind: int
    status: int
    http_status: str


class Exemplar(NamedTuple):
    """One observed span of a bucket: ids as hexadecimal, time of its end in Unix milliseconds."""

    trace_id: str
    span_id: str
    duration_ms: float
    at_ms: int


_OVERFLOW = Labels("overflow", "overflow", Span.SPAN_KIND_UNSPECIFIED, Status.STATUS_CODE_UNSET, "")
"""What new label sets are counted under once there are too many."""


@dataclass(slots=True)
class Series:
    """Counts per bucket (not cumulative, the last one is +Inf) and the newest exemplar of each bucket."""

    labels: Labels
    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_MS) + 1))
    exemplars: list[Exemplar | None] = field(default_factory=lambda: [None] * (len(BUCKETS_MS) + 1))
    sum_ms: float = 0.0


class SpanMetrics:
    """Counts spans; only ever grows, like any counter."""

    def __init__(self, max_series: int = MAX_SERIES) -> None:
        self._max_series = max_series
        self._series: dict[Labels, Series] = {}

    def add(self, batch: Batch) -> None:
        """Count a batch of spans."""
        service = next((a.value.string_value for a in batch.resource.attributes if a.key == "service.name"), "")
        service = service or NO_SERVICE
        for span in batch.spans:
            self._observe(Labels(service, span.name, span.kind, span.status.code, _http_status(span)), span)

    def series(self) -> Iterable[Series]:
        """Return all series, those of one service together."""
        return sorted(self._series.values(), key=lambda series: series.labels)

    def _observe(self, labels: Labels, span: Span) -> None:
        series = self._series.get(labels)
        if series is None:
            if len(self._series) >= self._max_series:
                labels = _OVERFLOW
            series = self._series.setdefault(labels, Series(labels))
        end = span.end_time_unix_nano
        duration_ms = max(0, end - span.start_time_unix_nano) / _NS_PER_MS
        bucket = bisect_left(BUCKETS_MS, duration_ms)
        series.counts[bucket] += 1
        series.sum_ms += duration_ms
        at_ms = end // _NS_PER_MS
        known = series.exemplars[bucket]
        # Prometheus refuses an exemplar that is not newer than the series' last one.
        if known is None or at_ms > known.at_ms:
            series.exemplars[bucket] = Exemplar(span.trace_id.hex(), span.span_id.hex(), duration_ms, at_ms)


def _http_status(span: Span) -> str:
    for attribute in span.attributes:
        if attribute.key == HTTP_STATUS:
            return attribute.value.string_value or str(attribute.value.int_value)
    return ""
