"""Jaeger's query API version 3, `/api/v3/...`, as 2.19 and 2.20 answer it."""

from typing import Any

import orjson

from deployments.rehearsal.telemetry import params
from deployments.rehearsal.telemetry.search import DepthError, find
from deployments.rehearsal.telemetry.store import Trace, TraceStore
from deployments.rehearsal.telemetry.tags import operation_names
from deployments.rehearsal.telemetry.v3 import result_json, summary_json
from deployments.rehearsal.telemetry.web import JSON, TEXT, Request, Response, not_found


class V3Api:
    """Answers the paths below `/api/v3/` from a trace store."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store

    def handle(self, path: list[str], request: Request) -> Response:
        """Answer a GET of the path below `/api/v3/`; a path that Jaeger does not have is 404 in plain text."""
        try:
            return self._route(path, request)
        except params.ParameterError as error:
            return _error(400, str(error))
        except DepthError as error:
            return _error(500, str(error))

    def _route(self, path: list[str], request: Request) -> Response:
        match path:
            case ["services"]:
                return _answer({"services": self._store.services()})
            case ["operations"]:
                kind = request.first("spanKind", "span_kind")
                return _answer({"operations": operation_names(self._store, request.first("service"), kind)})
            case ["traces"]:
                return self._result(find(self._store, params.v3_search(request)))
            case ["traces", trace_id]:
                trace = self._store.trace(_trace_id(trace_id))
                return self._result([trace] if trace else [])
            case ["trace-summaries"]:
                found = find(self._store, params.v3_search(request))
                return _answer({"summaries": [summary_json(self._store, trace) for trace in found]})
            case _:
                return not_found()

    def _result(self, traces: list[Trace]) -> Response:
        """Answer with traces; unlike the API of old, none at all is 404."""
        return _answer(result_json(self._store, traces)) if traces else _error(404, "No traces found")


def _trace_id(text: str) -> bytes:
    try:
        return params.trace_id(text)
    except params.ParameterError as error:
        raise params.ParameterError(f"malformed parameter trace_id: {error}") from error


def _answer(document: dict[str, Any]) -> Response:
    return Response(200, orjson.dumps(document), JSON)


def _error(status: int, message: str) -> Response:
    return Response(status, orjson.dumps({"error": {"httpCode": status, "message": message}}) + b"\n", TEXT)
