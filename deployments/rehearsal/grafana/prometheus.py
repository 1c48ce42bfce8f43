"""One query of `POST /api/ds/query` against Prometheus."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployments.rehearsal.grafana import frames
from deployments.rehearsal.grafana.answers import Json, bad_request_data
from deployments.rehearsal.grafana.datasources import SCRAPE_INTERVAL, DataSource
from deployments.rehearsal.grafana.timerange import TimeRange, choose_step, format_duration, parse_duration
from deployments.rehearsal.grafana.upstream import Upstream, UpstreamFailed

DEFAULT_POINTS = 100
"""`maxDataPoints` of a query without one (grafana pkg/services/query)."""

_MACRO = re.compile(r"\$(?:{(__\w+)(?::\w+)?}|(__\w+))")


@dataclass(frozen=True)
class PromQuery:
    """A query ready to be sent.

    Attributes:
        ref_id: Its refId.
        expression: With Grafana's own macros replaced; other variables are left as they are, as Grafana does.
        legend: `legendFormat`.
        span: Range aligned to the step.
        step_ms: Step in milliseconds.
        ranged: Run as a range query.
        instant: Run as an instant query at the end of the range.
    """

    ref_id: str
    expression: str
    legend: str
    span: TimeRange
    step_ms: int
    ranged: bool
    instant: bool

    @property
    def executed(self) -> str:
        """What Grafana shows as the executed query."""
        return f"Expr: {self.expression}\nStep: {format_duration(self.step_ms)}"

    @property
    def naming(self) -> frames.Naming:
        """Names for its frames."""
        return frames.Naming(self.ref_id, self.legend, self.expression, self.executed)


def prepare(ref_id: str, model: Mapping[str, Json], span: TimeRange) -> PromQuery:
    """Choose the step and replace the macros as Grafana's Prometheus backend does (promlib models/query.go).

    Args:
        ref_id: The query's refId.
        model: The query as posted.
        span: The request's range.

    Raises:
        ApiError: 400 when a field has the wrong type.
    """
    points = int(_number(model.get("maxDataPoints"))) or DEFAULT_POINTS
    interval_ms = int(_number(model.get("intervalMs")))
    own = str(model.get("interval") or "")
    try:
        scrape_ms = parse_duration(own or SCRAPE_INTERVAL)
    except ValueError as problem:
        raise bad_request_data() from problem
    min_step_ms = parse_duration(own) if own else interval_ms or scrape_ms
    step_ms = choose_step(span, min_step_ms, points)
    rate_ms = max(step_ms + scrape_ms, 4 * scrape_ms)
    ranged, instant = bool(model.get("range")), bool(model.get("instant"))
    aligned = TimeRange(span.from_ms // step_ms * step_ms, span.to_ms // step_ms * step_ms)
    return PromQuery(
        ref_id=ref_id,
        expression=_replace_macros(str(model.get("expr") or ""), span, step_ms, rate_ms),
        legend=str(model.get("legendFormat") or ""),
        span=aligned,
        step_ms=step_ms,
        ranged=ranged or not instant,
        instant=instant,
    )


async def run(source: DataSource, query: PromQuery) -> dict[str, Json]:
    """Run it; the value of `results.<refId>`, with `error` when it failed."""
    found: list[Json] = []
    try:
        if query.ranged:
            found += await _range(source.upstream, query)
        if query.instant:
            found += await _instant(source.upstream, query)
    except UpstreamFailed as failure:
        empty = [frames.empty_frame(query.ref_id, query.executed)] if failure.answered else []
        return {"error": failure.message, "errorSource": "downstream", "status": failure.status, "frames": empty}
    return {"status": 200, "frames": found or [frames.empty_frame(query.ref_id, query.executed)]}


async def _range(upstream: Upstream, query: PromQuery) -> list[Json]:
    fields = {
        "query": query.expression,
        "start": f"{query.span.from_ms / 1000:.3f}",
        "end": f"{query.span.to_ms / 1000:.3f}",
        "step": f"{query.step_ms / 1000:g}",
    }
    data = (await upstream.send("POST", "/api/v1/query_range", fields))["data"]
    return frames.matrix_frames(query.naming, data["result"], query.step_ms)


async def _instant(upstream: Upstream, query: PromQuery) -> list[Json]:
    fields = {"query": query.expression, "time": f"{query.span.to_ms / 1000:.3f}"}
    data: dict[str, Any] = (await upstream.send("POST", "/api/v1/query", fields))["data"]
    result = data["result"]
    if data["resultType"] == "scalar":
        result = [{"metric": {}, "value": result}]
    return frames.vector_frames(query.naming, result)


def _replace_macros(expression: str, span: TimeRange, step_ms: int, rate_ms: int) -> str:
    values = {
        "__interval": format_duration(step_ms),
        "__interval_ms": str(step_ms),
        "__rate_interval": format_duration(rate_ms),
        "__rate_interval_ms": str(rate_ms),
        "__range": f"{span.length_ms // 1000}s",
        "__range_s": str(span.length_ms // 1000),
        "__range_ms": str(span.length_ms),
    }
    return _MACRO.sub(lambda match: values.get(match[1] or match[2], match[0]), expression)


def _number(value: Json) -> float:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad_request_data()
    return value
