"""What the stand-in for Grafana is started with."""

from dataclasses import dataclass
from pathlib import Path

VERSION = "12.4.0-standin"
"""The answers have the shape of Grafana 12.4 (../shared/contracts/grafana); the suffix says this is not Grafana."""

COMMIT = "standin"
BANNER = "Stand-in for Grafana: rehearsal only"


@dataclass(frozen=True)
class Settings:
    """Everything the server needs to know at start.

    Attributes:
        port: TCP port on 127.0.0.1.
        root_url: Address put into snapshot links, without a trailing slash.
        prometheus_url: Base address behind the data source `prom-main`.
        jaeger_url: Base address behind the data source `jaeger-main`.
        dashboards: Folder with dashboard JSON files, read as Grafana's file provisioning reads it.
        state: Folder for annotations and snapshots; created when missing.
        editor_token: Bearer token of a service account with the Editor role.
        viewer_token: Bearer token of a service account with the Viewer role; empty means there is none.
    """

    port: int
    root_url: str
    prometheus_url: str
    jaeger_url: str
    dashboards: Path
    state: Path
    editor_token: str
    viewer_token: str = ""
