"""Access tokens: JWT with HS256 (RFC 7519), made and checked with the standard library."""

import base64
import hashlib
import hmac
import json
import time

LIFETIME_S = 4 * 3600
"""Longer than any load test, so that a virtual user signs in once."""

_HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")


class BadTokenError(Exception):
    """The token is malformed, was signed with another secret, or is over its time."""


def issue(subject: str, secret: str, *, now: float | None = None) -> str:
    """Make a token for a user.

    Args:
        subject: user id.
        secret: signing secret.
        now: Unix time, seconds; None for the clock.
    """
    issued = int(time.time() if now is None else now)
    claims = {"sub": subject, "iat": issued, "exp": issued + LIFETIME_S}
    signed = _HEADER + b"." + base64.urlsafe_b64encode(json.dumps(claims, separators=(",", ":")).encode()).rstrip(b"=")
    return (signed + b"." + _sign(signed, secret)).decode()


def verify(token: str, secret: str, *, now: float | None = None) -> str:
    """Subject of a good token.

    Raises:
        BadTokenError: it is not good.
    """
    signed, _, signature = token.encode("utf-8", "replace").rpartition(b".")
    if not hmac.compare_digest(_sign(signed, secret), signature):
        raise BadTokenError("The token's signature is wrong.")
    # Only what carries our signature is parsed.
    payload = signed.partition(b".")[2]
    claims = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    if claims["exp"] <= (time.time() if now is None else now):
        raise BadTokenError("The token has expired.")
    return str(claims["sub"])


def bearer(authorization: str) -> str:
    """Token in an Authorization header; empty when there is none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _sign(signed: bytes, secret: str) -> bytes:
    return base64.urlsafe_b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).rstrip(b"=")
