"""The append-only log of a run: one event a line, safe with several writers and after a crash."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from blocks.models.event import Event, Kind


class Journal:
    """Appends to and reads ``journal.jsonl`` of a run.

    Args:
        path: the file; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, phase: str, kind: Kind, **data: Any) -> Event:  # noqa: ANN401 - JSON values
        """Write one event and return it; it is on the disk when this returns.

        An exclusive lock serialises writers; a line torn by a crash is ended first so that it costs only itself.

        Raises:
            OSError: it could not be written, for one because the disk is full; nothing of it is there then.
        """
        event = Event(at=datetime.now(UTC), mono_s=time.monotonic(), pid=os.getpid(), phase=phase, kind=kind, data=data)
        line = json.dumps(event.model_dump(mode="json"), sort_keys=True, ensure_ascii=False).encode() + b"\n"
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            text = b"\n" + line if torn else line
            if os.write(descriptor, text) < len(text):
                # A full disk takes a part: it is taken back, so that no torn line stays.
                os.ftruncate(descriptor, size)
                raise OSError(errno.ENOSPC, "The journal could not be written", str(self.path))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return event

    def read(self) -> tuple[tuple[Event, ...], int]:
        """Return the readable events and the number of lines that could not be read."""
        if not self.path.exists():
            return (), 0
        events: list[Event] = []
        unreadable = 0
        for line in self.path.read_bytes().splitlines():
            try:
                events.append(Event.model_validate_json(line))
            except ValidationError:
                unreadable += 1
        return tuple(events), unreadable
