"""Who is asking: service-account tokens, and the anonymous viewer of the pages."""

import base64
import binascii
import hmac
import secrets
from enum import IntEnum

from starlette.requests import Request
from starlette.responses import Response

from deployments.rehearsal.grafana.answers import ApiError, coded, plain
from deployments.rehearsal.grafana.settings import Settings

COOKIE = "grafana_anonymous"


class Role(IntEnum):
    """Roles in rising order of what they may do."""

    NONE = 0
    VIEWER = 1
    EDITOR = 2


class Access:
    """Tells the role of a request.

    A page hands the browser a cookie, and the cookie makes its API calls those of an anonymous viewer. API calls
    with neither token nor cookie are refused, as on a Grafana without anonymous access.

    Args:
        settings: Holds the tokens.
    """

    def __init__(self, settings: Settings) -> None:
        self._tokens = {settings.editor_token: Role.EDITOR}
        if settings.viewer_token:
            self._tokens[settings.viewer_token] = Role.VIEWER
        self._cookie = secrets.token_hex(16)

    def role(self, request: Request) -> Role:
        """The role of a request; `NONE` without credentials.

        Raises:
            ApiError: 401 when credentials are given and wrong.
        """
        header = request.headers.get("authorization", "")
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "bearer":
            return self._by_token(value.strip())
        if scheme.lower() == "basic":
            return self._by_basic(value.strip())
        if hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), self._cookie.encode()):
            return Role.VIEWER
        return Role.NONE

    def require_viewer(self, request: Request) -> Role:
        """The role of a request that needs any credentials.

        Raises:
            ApiError: 401 when there are none.
        """
        role = self.role(request)
        if role is Role.NONE:
            raise ApiError(401, {"message": "Unauthorized"})
        return role

    def require_editor(self, request: Request, permission: str) -> None:
        """Refuse who may only look.

        Args:
            request: The request.
            permission: Grafana's name of the permission, quoted in the answer, e.g. `snapshots:create`.

        Raises:
            ApiError: 401 without credentials, 403 for a viewer.
        """
        if self.require_viewer(request) is not Role.EDITOR:
            raise denied(permission)

    def welcome(self, response: Response) -> Response:
        """Give a page's response the anonymous viewer's cookie."""
        response.set_cookie(COOKIE, self._cookie, httponly=True, samesite="strict")
        return response

    def _by_token(self, token: str) -> Role:
        if not token:
            raise plain(401, "Invalid Basic Auth Header")
        for known, role in self._tokens.items():
            if hmac.compare_digest(token.encode(), known.encode()):
                return role
        raise coded(401, "api-key.invalid", "Invalid API key")

    def _by_basic(self, value: str) -> Role:
        # Grafana takes a service-account token as the password of the user api_key; there are no other users here
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user, password = "", ""
        if user != "api_key":
            raise plain(401, "invalid username or password")
        return self._by_token(password)


def denied(permission: str) -> ApiError:
    """The answer to a caller whose role lacks a permission."""
    return ApiError(
        403,
        {
            "accessErrorId": f"ACE{secrets.randbelow(10**10):010d}",
            "message": f"You'll need additional permissions to perform this action. Permissions needed: {permission}",
            "title": "Access denied",
        },
    )
