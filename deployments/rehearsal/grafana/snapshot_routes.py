"""Routes of snapshots."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.rehearsal.grafana.access import Access
from deployments.rehearsal.grafana.answers import Json, read_object
from deployments.rehearsal.grafana.dashboards import DashboardFolder
from deployments.rehearsal.grafana.snapshots import Snapshots

DELETED = "Snapshot deleted. It might take an hour before it's cleared from any CDN caches."


class SnapshotRoutes:
    """Create, read, list and delete snapshots.

    Args:
        access: Tells who asks.
        snapshots: The store.
        folder: The dashboards a snapshot may be of.
        root_url: Address put in front of links.
    """

    def __init__(self, access: Access, snapshots: Snapshots, folder: DashboardFolder, root_url: str) -> None:
        self._access = access
        self._snapshots = snapshots
        self._folder = folder
        self._root_url = root_url

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/api/snapshots", self._add, methods=["POST"]),
            Route("/api/snapshots/{key}", self._read),
            Route("/api/snapshots/{key}", self._delete, methods=["DELETE"]),
            Route("/api/snapshots-delete/{key}", self._delete_by_delete_key),
            Route("/api/dashboard/snapshots", self._list),
        ]

    async def _add(self, request: Request) -> Response:
        self._access.require_editor(request, "snapshots:create")
        dashboards = {dashboard.uid: dashboard for dashboard in self._folder.all()}
        item, key_is_ours = self._snapshots.add(await read_object(request), dashboards)
        body: dict[str, Json] = {
            "deleteKey": item.delete_key,
            "deleteUrl": f"{self._root_url}/api/snapshots-delete/{item.delete_key}",
            "key": item.key,
            "url": f"{self._root_url}/dashboard/snapshot/{item.key}",
        }
        return JSONResponse({**body, "id": item.id} if key_is_ours else body)

    async def _read(self, request: Request) -> Response:
        # no credentials needed: whoever has the key may look; wrong ones are refused all the same
        self._access.role(request)
        return JSONResponse(self._snapshots.read(request.path_params["key"]), headers={"Cache-Control": "no-store"})

    async def _delete(self, request: Request) -> Response:
        self._access.require_editor(request, "snapshots:delete")
        number = self._snapshots.delete(request.path_params["key"])
        return JSONResponse({"message": DELETED, "id": number})

    async def _delete_by_delete_key(self, request: Request) -> Response:
        self._access.require_viewer(request)
        number = self._snapshots.delete_by_delete_key(request.path_params["key"])
        return JSONResponse({"message": DELETED, "id": number})

    async def _list(self, request: Request) -> Response:
        self._access.require_viewer(request)
        return JSONResponse(self._snapshots.listed())
