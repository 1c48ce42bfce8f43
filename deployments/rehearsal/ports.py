"""Free ports for everything the rehearsal starts."""

from __future__ import annotations

import socket

from blocks.models.errors import Refused
from deployments.rehearsal.layout import LOCALHOST

NAMES = (
    "prefect", "aws", "registry", "prometheus", "grafana", "jaeger", "jaeger_otlp", "otlp", "spanmetrics", "exporter", "ssh",
    "api", "rt", "auth", "bet", "worker", "fe", "api_admin", "rt_admin", "auth_admin", "bet_admin", "worker_admin",
)  # fmt: skip


def choose_ports(wanted: dict[str, int]) -> dict[str, int]:
    """Return a port for each name: the wanted one, else a free one.

    Raises:
        Refused: a wanted port is taken, or is none.
    """
    held: list[socket.socket] = []
    chosen: dict[str, int] = {}
    try:
        for name in NAMES:
            opened = socket.socket()
            held.append(opened)
            port = wanted.get(name, 0)
            try:
                opened.bind((LOCALHOST, port))
            except (OSError, OverflowError) as error:
                raise Refused(
                    f"Port {port} for {name} is already taken on this machine; end what listens there, "
                    f"or choose another one (or none: a free one is taken)."
                ) from error
            chosen[name] = int(opened.getsockname()[1])
    finally:
        for opened in held:
            opened.close()
    return chosen
