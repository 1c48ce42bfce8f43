"""The pages a person sees: `/search` and `/trace/{id}`, with the query parameters of Jaeger's own pages.

They ask nothing of any other host, and their policy (Content-Security-Policy) forbids it.
"""

import json
import shlex
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deployments.rehearsal.telemetry import params
from deployments.rehearsal.telemetry.search import DepthError, Search, find
from deployments.rehearsal.telemetry.store import TraceStore
from deployments.rehearsal.telemetry.tags import operation_names
from deployments.rehearsal.telemetry.v3 import summary_json
from deployments.rehearsal.telemetry.waterfall import duration, moment, waterfall
from deployments.rehearsal.telemetry.web import HTML, Request, Response

DEFAULT_LIMIT = "20"
"""Results of a search from the page; jaeger-ui's default."""

LOOKBACKS = {"15m": "Last 15 minutes", "1h": "Last hour", "6h": "Last 6 hours", "24h": "Last 24 hours"}
"""The choices of the form beside "custom"; jaeger-ui has these and more."""

_COLOURS = 8
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "form-action 'self'; base-uri 'none'"
)


class Pages:
    """Answers every path outside `/api/` from a trace store: always with 200, as Jaeger does, but for `/` itself."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def handle(self, path: list[str], request: Request) -> Response:
        """Answer a GET of the path."""
        match path:
            case [""]:
                return Response(302, b"", HTML, {"location": "/search"})
            case ["search"]:
                return self._search(request)
            case ["trace", text]:
                return self._trace(text, request.first("uiFind"))
            case _:
                return self._page("error.html", message="Page not found")

    def _trace(self, text: str, ui_find: str) -> Response:
        try:
            trace = self._store.trace(params.trace_id(text))
        except params.ParameterError as error:
            return self._page("error.html", message=str(error))
        if trace is None:
            return self._page("error.html", message="trace not found")
        return self._page("trace.html", trace=waterfall(self._store, trace, ui_find))

    def _search(self, request: Request) -> Response:
        service = request.first("service")
        form = {name: request.first(name) for name in ("operation", "start", "end", "minDuration", "maxDuration")}
        form |= {
            "service": service,
            "limit": request.first("limit", default=DEFAULT_LIMIT),
            "lookback": request.first("lookback", default="custom" if form["start"] else "1h"),
            "tags": request.first("tags"),
        }
        outcome: dict[str, Any] = {"message": "", "results": [], "searched": bool(service), "window": ""}
        if service:
            try:
                search = _search_of(request, form)
                outcome |= self._results(search)
                form["tags"] = _as_logfmt(search.tags)
            except (params.ParameterError, DepthError) as error:
                outcome["message"] = str(error)
        operations = dict.fromkeys(operation["name"] for operation in operation_names(self._store, service, ""))
        return self._page("search.html", form=form, operations=list(operations), lookbacks=LOOKBACKS, **outcome)

    def _results(self, search: Search) -> dict[str, Any]:
        """Return the found traces, each with its place in the plot: percents from the left and from the top."""
        summaries = [summary_json(self._store, trace) for trace in find(self._store, search)]
        starts = [int(summary["minStartTimeUnixNano"]) for summary in summaries]
        lengths = [
            max(0, int(summary["maxEndTimeUnixNano"]) - start) for summary, start in zip(summaries, starts, strict=True)
        ]
        first, last, longest = min(starts, default=0), max(starts, default=0), max(lengths, default=0)
        results = [
            {
                "summary": summary,
                "failed": summary.get("errorSpanCount", 0),
                "start": moment(start),
                "duration": duration(length),
                "share": 100 * length / (longest or 1),
                "x": 2 + 96 * (start - first) / (last - first or 1),
                "y": 90 - 80 * length / (longest or 1),
            }
            for summary, start, length in zip(summaries, starts, lengths, strict=True)
        ]
        return {
            "results": results,
            "longest": duration(longest),
            "window": f"{moment(search.start_ns)} to {moment(search.end_ns)}",
        }

    def _page(self, template: str, **values: Any) -> Response:  # noqa: ANN401 - what each template shows
        services = self._store.services()
        colours = {service: f"c{number % _COLOURS}" for number, service in enumerate(services)}
        html = self._templates.get_template(template).render(services=services, colours=colours, **values)
        return Response(200, html.encode(), HTML, {"content-security-policy": _POLICY, "cache-control": "no-store"})


def _search_of(request: Request, form: dict[str, str]) -> Search:
    """Read the page's parameters: those of the API, tags also as logfmt, and a lookback when no start is given."""
    query = {name: values for name, values in request.query.items() if name != "tag"}
    query |= {"limit": [form["limit"]], "tags": [json.dumps(_read_tags(form["tags"]))]}
    search = params.legacy_search(replace(request, query=query))
    if form["start"] or form["lookback"] not in LOOKBACKS:
        return search
    return replace(search, start_ns=time.time_ns() - params.duration_ns(form["lookback"]))


def _read_tags(text: str) -> dict[str, str]:
    """Read tags as the URL holds them (a JSON map) or as a person types them (`error=true http.route="/a b"`)."""
    if text.startswith("{"):
        return params.tags_map(text)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise params.ParameterError(f"malformed tags: {error}") from error
    for word in words:
        if "=" not in word:
            raise params.ParameterError(f"malformed tags, expecting key=value, received: {word}")
    return dict(word.split("=", 1) for word in words)


def _as_logfmt(tags: Mapping[str, str]) -> str:
    return " ".join(shlex.quote(f"{key}={value}") for key, value in tags.items())
