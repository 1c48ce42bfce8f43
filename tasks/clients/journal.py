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

_FULL = {errno.ENOSPC, errno.EDQUOT}
# Room for thousands of lines; it is given back in parts, because whatever else fills the disk takes what a line leaves over.
_RESERVE_BYTES, _PART_BYTES = 2 * 2**20, 32 * 2**10


class Journal:
    """Appends to and reads ``journal.jsonl`` of a run.

    Args:
        path: the file; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reserve = path.with_name("journal.reserve")

    def reserve(self) -> None:
        """Keep room on the disk for the lines of the ending: a run that cannot write them is not taken down."""
        self._reserve.write_bytes(bytes(_RESERVE_BYTES))

    def append(self, phase: str, kind: Kind, **data: Any) -> Event:  # noqa: ANN401 - JSON values
        """Write one event and return it; it is on the disk when this returns.

        An exclusive lock serialises writers; a line torn by a crash is ended first so that it costs only itself. On a full
        disk it takes the room that was reserved.

        Raises:
            OSError: it could not be written, for one because the disk and the reserve are full; nothing of it is there then.
        """
        event = Event(at=datetime.now(UTC), mono_s=time.monotonic(), pid=os.getpid(), phase=phase, kind=kind, data=data)
        line = json.dumps(event.model_dump(mode="json"), sort_keys=True, ensure_ascii=False).encode() + b"\n"
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            text = b"\n" + line if torn else line
            while not _fits(descriptor, text, size):
                if not self._give_back(len(text)):
                    raise OSError(errno.ENOSPC, "The journal could not be written", str(self.path))
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

    def _give_back(self, needed: int) -> bool:
        """Free a part of the reserve; returns whether there was any."""
        left = self._reserve.stat().st_size if self._reserve.exists() else 0
        if left:
            os.truncate(self._reserve, max(0, left - _PART_BYTES - needed))
        return left > 0


def _fits(descriptor: int, text: bytes, size: int) -> bool:
    """Write at the end of a file of this size, to the disk; what a full disk took of it is taken back."""
    try:
        if os.write(descriptor, text) == len(text):
            os.fsync(descriptor)
            return True
    except OSError as error:
        if error.errno not in _FULL:
            raise
    os.ftruncate(descriptor, size)
    return False
