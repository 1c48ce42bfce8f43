"""The application: which address is answered by what."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from deployments.rehearsal.grafana.access import Access
from deployments.rehearsal.grafana.annotation_routes import AnnotationRoutes
from deployments.rehearsal.grafana.annotations import Annotations
from deployments.rehearsal.grafana.answers import ApiError, answer_api_error
from deployments.rehearsal.grafana.dashboard_routes import DashboardRoutes
from deployments.rehearsal.grafana.dashboards import DashboardFolder
from deployments.rehearsal.grafana.datasource_routes import DataSourceRoutes
from deployments.rehearsal.grafana.datasources import data_sources
from deployments.rehearsal.grafana.page_routes import PageRoutes
from deployments.rehearsal.grafana.server_routes import ServerRoutes
from deployments.rehearsal.grafana.settings import Settings
from deployments.rehearsal.grafana.snapshot_routes import SnapshotRoutes
from deployments.rehearsal.grafana.snapshots import Snapshots

UPSTREAM_TIMEOUT_S = 30
"""Bound of one call to Prometheus or Jaeger: Grafana's default `dataproxy.timeout`."""


def build_app(settings: Settings) -> Starlette:
    """Put the stand-in together; the state folder must exist."""
    # trust_env off: a proxy in the environment must not get requests meant for this machine
    client = httpx.AsyncClient(timeout=UPSTREAM_TIMEOUT_S, trust_env=False)
    access = Access(settings)
    folder = DashboardFolder(settings.dashboards)
    sources = data_sources(client, settings.prometheus_url, settings.jaeger_url)
    state: Path = settings.state

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await client.aclose()

    # the pages come last: they end with the answer to an unknown address
    routes: list[BaseRoute] = [
        *ServerRoutes(access, settings, sources).routes(),
        *DashboardRoutes(access, folder).routes(),
        *DataSourceRoutes(access, sources).routes(),
        *AnnotationRoutes(access, Annotations(state / "annotations.jsonl"), folder).routes(),
        *SnapshotRoutes(access, Snapshots(state / "snapshots"), folder, settings.root_url).routes(),
        *PageRoutes(access).routes(),
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={ApiError: answer_api_error})
