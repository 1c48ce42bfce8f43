"""Passwords of the image registry: issued by ECR's API, asked for by the registry."""

import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

LIFETIME = timedelta(hours=12)
"""How long an ECR authorization token is valid (AWS: GetAuthorizationToken)."""

USER = "AWS"
"""The user name that ECR's registries expect."""


class Tokens:
    """The tokens that are valid now.

    Args:
        now: The clock; a test gives its own.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._expiry: dict[str, datetime] = {}

    def issue(self) -> tuple[str, datetime]:
        """Return a new token and when it ends."""
        token, expires = secrets.token_urlsafe(48), self._now() + LIFETIME
        with self._lock:
            self._expiry = {known: end for known, end in self._expiry.items() if end > self._now()}
            self._expiry[token] = expires
        return token, expires

    def accepts(self, user: str | None, token: str | None) -> bool:
        """Tell whether this user name and token open the registry."""
        with self._lock:
            expires = self._expiry.get(token or "")
        return user == USER and expires is not None and self._now() < expires
