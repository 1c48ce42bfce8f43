"""Routes that tell about dashboards."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.rehearsal.grafana.access import Access, Role
from deployments.rehearsal.grafana.answers import ApiError, plain
from deployments.rehearsal.grafana.dashboards import (
    Dashboard,
    DashboardFolder,
    full_view,
    resource_view,
    search_view,
)

_RESOURCES = "/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards"
_OTHER_TYPES = {"dash-folder", "folder"}


class DashboardRoutes:
    """Search, the dashboard by uid and the newer resource API.

    Args:
        access: Tells who asks.
        folder: The provisioned dashboards.
    """

    def __init__(self, access: Access, folder: DashboardFolder) -> None:
        self._access = access
        self._folder = folder

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/api/search", self._search),
            Route("/api/dashboards/uid/{uid}", self._by_uid),
            Route("/api/dashboards/db", self._save, methods=["POST"]),
            Route(f"{_RESOURCES}/{{uid}}", self._resource),
        ]

    async def _search(self, request: Request) -> Response:
        self._access.require_viewer(request)
        wanted = request.query_params
        words, uids, tags = wanted.get("query", ""), wanted.getlist("dashboardUIDs"), wanted.getlist("tag")

        def matches(dashboard: Dashboard) -> bool:
            return (
                words.lower() in dashboard.title.lower()
                and (not uids or dashboard.uid in uids)
                and all(tag in dashboard.tags for tag in tags)
                and wanted.get("type") not in _OTHER_TYPES
            )

        return JSONResponse([search_view(dashboard) for dashboard in self._folder.all() if matches(dashboard)])

    async def _by_uid(self, request: Request) -> Response:
        role = self._access.require_viewer(request)
        dashboard = self._folder.find(request.path_params["uid"])
        if not dashboard:
            raise plain(404, "Dashboard not found")
        return JSONResponse(full_view(dashboard, may_annotate=role is Role.EDITOR))

    async def _save(self, request: Request) -> Response:
        self._access.require_editor(request, "any of dashboards:create, dashboards:write")
        raise ApiError(400, {"message": "Cannot save provisioned dashboard"})

    async def _resource(self, request: Request) -> Response:
        self._access.require_viewer(request)
        uid = request.path_params["uid"]
        dashboard = self._folder.find(uid)
        if not dashboard:
            raise ApiError(
                404,
                {
                    "kind": "Status",
                    "apiVersion": "v1",
                    "metadata": {},
                    "status": "Failure",
                    "message": f'dashboards.dashboard.grafana.app "{uid}" not found',
                    "reason": "NotFound",
                    "details": {"name": uid, "group": "dashboard.grafana.app", "kind": "dashboards"},
                    "code": 404,
                },
            )
        return JSONResponse(resource_view(dashboard))
