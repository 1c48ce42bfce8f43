"""Rate limit of the public API: one token bucket, and a header that lets a load test past it."""

import hmac
import time
from collections.abc import Callable

from ebit_shared.web import RefusedError, Request

BYPASS_HEADER = "x-load-test-bypass"
"""Carries the secret of LOAD_TEST_BYPASS."""
EXEMPT = frozenset({"/api/health"})
"""Health checks are never turned away."""


class RateLimiter:
    """Admits `rps` requests a second on average, and a burst of one second's worth.

    Args:
        rps: requests a second.
        bypass: secret that admits a request without a token; empty for none.
        clock: monotonic seconds.
    """

    def __init__(self, rps: float, bypass: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._rps = rps
        self._bypass = bypass
        self._clock = clock
        self._tokens = rps
        self._filled = clock()

    @property
    def rps(self) -> float:
        """Requests a second."""
        return self._rps

    def set_rps(self, rps: float) -> None:
        """Change the rate; tokens above the new burst are lost."""
        self._fill()
        self._rps = rps
        self._tokens = min(self._tokens, rps)

    def check(self, request: Request) -> None:
        """Take a token.

        Raises:
            RefusedError: 429 with Retry-After when there is none.
        """
        if request.path in EXEMPT or self._bypassed(request):
            return
        self._fill()
        if self._tokens < 1:
            raise RefusedError(429, "Too many requests.", {"retry-after": "1"})
        self._tokens -= 1

    def _bypassed(self, request: Request) -> bool:
        given = request.headers.get(BYPASS_HEADER, "")
        return bool(self._bypass) and hmac.compare_digest(given.encode(), self._bypass.encode())

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._rps, self._tokens + (now - self._filled) * self._rps)
        self._filled = now
