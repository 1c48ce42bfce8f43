"""One line per request: `2026-01-31T12:00:00.123Z POST /api/auth/signin 200 12.3` (time received, ms taken)."""

import contextlib
import os
from datetime import UTC, datetime
from typing import TextIO


class RequestLog:
    """Appends to the file named by REQUEST_LOG; does nothing when that is unset."""

    def __init__(self) -> None:
        path = os.environ.get("REQUEST_LOG")
        self._file: TextIO | None = open(path, "a", buffering=1, encoding="utf-8") if path else None  # noqa: PTH123, SIM115 - open as long as the process

    def write(self, received: float, method: str, path: str, status: int, took_ms: float) -> None:
        """Add a line.

        Args:
            received: Unix time at which the request arrived, seconds.
            method: HTTP method.
            path: path without its query, which may hold a token.
            status: answer given.
            took_ms: time to the answer, milliseconds.
        """
        if self._file is None:
            return
        at = datetime.fromtimestamp(received, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        # A full disk must not fail requests.
        with contextlib.suppress(OSError):
            self._file.write(f"{at} {method} {path} {status} {took_ms:.1f}\n")
