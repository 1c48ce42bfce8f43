"""Routes of annotations."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.rehearsal.grafana.access import Access, Role, denied
from deployments.rehearsal.grafana.annotations import DEFAULT_LIMIT, Annotation, Annotations, view
from deployments.rehearsal.grafana.answers import ApiError, Json, plain, read_object
from deployments.rehearsal.grafana.dashboards import DashboardFolder


class AnnotationRoutes:
    """Create, find, change and delete annotations.

    Args:
        access: Tells who asks.
        annotations: The store.
        folder: The dashboards an annotation may belong to.
    """

    def __init__(self, access: Access, annotations: Annotations, folder: DashboardFolder) -> None:
        self._access = access
        self._annotations = annotations
        self._folder = folder

    def routes(self) -> list[Route]:
        """The routes."""
        one = "/api/annotations/{number}"
        return [
            Route("/api/annotations", self._find),
            Route("/api/annotations", self._add, methods=["POST"]),
            Route(one, self._get),
            Route(one, self._change, methods=["PATCH", "PUT"]),
            Route(one, self._delete, methods=["DELETE"]),
        ]

    async def _add(self, request: Request) -> Response:
        if self._access.require_viewer(request) is not Role.EDITOR:
            raise ApiError(403, {"message": "Access denied to this dashboard"})
        known = [dashboard.uid for dashboard in self._folder.all()]
        number = self._annotations.add(await read_object(request), known)
        return JSONResponse({"message": "Annotation added", "id": number})

    async def _find(self, request: Request) -> Response:
        self._access.require_viewer(request)
        wanted = request.query_params
        uid = wanted.get("dashboardUID", "")
        if uid and not self._folder.find(uid):
            raise plain(400, "Invalid dashboard UID in annotation request")
        found = self._annotations.find(
            dashboard_uid=uid,
            from_ms=_number(wanted.get("from")),
            to_ms=_number(wanted.get("to")),
            tags=wanted.getlist("tags"),
            match_any=wanted.get("matchAny") == "true",
            limit=_number(wanted.get("limit")) or DEFAULT_LIMIT,
        )
        return JSONResponse([self._view(item) for item in found])

    async def _get(self, request: Request) -> Response:
        self._access.require_viewer(request)
        return JSONResponse(self._view(self._annotations.get(_id(request))))

    async def _change(self, request: Request) -> Response:
        number = self._writable(request)
        whole = request.method == "PUT"
        self._annotations.change(number, await read_object(request), whole=whole)
        return JSONResponse({"message": "Annotation updated" if whole else "Annotation patched"})

    async def _delete(self, request: Request) -> Response:
        self._annotations.delete(self._writable(request))
        return JSONResponse({"message": "Annotation deleted"})

    def _writable(self, request: Request) -> int:
        """The id of an annotation the caller may change; a viewer learns nothing about which ids exist."""
        if self._access.require_viewer(request) is Role.EDITOR:
            return _id(request)
        try:
            self._annotations.get(_id(request))
        except ApiError as missing:
            raise denied("annotations:write") from missing
        raise ApiError(403, {"message": "Access denied to this dashboard"})

    def _view(self, item: Annotation) -> Json:
        dashboard = self._folder.find(item.dashboard_uid)
        return view(item, dashboard.number if dashboard else 0)


def _id(request: Request) -> int:
    try:
        return int(request.path_params["number"])
    except ValueError as problem:
        raise plain(400, "annotationId is invalid") from problem


def _number(text: str | None) -> int:
    # Grafana reads these leniently: what is not a number counts as absent
    return int(text) if text and text.isdecimal() else 0
