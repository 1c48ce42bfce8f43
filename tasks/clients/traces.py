"""Jaeger: searching traces and checking that a link opens a real one."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx

from blocks.models.errors import Unavailable

_TIMEOUT = httpx.Timeout(15.0, connect=5.0)
_FAILED = '{"error":"true"}'


@dataclass(frozen=True)
class Trace:
    """A trace as the API returned it."""

    trace_id: str
    services: tuple[str, ...]
    root: str
    duration_ms: float
    failed: bool
    spans: int


class Jaeger:
    """One Jaeger query server: the API that 1.x and 2.x up to 2.20 share, and the search that came after it.

    Args:
        url: its address.
        transport: for tests.
    """

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, timeout=_TIMEOUT, transport=transport)
        # Whoever asks for one thing does not close it.
        weakref.finalize(self, self._http.close)

    def services(self) -> tuple[str, ...]:
        """Return the services that sent spans."""
        return tuple(sorted(str(name) for name in self._data("/api/services")))

    def search(  # noqa: PLR0913 - the search form has this many fields
        self,
        service: str,
        start: datetime,
        end: datetime,
        *,
        operation: str = "",
        min_duration_ms: float = 0,
        failed: bool = False,
        limit: int = 20,
    ) -> tuple[Trace, ...]:
        """Return the slowest traces first.

        Args:
            service: one of its services.
            start: begin of the search.
            end: its end.
            operation: name of one of its spans; empty = any.
            min_duration_ms: its spans' shortest duration.
            failed: only those with a failed span; what a server returns instead is left out.
            limit: how many to look at; servers return the newest ones.

        Raises:
            Unavailable: the server does not answer with JSON.
        """
        query = {"service": service, "start": str(_us(start)), "end": str(_us(end)), "limit": str(limit)}
        if operation:
            query["operation"] = operation
        if min_duration_ms:
            query["minDuration"] = f"{min_duration_ms:g}ms"
        if failed:
            query["tags"] = _FAILED
        answer = self._send("/api/traces", query)
        if answer.status_code == httpx.codes.NOT_FOUND and not _json_of(answer):
            found = self._summaries(service, start, end, operation, min_duration_ms, limit, failed=failed)
        else:
            found = [_trace(item) for item in self._read(answer)]
        return tuple(
            sorted((trace for trace in found if trace.failed or not failed), key=lambda item: -item.duration_ms)
        )

    def get(self, trace_id: str) -> tuple[Trace, str] | None:
        """Return a trace with the server's own JSON, or None when it is not there (pages cannot tell: always 200)."""
        answer = self._send(f"/api/traces/{trace_id.zfill(32)}", {})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        data = self._read(answer)
        return (_trace(data[0]), answer.text) if data else None

    def trace_link(self, trace_id: str) -> str:
        """Return the address of a trace's page."""
        return f"{self.url}/trace/{trace_id}"

    def search_link(self, service: str, start: datetime, end: datetime | None = None) -> str:
        """Return the address of the search page for slow requests of a service."""
        query = {"service": service, "start": str(_us(start)), "limit": "20", "lookback": "custom" if end else "1h"}
        if end:
            query["end"] = str(_us(end))
        return f"{self.url}/search?{urlencode(query)}"

    def _summaries(  # noqa: PLR0913, PLR0917 - the search form has this many fields
        self, service: str, start: datetime, end: datetime, operation: str, min_ms: float, limit: int, *, failed: bool
    ) -> list[Trace]:
        """Search as Jaeger after 2.20 does; the answer has no spans, so a root's duration is the trace's."""
        query = {
            "query.serviceName": service, "query.startTimeMin": _rfc3339(start), "query.startTimeMax": _rfc3339(end),
            "query.searchDepth": str(limit),
        }  # fmt: skip
        if operation:
            query["query.operationName"] = operation
        if min_ms:
            query["query.durationMin"] = f"{min_ms:g}ms"
        if failed:
            query["query.attributes"] = _FAILED
        answer = self._send("/api/v3/trace-summaries", query)
        body = _json_of(answer)
        if answer.is_error or "summaries" not in body:
            raise Unavailable(
                f"Jaeger at {self.url} knows neither /api/traces nor /api/v3/trace-summaries (HTTP {answer.status_code}); "
                "wanted is the query API of 1.x or 2.x."
            )
        return [_summary(item) for item in body["summaries"]]

    def _data(self, path: str, query: dict[str, str] | None = None) -> list[Any]:
        return self._read(self._send(path, query or {}))

    def _send(self, path: str, query: dict[str, str]) -> httpx.Response:
        try:
            return self._http.get(path, params=query)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"Jaeger at {self.url} did not answer: {type(error).__name__}; is jaeger_url right and the server up?"
            ) from error

    def _read(self, answer: httpx.Response) -> list[Any]:
        try:
            body = answer.json()
        except ValueError as error:
            raise Unavailable(
                f"Jaeger at {self.url} answered {answer.request.url.path} with a page instead of JSON "
                f"(HTTP {answer.status_code}); wanted is the query API."
            ) from error
        if answer.is_error:
            raise Unavailable(f"Jaeger answered HTTP {answer.status_code}: {str(body.get('errors', body))[:200]}")
        data = body.get("data")
        return list(data) if data else []


def _json_of(answer: httpx.Response) -> dict[str, Any]:
    """Return the JSON object of an answer, whatever its type says; empty when it is none."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _summary(item: dict[str, Any]) -> Trace:
    spent_ns = int(item["maxEndTimeUnixNano"]) - int(item["minStartTimeUnixNano"])
    return Trace(
        trace_id=str(item["traceId"]).zfill(32),
        services=tuple(sorted(str(service["name"]) for service in item.get("services", ()))),
        root=str(item.get("rootOperationName", "")),
        duration_ms=spent_ns / 1_000_000,
        failed=bool(item.get("errorSpanCount")),
        spans=int(item.get("spanCount", 0)),
    )


def _trace(item: dict[str, Any]) -> Trace:
    spans = item.get("spans", [])
    processes = item.get("processes", {})
    services = {str(processes.get(span.get("processID"), {}).get("serviceName", "")) for span in spans}
    roots = [span for span in spans if not span.get("references")] or spans
    root = max(roots, key=lambda span: span.get("duration", 0)) if roots else {}
    failed = any(
        str(tag.get("value")).lower() == "true"
        for span in spans
        for tag in span.get("tags", [])
        if tag.get("key") == "error"
    )
    return Trace(
        trace_id=str(item["traceID"]).zfill(32),
        services=tuple(sorted(services - {""})),
        root=str(root.get("operationName", "")),
        duration_ms=float(root.get("duration", 0)) / 1000,
        failed=failed,
        spans=len(spans),
    )


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _us(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
