"""The front end: one static page."""

from pathlib import Path

from ebit_shared import serve
from ebit_shared.telemetry import Telemetry
from ebit_shared.web import Answer, Application, Request, reply


def build(_: Telemetry) -> serve.Service:
    """Make the service; the page is read once."""
    page = Path(__file__).with_name("index.html").read_bytes()

    async def index(_: Request) -> Answer:
        return Answer(200, page, "text/html; charset=utf-8", {"cache-control": "max-age=60"})

    async def health(_: Request) -> Answer:
        return reply(200, {"status": "ok"})

    return serve.Service(Application({("GET", "/"): index, ("GET", "/health"): health}))


if __name__ == "__main__":
    serve.run("fe", build)
