"""Ports for everything a rehearsal starts: a block of its own for each home."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterable

from blocks.models.errors import Refused
from deployments.rehearsal import layout

NAMES = (
    "prefect", "aws", "registry", "prometheus", "grafana", "jaeger", "jaeger_otlp", "otlp", "spanmetrics", "exporter", "ssh",
    "api", "rt", "auth", "bet", "worker", "fe", "api_admin", "rt_admin", "auth_admin", "bet_admin", "worker_admin",
)  # fmt: skip
# Below 32768, where Linux begins to choose ports for outgoing connections: those come and go, and may take a server's.
_FIRST, _END, _BLOCK = 20_000, 32_768, 32
_BLOCKS = (_END - _FIRST) // _BLOCK


def choose_ports(wanted: dict[str, int]) -> dict[str, int]:
    """Return a port for each name: the wanted one, else one of the home's block; the same at each start.

    The block follows from the home's path. When any port of it is taken, the next block is used: another stack may have
    it, whose other servers are still to start.

    Raises:
        Refused: a wanted port is taken, or is none, or no block is free.
    """
    for name, port in wanted.items():
        if not _is_free(port):
            raise Refused(
                f"Port {port} for {name} is already taken on this machine; end what listens there, "
                f"or choose another one (or none: a free one is taken)."
            )
    home = int.from_bytes(hashlib.sha256(str(layout.HOME).encode()).digest()[:8])
    for number in range(_BLOCKS):
        first = _FIRST + (home + number) % _BLOCKS * _BLOCK
        block = range(first, first + _BLOCK)
        if _all_free(block) and not set(block) & set(wanted.values()):
            return {**dict(zip(NAMES, block, strict=False)), **wanted}
    raise Refused(
        f"Each block of {_BLOCK} ports from {_FIRST} to {_END - 1} has one that is taken; end what listens there."
    )


def _all_free(ports: Iterable[int]) -> bool:
    return all(_is_free(port) for port in ports)


def _is_free(port: int) -> bool:
    """Whether a server could listen there, on any of this machine's addresses; connections that ended do not count."""
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind(("", port))
        except (OSError, OverflowError):
            return False
    return True
