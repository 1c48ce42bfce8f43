"""`POST /api/ds/query`: checking the request, running its queries, one status for all of them."""

import asyncio
import time
from collections.abc import Mapping

from deployments.rehearsal.grafana import jaeger, prometheus
from deployments.rehearsal.grafana.answers import ApiError, Json, bad_request_data, coded, plain
from deployments.rehearsal.grafana.datasources import DataSource
from deployments.rehearsal.grafana.timerange import TimeRange, parse_moment

OK = 200
BAD_REQUEST = 400


async def answer_queries(body: Mapping[str, Json], sources: Mapping[str, DataSource]) -> tuple[int, Json]:
    """Run all queries of a request at once.

    Args:
        body: As posted: `from` and `to` as strings, `queries` with a data source each.
        sources: The data sources by uid.

    Returns:
        Status and body: 200, or 400 as soon as one refId failed, with the good ones included.

    Raises:
        ApiError: 400 for a malformed request, 404 when any query names an unknown data source.
    """
    span = _span(body)
    queries = body.get("queries")
    if not isinstance(queries, list) or not queries:
        raise coded(400, "query.noQueries", "No queries found")
    jobs = [(_ref_id(query), *_resolve(query, sources)) for query in queries]
    answers = await asyncio.gather(*(_run(ref_id, source, model, span) for ref_id, source, model in jobs))
    failed = any("error" in answer for answer in answers)
    results: dict[str, Json] = {ref_id: answer for (ref_id, *_), answer in zip(jobs, answers, strict=True)}
    return (BAD_REQUEST if failed else OK), {"results": results}


async def _run(ref_id: str, source: DataSource, model: Mapping[str, Json], span: TimeRange) -> dict[str, Json]:
    if source.kind == "jaeger":
        return await jaeger.run(source, ref_id, model, span)
    return await prometheus.run(source, prometheus.prepare(ref_id, model, span))


def _span(body: Mapping[str, Json]) -> TimeRange:
    now_ms = int(time.time() * 1000)
    start, end = body.get("from", "now-6h"), body.get("to", "now")
    if not isinstance(start, str) or not isinstance(end, str):
        raise bad_request_data()
    try:
        span = TimeRange(parse_moment(start, now_ms), parse_moment(end, now_ms))
    except ValueError as problem:
        raise bad_request_data() from problem
    if span.length_ms < 0:
        raise plain(400, "invalid time range: from is after to")
    return span


def _ref_id(query: Json) -> str:
    if not isinstance(query, dict):
        raise bad_request_data()
    return str(query.get("refId") or "A")


def _resolve(query: Json, sources: Mapping[str, DataSource]) -> tuple[DataSource, Mapping[str, Json]]:
    reference = query.get("datasource") if isinstance(query, dict) else None
    uid = reference.get("uid") if isinstance(reference, dict) else None
    if not isinstance(query, dict) or not isinstance(uid, str) or not uid:
        raise coded(400, "query.invalidDatasourceId", "Query does not contain a valid data source identifier")
    if uid not in sources:
        raise ApiError(404, {"message": "Data source not found", "traceID": ""})
    return sources[uid], query
