"""Routes about the server itself: health, organisation, settings of the front end."""

import time
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.rehearsal.grafana.access import Access
from deployments.rehearsal.grafana.answers import ApiError, Json
from deployments.rehearsal.grafana.datasources import DataSource
from deployments.rehearsal.grafana.settings import BANNER, COMMIT, VERSION, Settings


class ServerRoutes:
    """Routes below `/api` that are about no particular thing.

    Args:
        access: Tells who asks.
        settings: Of the server.
        sources: The data sources by uid.
    """

    def __init__(self, access: Access, settings: Settings, sources: Mapping[str, DataSource]) -> None:
        self._access = access
        self._settings = settings
        self._sources = sources
        self._started = int(time.time())

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/api/health", self._health),
            Route("/api/org", self._organisation),
            Route("/api/user", self._user),
            Route("/api/frontend/settings", self._frontend_settings),
        ]

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"database": "ok", "version": VERSION, "commit": COMMIT})

    async def _organisation(self, request: Request) -> Response:
        self._access.require_viewer(request)
        address = {"address1": "", "address2": "", "city": "", "zipCode": "", "state": "", "country": ""}
        return JSONResponse({"id": 1, "name": f"Main Org. ({BANNER})", "address": address})

    async def _user(self, request: Request) -> Response:
        # a service account is no user, and nothing else can sign in
        self._access.require_viewer(request)
        raise ApiError(404, {"message": "user not found", "traceID": ""})

    async def _frontend_settings(self, request: Request) -> Response:
        self._access.require_viewer(request)
        sources: Json = {source.name: source.listed() for source in self._sources.values()}
        return JSONResponse(
            {
                "appUrl": f"{self._settings.root_url}/",
                "appSubUrl": "",
                "buildInfo": {
                    "hideVersion": False,
                    "version": VERSION,
                    "commit": COMMIT,
                    "buildstamp": self._started,
                    "edition": BANNER,
                    "latestVersion": "",
                    "hasUpdate": False,
                    "env": "rehearsal",
                },
                "datasources": sources,
                "defaultDatasource": "Prometheus",
                "rendererAvailable": False,
                "rendererVersion": "",
                "rendererDefaultImageWidth": 1000,
                "rendererDefaultImageHeight": 500,
                "featureToggles": {"kubernetesDashboards": True},
                "snapshotEnabled": True,
                "minRefreshInterval": "1s",
            }
        )
