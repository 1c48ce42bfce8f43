"""Start the stand-in: `python -m deployments.rehearsal.grafana --port P --prometheus-url U --jaeger-url U ...`."""

import argparse
import os
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from deployments.rehearsal.grafana.app import build_app
from deployments.rehearsal.grafana.settings import Settings

HOST = "127.0.0.1"
BACKLOG = 128
# A real Grafana has its own cores; here its answers wait for the load and for the guard's questions to Prometheus.
NICENESS = 10


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    Returns:
        0 after a clean stop, 2 when the arguments or the environment cannot be used (one sentence on stderr).
    """
    try:
        settings = _settings(_parser().parse_args())
        listener = _listen(settings.port)
    except ValueError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    # uvicorn raises the signal again after it has stopped: these handlers make that end with exit code 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    os.nice(NICENESS)
    config = uvicorn.Config(
        build_app(settings),
        loop="asyncio",
        http="h11",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deployments.rehearsal.grafana", description="Stand-in for Grafana")
    parser.add_argument("--port", type=int, required=True, help="TCP port on 127.0.0.1")
    parser.add_argument("--prometheus-url", required=True, help="address behind data source prom-main")
    parser.add_argument("--jaeger-url", required=True, help="address behind data source jaeger-main")
    parser.add_argument("--dashboards", type=Path, required=True, help="folder with dashboard JSON files")
    parser.add_argument("--state", type=Path, required=True, help="folder for annotations and snapshots")
    parser.add_argument("--root-url", default="", help="address used in links; default http://127.0.0.1:PORT")
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    token = os.environ.get("GRAFANA_TOKEN", "")
    if not token:
        raise ValueError(
            "GRAFANA_TOKEN is empty; the stand-in for Grafana needs a token for its Editor account: set it."
        )
    if not arguments.dashboards.is_dir():
        raise ValueError(
            f"--dashboards {arguments.dashboards} is not a folder; name the folder with dashboard JSON files."
        )
    arguments.state.mkdir(parents=True, exist_ok=True)
    return Settings(
        port=arguments.port,
        root_url=(arguments.root_url or f"http://{HOST}:{arguments.port}").rstrip("/"),
        prometheus_url=arguments.prometheus_url.rstrip("/"),
        jaeger_url=arguments.jaeger_url.rstrip("/"),
        dashboards=arguments.dashboards,
        state=arguments.state,
        editor_token=token,
        viewer_token=os.environ.get("GRAFANA_VIEWER_TOKEN", ""),
    )


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as problem:
        listener.close()
        raise ValueError(f"Port {port} on {HOST} cannot be used ({problem.strerror}); choose another one.") from problem
    listener.listen(BACKLOG)
    return listener


if __name__ == "__main__":
    sys.exit(main())
