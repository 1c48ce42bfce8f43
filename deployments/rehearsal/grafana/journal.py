"""A file of JSON lines that outlives a restart: the stand-in's database."""

import json
from pathlib import Path
from typing import Any


class Lines:
    """Append-only JSON lines.

    Args:
        file: The file; created with the first line.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> list[dict[str, Any]]:
        """All lines that can be read; a torn last line of a killed process is skipped."""
        if not self._file.exists():
            return []
        found = []
        for line in self._file.read_text().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def append(self, entry: dict[str, Any]) -> None:
        """Add one line, on a line of its own even after a torn one."""
        with self._file.open("ab+") as stream:
            torn = stream.tell() > 0 and not _ends_with_newline(self._file)
            stream.write((b"\n" if torn else b"") + json.dumps(entry).encode() + b"\n")


def _ends_with_newline(file: Path) -> bool:
    with file.open("rb") as stream:
        stream.seek(-1, 2)
        return stream.read(1) == b"\n"
