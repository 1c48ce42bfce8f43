"""The two data sources: what is told about them, and whether their servers answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from deployments.rehearsal.grafana.answers import Json
from deployments.rehearsal.grafana.upstream import Upstream, UpstreamFailed

PROMETHEUS_UID = "prom-main"
JAEGER_UID = "jaeger-main"

SCRAPE_INTERVAL = "2500ms"
"""`timeInterval` of the Prometheus data source. Grafana's `$__rate_interval` is at least four times this: 10 s, the
window that guard and facts/k6.md use. Must equal provisioning/datasources of the checkout."""


@dataclass(frozen=True)
class DataSource:
    """One data source and the server behind it."""

    number: int
    uid: str
    name: str
    kind: str
    upstream: Upstream
    is_default: bool
    json_data: dict[str, Json]

    def listed(self) -> dict[str, Json]:
        """The item of `GET /api/datasources`."""
        return {
            "id": self.number,
            "uid": self.uid,
            "orgId": 1,
            "name": self.name,
            "type": self.kind,
            "typeName": self.name,
            "typeLogoUrl": f"public/app/plugins/datasource/{self.kind}/img/{self.kind}_logo.svg",
            "access": "proxy",
            "url": self.upstream.url,
            "user": "",
            "database": "",
            "basicAuth": False,
            "isDefault": self.is_default,
            "jsonData": self.json_data,
            "readOnly": True,
        }

    def full(self) -> Json:
        """Body of `GET /api/datasources/uid/:uid`."""
        listed = {key: value for key, value in self.listed().items() if key != "typeName"}
        return {
            **listed,
            "typeLogoUrl": "",
            "basicAuthUser": "",
            "withCredentials": False,
            "secureJsonFields": {},
            "version": 1,
        }


def data_sources(client: httpx.AsyncClient, prometheus_url: str, jaeger_url: str) -> dict[str, DataSource]:
    """The data sources by uid, sorted by name as Grafana lists them."""
    jaeger = DataSource(
        number=2,
        uid=JAEGER_UID,
        name="Jaeger",
        kind="jaeger",
        upstream=Upstream(client, jaeger_url),
        is_default=False,
        json_data={},
    )
    prometheus = DataSource(
        number=1,
        uid=PROMETHEUS_UID,
        name="Prometheus",
        kind="prometheus",
        upstream=Upstream(client, prometheus_url),
        is_default=True,
        json_data={
            "httpMethod": "POST",
            "timeInterval": SCRAPE_INTERVAL,
            "exemplarTraceIdDestinations": [{"name": "trace_id", "datasourceUid": JAEGER_UID}],
        },
    )
    return {JAEGER_UID: jaeger, PROMETHEUS_UID: prometheus}


async def check_health(source: DataSource) -> tuple[int, Json]:
    """Status and body of `GET /api/datasources/uid/:uid/health`: 200 OK, 400 when the server does not answer well."""
    check = _CHECKS[source.kind]
    try:
        return 200, await check(source.upstream)
    except UpstreamFailed as failure:
        suffix = " - There was an error returned querying the Prometheus API." if source.kind == "prometheus" else ""
        return 400, {"message": f"{failure.message}{suffix}", "status": "ERROR"}


async def _check_prometheus(upstream: Upstream) -> Json:
    await upstream.send("POST", "/api/v1/query", {"query": "1+1"})
    return {
        "status": "OK",
        "message": "Successfully queried the Prometheus API.",
        "details": {"application": "Prometheus", "features": {"rulerApiEnabled": False}},
    }


async def _check_jaeger(upstream: Upstream) -> Json:
    await upstream.send("GET", "/api/services", {})
    return {"status": "OK", "message": "Data source is working"}


_CHECKS: dict[str, Callable[[Upstream], Awaitable[Json]]] = {
    "prometheus": _check_prometheus,
    "jaeger": _check_jaeger,
}
