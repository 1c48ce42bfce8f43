"""Routes that tell about data sources and ask them."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.rehearsal.grafana.access import Access
from deployments.rehearsal.grafana.answers import ApiError, plain, read_object
from deployments.rehearsal.grafana.datasources import DataSource, check_health
from deployments.rehearsal.grafana.query import answer_queries
from deployments.rehearsal.grafana.upstream import UpstreamFailed


class DataSourceRoutes:
    """Data sources, their health, their label values, and queries.

    Args:
        access: Tells who asks.
        sources: The data sources by uid.
    """

    def __init__(self, access: Access, sources: Mapping[str, DataSource]) -> None:
        self._access = access
        self._sources = sources

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/api/datasources", self._list),
            Route("/api/datasources/uid/{uid}", self._by_uid),
            Route("/api/datasources/uid/{uid}/health", self._health),
            Route("/api/datasources/uid/{uid}/resources/api/v1/label/{label}/values", self._label_values),
            Route("/api/ds/query", self._query, methods=["POST"]),
        ]

    async def _list(self, request: Request) -> Response:
        self._access.require_viewer(request)
        return JSONResponse([source.listed() for source in self._sources.values()])

    async def _by_uid(self, request: Request) -> Response:
        self._access.require_viewer(request)
        source = self._sources.get(request.path_params["uid"])
        if not source:
            raise ApiError(404, {"message": "Data source not found"})
        return JSONResponse(source.full())

    async def _health(self, request: Request) -> Response:
        self._access.require_viewer(request)
        source = self._sources.get(request.path_params["uid"])
        if not source:
            # Grafana's own words for an unknown uid: not 404
            raise plain(500, "Unable to load datasource metadata")
        status, body = await check_health(source)
        return JSONResponse(body, status_code=status)

    async def _label_values(self, request: Request) -> Response:
        """What a `label_values(metric, label)` variable asks."""
        self._access.require_viewer(request)
        source = self._sources.get(request.path_params["uid"])
        if not source or source.kind != "prometheus":
            raise ApiError(404, {"message": "Data source not found"})
        path = f"/api/v1/label/{request.path_params['label']}/values"
        try:
            return JSONResponse(await source.upstream.send("GET", path, dict(request.query_params)))
        except UpstreamFailed as failure:
            raise plain(failure.status, failure.message) from failure

    async def _query(self, request: Request) -> Response:
        self._access.require_viewer(request)
        status, body = await answer_queries(await read_object(request), self._sources)
        return JSONResponse(body, status_code=status)
