"""The Jaeger port: the query API below `/api/`, pages everywhere else."""

from deployments.rehearsal.telemetry.legacy_api import LegacyApi
from deployments.rehearsal.telemetry.pages import Pages
from deployments.rehearsal.telemetry.store import TraceStore
from deployments.rehearsal.telemetry.v3_api import V3Api
from deployments.rehearsal.telemetry.web import TEXT, Handler, Request, Response


def jaeger(store: TraceStore) -> Handler:
    """Return the handler of Jaeger's port."""
    legacy, v3, pages = LegacyApi(store), V3Api(store), Pages(store)

    def handle(request: Request) -> Response:
        if request.method != "GET":
            return Response(405, b"Method Not Allowed\n", TEXT)
        match request.segments:
            case ["api", "v3", *path]:
                return v3.handle(path, request)
            case ["api", *path]:
                return legacy.handle(path, request)
            case path:
                return pages.handle(path, request)

    return handle
