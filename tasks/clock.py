"""Waiting for a moment while the load may be stopped under one's feet."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from tasks.watch import LoadWatch

_POLL_S = 0.2


def wait_until(moment: datetime, watch: LoadWatch) -> bool:
    """Wait for a moment; return False as soon as the load may not go on."""
    while datetime.now(UTC) < moment:
        if not watch.may_start():
            return False
        time.sleep(_POLL_S)
    return watch.may_start()
