"""One certificate authority instead of all: Prefect's client reads its bundle anew for each client it makes.

A run makes hundreds of clients, and the whole bundle costs 40 ms of CPU each time, also on plain HTTP, where no certificate
is looked at.
"""

from __future__ import annotations

import os
from pathlib import Path

import certifi

_END = "-----END CERTIFICATE-----\n"


def one_authority(tools: Path) -> Path:
    """Return a file with the first authority of the bundle, for ``PREFECT_API_SSL_CERT_FILE``; kept beside the tools."""
    file = tools / "prefect" / "authority.pem"
    if not file.is_file():
        bundle = Path(certifi.where()).read_text()
        part = file.with_name(f"authority.{os.getpid()}.part")
        part.write_text(bundle[bundle.index("-----BEGIN CERTIFICATE-----") : bundle.index(_END) + len(_END)])
        part.replace(file)
    return file
