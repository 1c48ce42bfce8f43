"""Pages for people, their static files, and the renderer that is not there."""

from importlib import resources
from string import Template

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from deployments.rehearsal.grafana.access import Access, Role
from deployments.rehearsal.grafana.settings import BANNER, VERSION

_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png"}
_PAGES = (
    *("/", "/dashboards", "/explore", "/login"),
    *("/d/{uid}", "/d/{uid}/{slug}", "/d-solo/{uid}/{slug}", "/dashboard/snapshot/{key}"),
)
# nothing from outside this server; eval is what browser automation waits with, and Grafana's own default allows it
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'"
)


class PageRoutes:
    """One page shell for every address; its script reads the address and asks the API.

    A page is therefore 200 for a dashboard that does not exist too, as Grafana's are.

    Args:
        access: Gives the page's visitor the anonymous viewer's cookie.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        static = resources.files("deployments.rehearsal.grafana") / "static"
        self._files = {file.name: file.read_bytes() for file in static.iterdir() if file.is_file()}
        shell = Template(self._files.pop("index.html").decode())
        self._shell = shell.substitute(banner=BANNER, version=VERSION)

    def routes(self) -> list[Route]:
        """The routes, ending with the answer to every unknown address."""
        return [
            *(Route(path, self._page) for path in _PAGES),
            Route("/standin/{name}", self._static),
            Route("/render/{path:path}", self._render),
            Route("/api/{path:path}", self._unknown_api, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            Route("/{path:path}", self._page),
        ]

    async def _page(self, _: Request) -> Response:
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
        return self._access.welcome(Response(self._shell, media_type="text/html", headers=headers))

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        content = self._files.get(name)
        if content is None:
            return Response("not found", status_code=404, media_type="text/plain")
        media_type = _MEDIA_TYPES.get(name[name.rfind(".") :], "application/octet-stream")
        return Response(content, media_type=media_type, headers={"Cache-Control": "max-age=60"})

    async def _render(self, request: Request) -> Response:
        # the trap: 200 with the same small picture for every size and every dashboard, also for one that is not there
        if self._access.role(request) is Role.NONE:
            return RedirectResponse("/login", status_code=302)
        numbers = (request.query_params.get(key, "0") for key in ("width", "height", "timeout"))
        if not all(number.removeprefix("-").isdecimal() for number in numbers):
            return Response("", status_code=400, media_type="text/html")
        return Response(self._files["no_renderer.png"], media_type="image/png")

    async def _unknown_api(self, request: Request) -> Response:
        self._access.require_viewer(request)
        return JSONResponse({"message": "Not found"}, status_code=404)
