"""Jaeger's query API of old, `/api/...`, as versions up to 2.20 answer it.

Errors are JSON served as text/plain, which is what Jaeger does.
"""

from typing import Any

import orjson

from deployments.rehearsal.telemetry import params
from deployments.rehearsal.telemetry.legacy import printed_id, trace_json
from deployments.rehearsal.telemetry.search import DepthError, find
from deployments.rehearsal.telemetry.store import TraceStore
from deployments.rehearsal.telemetry.tags import operation_names
from deployments.rehearsal.telemetry.web import JSON, TEXT, Request, Response, not_found


class LegacyApi:
    """Answers the paths below `/api/` from a trace store."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store

    def handle(self, path: list[str], request: Request) -> Response:
        """Answer a GET of the path below `/api/`; a path that Jaeger does not have is 404 in plain text."""
        try:
            return self._route(path, request)
        except params.ParameterError as error:
            return _error(400, str(error))
        except DepthError as error:
            return _error(500, str(error))

    def _route(self, path: list[str], request: Request) -> Response:
        match path:
            case ["services"]:
                return _counted(self._store.services())
            case ["services", service, "operations"]:
                return _counted(list(dict.fromkeys(name for name, _ in self._store.operations(service))) or None)
            case ["operations"]:
                kind = request.first("spanKind")
                return _counted(operation_names(self._store, self._service(request), kind))
            case ["traces"]:
                return self._by_ids(request) if request.first("traceID") else self._search(request)
            case ["traces", trace_id]:
                return self._trace(trace_id)
            case _:
                return not_found()

    def _service(self, request: Request) -> str:
        service = request.first("service")
        if not service:
            raise params.ParameterError("parameter 'service' is required")
        return service

    def _search(self, request: Request) -> Response:
        self._service(request)
        return _answer([trace_json(self._store, trace) for trace in find(self._store, params.legacy_search(request))])

    def _by_ids(self, request: Request) -> Response:
        data = []
        errors = []
        for text in request.query["traceID"]:
            trace_id = params.trace_id(text)
            trace = self._store.trace(trace_id)
            if trace is None:
                errors.append({"msg": "trace not found", "traceID": printed_id(trace_id)})
            else:
                data.append(trace_json(self._store, trace))
        return _answer(data, errors=errors or None)

    def _trace(self, text: str) -> Response:
        trace = self._store.trace(params.trace_id(text))
        return _error(404, "trace not found") if trace is None else _answer([trace_json(self._store, trace)])


def _counted(data: list[Any] | None) -> Response:
    """Answer with names, and with their number as total."""
    return _answer(data, total=len(data or ()))


def _answer(data: list[Any] | None, *, total: int = 0, errors: list[dict[str, Any]] | None = None) -> Response:
    """Answer in the envelope all answers have; with traces Jaeger leaves the total at 0."""
    return Response(200, _envelope(data, total, errors), JSON)


def _error(status: int, message: str) -> Response:
    return Response(status, _envelope(None, 0, [{"code": status, "msg": message}]) + b"\n", TEXT)


def _envelope(data: list[Any] | None, total: int, errors: list[dict[str, Any]] | None) -> bytes:
    return orjson.dumps({"data": data, "total": total, "limit": 0, "offset": 0, "errors": errors})
