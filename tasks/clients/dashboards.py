"""Grafana: the dashboard, its panels' queries, annotations and snapshots."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx

from blocks.models.errors import Failed, Unavailable

_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
# A browser asks for six panels at once; this is asked beside a load.
_AT_ONCE = 4
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class PanelAnswer:
    """What a panel's queries returned."""

    title: str
    series: int
    error: str
    frames: tuple[dict[str, Any], ...] = ()

    @property
    def points(self) -> int:
        """How many values its series have."""
        return sum(len(column) for frame in self.frames for column in frame.get("data", {}).get("values", ())[1:])


@dataclass(frozen=True)
class Snapshot:
    """A stored snapshot."""

    key: str
    url: str


class Grafana:
    """One Grafana server.

    Args:
        url: its address.
        token: service account token; empty for anonymous access.
        transport: for tests.
    """

    def __init__(self, url: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=_TIMEOUT, transport=transport)
        # Whoever asks for one thing does not close it.
        weakref.finalize(self, self._http.close)

    def version(self) -> str:
        """Return the version the server states."""
        return str(self._json("GET", "/api/health").get("version", "not told"))

    def dashboard(self, uid: str) -> dict[str, Any]:
        """Return a dashboard's model.

        Raises:
            Failed: there is no such dashboard.
        """
        answer = self._json("GET", f"/api/dashboards/uid/{uid}")
        model: dict[str, Any] = answer["dashboard"]
        return model

    def data_sources(self, dashboard: dict[str, Any]) -> tuple[str, ...]:
        """Return the uids of the data sources the dashboard's panels use, without Grafana's own."""
        found = {str((panel.get("datasource") or {}).get("uid", "")) for panel in _panels(dashboard)}
        return tuple(sorted(uid for uid in found if uid and not uid.startswith(("-", "$", "grafana"))))

    def data_source_health(self, uid: str) -> str:
        """Return an empty text when a data source answers, else why not."""
        self._json("GET", f"/api/datasources/uid/{uid}")
        answer = self._send("GET", f"/api/datasources/uid/{uid}/health")
        if answer.status_code in {404, 501, 503}:
            return ""
        if answer.status_code == httpx.codes.OK:
            return ""
        return str(_body(answer).get("message", f"HTTP {answer.status_code}"))

    def ask_panels(self, dashboard: dict[str, Any], start: datetime, end: datetime) -> tuple[PanelAnswer, ...]:
        """Run every panel's queries as its page would; no data is not an error."""
        variables = _variables(dashboard)
        asked = [panel for panel in _panels(dashboard) if panel.get("targets")]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return tuple(pool.map(lambda panel: self._ask(panel, variables, start, end), asked))

    def annotate(self, dashboard_uid: str, at: datetime, text: str, tags: list[str]) -> None:
        """Mark a moment on the dashboard."""
        self._json(
            "POST",
            "/api/annotations",
            {"dashboardUID": dashboard_uid, "time": _ms(at), "text": text, "tags": tags},
        )

    def snapshot(
        self, dashboard: dict[str, Any], name: str, start: datetime, end: datetime, shown: Iterable[PanelAnswer]
    ) -> Snapshot:
        """Store the dashboard with what its panels showed embedded and return its key."""
        answers = {answer.title: answer for answer in shown}
        model = {
            **dashboard,
            "id": None,
            "title": name,
            "time": {"from": start.isoformat(), "to": end.isoformat()},
            "panels": [
                {
                    **panel,
                    "datasource": {"type": "datasource", "uid": "grafana"},
                    "targets": [
                        {
                            "refId": "A",
                            "datasource": {"type": "datasource", "uid": "grafana"},
                            "queryType": "snapshot",
                            "snapshot": list(answers[panel["title"]].frames) if panel.get("title") in answers else [],
                        }
                    ],
                }
                for panel in _panels(dashboard)
            ],
        }
        answer = self._json("POST", "/api/snapshots", {"dashboard": model, "name": name, "expires": 0})
        return Snapshot(key=str(answer["key"]), url=f"{self.url}/dashboard/snapshot/{answer['key']}")

    def snapshot_text(self, key: str) -> str:
        """Return a stored snapshot as the server gives it back."""
        answer = self._send("GET", f"/api/snapshots/{key}")
        if answer.status_code != httpx.codes.OK:
            raise Failed(f"Grafana does not give snapshot {key} back: HTTP {answer.status_code}.")
        return answer.text

    def has_renderer(self) -> bool:
        """Return whether the server can draw pictures by itself; one that cannot answers with a placeholder."""
        return bool(self._json("GET", "/api/frontend/settings").get("rendererAvailable"))

    def render(self, uid: str, start: datetime, end: datetime, width: int, timeout_s: float) -> bytes:
        """Return the full dashboard as the server's renderer draws it, as PNG.

        Raises:
            Failed: what came is no picture of that width: an error, a log-in page, or the placeholder.
            Unavailable: it did not answer in time.
        """
        query = {
            "orgId": "1", "from": str(_ms(start)), "to": str(_ms(end)), "width": str(width), "height": "-1",
            "kiosk": "true", "timeout": f"{timeout_s:.0f}",
        }  # fmt: skip
        answer = self._send("GET", f"/render/d/{uid}/{uid}?{urlencode(query)}", timeout_s=timeout_s)
        drawn = _png_width(answer.content)
        if answer.status_code != httpx.codes.OK or drawn is None:
            raise Failed(f"Grafana's renderer answered HTTP {answer.status_code} without a picture; look at its log.")
        if drawn < width:
            raise Failed(f"Grafana's renderer gave a placeholder {drawn} pixels wide; wanted are {width}.")
        return answer.content

    def dashboard_link(self, uid: str, start: datetime | None, end: datetime | None, *, kiosk: bool = False) -> str:
        """Return the address of the dashboard's page over a time range; open ends follow the clock."""
        query: dict[str, str] = {
            "orgId": "1",
            "from": str(_ms(start)) if start else "now-15m",
            "to": str(_ms(end)) if end else "now",
        }
        if not end:
            query["refresh"] = "5s"
        return f"{self.url}/d/{uid}?{urlencode(query)}" + ("&kiosk" if kiosk else "")

    def _ask(self, panel: dict[str, Any], variables: dict[str, str], start: datetime, end: datetime) -> PanelAnswer:
        title = str(panel.get("title", f"panel {panel.get('id')}"))
        queries = [
            {
                **_interpolated(target, variables),
                "datasource": target.get("datasource") or panel.get("datasource"),
                "intervalMs": 1000,
                "maxDataPoints": 1000,
            }
            for target in panel["targets"]
            if not target.get("hide")
        ]
        answer = self._send("POST", "/api/ds/query", {"queries": queries, "from": str(_ms(start)), "to": str(_ms(end))})
        body = _body(answer)
        results = body.get("results")
        if results is None:
            return PanelAnswer(title, 0, str(body.get("message", f"HTTP {answer.status_code}")))
        errors = [str(result["error"]) for result in results.values() if result.get("error")]
        frames = tuple(frame for result in results.values() for frame in result.get("frames", []))
        return PanelAnswer(title, len(frames), "; ".join(errors), frames)

    def _json(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._send(method, path, body)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise Failed(f"Grafana at {self.url} refused the token (401); set observability.grafana_token.")
        if answer.is_error:
            said = _body(answer).get("message", "")
            raise Failed(f"Grafana answered HTTP {answer.status_code} to {method} {path}: {said}")
        return _body(answer)

    def _send(
        self, method: str, path: str, body: dict[str, Any] | None = None, timeout_s: float | None = None
    ) -> httpx.Response:
        try:
            return self._http.request(
                method, path, json=body, timeout=httpx.USE_CLIENT_DEFAULT if timeout_s is None else timeout_s
            )
        except httpx.HTTPError as error:
            raise Unavailable(
                f"Grafana at {self.url} did not answer: {type(error).__name__}; is grafana_url right and the server up?"
            ) from error


def _png_width(data: bytes) -> int | None:
    """Return a PNG's width in pixels: bytes 16 to 20 of its first chunk."""
    return int.from_bytes(data[16:20]) if data.startswith(_PNG) and len(data) > len(_PNG) + 12 else None


def _panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in dashboard.get("panels", []):
        if panel.get("type") == "row":
            yield from panel.get("panels", [])
        else:
            yield panel


def _variables(dashboard: dict[str, Any]) -> dict[str, str]:
    """Return each template variable's regular expression: all values, or the current one."""
    found: dict[str, str] = {}
    for variable in dashboard.get("templating", {}).get("list", []):
        current = (variable.get("current") or {}).get("value", "")
        values = current if isinstance(current, list) else [current]
        found[variable["name"]] = ".*" if values in (["$__all"], [""]) else "|".join(map(str, values))
    return found


def _interpolated(target: dict[str, Any], variables: dict[str, str]) -> dict[str, Any]:
    expression = str(target.get("expr", ""))
    for name, value in variables.items():
        expression = re.sub(rf"\$\{{{name}(:\w+)?\}}|\${name}\b", value.replace("\\", "\\\\"), expression)
    if re.search(r"\$(?!__)", expression):
        raise Failed(f"A panel's query has a variable without a value: {expression[:120]}")
    return {**target, "expr": expression} if "expr" in target else dict(target)


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {"items": body}


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
