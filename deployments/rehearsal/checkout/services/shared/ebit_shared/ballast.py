"""Memory a service allocates and keeps, as a leak does; the kernel counts it against the container's limit."""

import asyncio

BLOCK_BYTES = 8 * 1024 * 1024
"""Allocated at a time."""
PAUSE_S = 0.02
"""Between two blocks: the service goes on serving while its memory grows, by 400 MB a second."""


class Ballast:
    """Blocks of memory that are written to, so that they are resident."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._wanted = 0
        self._growing: asyncio.Task[None] | None = None

    @property
    def held_bytes(self) -> int:
        """Bytes kept now."""
        return len(self._kept) * BLOCK_BYTES

    def hold(self, wanted_bytes: int) -> None:
        """Grow to a number of bytes, in whole blocks and in the background, or let go of what is above it."""
        self._wanted = wanted_bytes // BLOCK_BYTES
        del self._kept[self._wanted :]
        if self._growing is None or self._growing.done():
            self._growing = asyncio.get_running_loop().create_task(self._grow())

    async def _grow(self) -> None:
        while len(self._kept) < self._wanted:
            self._kept.append(b"\x01" * BLOCK_BYTES)
            await asyncio.sleep(PAUSE_S)
