"""Jaeger: searching traces and checking that a link opens a real one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx

from blocks.models.errors import Unavailable

_TIMEOUT = httpx.Timeout(15.0, connect=5.0)


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
    """One Jaeger query server; the API that 1.x and 2.x up to 2.20 share.

    Args:
        url: its address.
        transport: for tests.
    """

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, timeout=_TIMEOUT, transport=transport)

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
        limit: int = 20,
    ) -> tuple[Trace, ...]:
        """Return the slowest traces first.

        Raises:
            Unavailable: the server does not answer with JSON.
        """
        query = {"service": service, "start": str(_us(start)), "end": str(_us(end)), "limit": str(limit)}
        if operation:
            query["operation"] = operation
        if min_duration_ms:
            query["minDuration"] = f"{min_duration_ms:g}ms"
        found = [_trace(item) for item in self._data("/api/traces", query)]
        return tuple(sorted(found, key=lambda trace: -trace.duration_ms))

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


def _us(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
