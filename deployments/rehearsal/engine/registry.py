"""Registry v2 over HTTP: the calls push, pull and login need."""

from __future__ import annotations

import http.client
import ipaddress
import json
from urllib.parse import urlsplit

from deployments.rehearsal.engine.errors import EngineError, RegistryRefused
from deployments.rehearsal.engine.images import MANIFEST_TYPE

TIMEOUT_S = 30.0
"""Longest wait for one answer; a registry on the same machine answers in milliseconds."""

_ACCEPTED = (
    f"{MANIFEST_TYPE}, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"
)
_UNAUTHORIZED, _NOT_FOUND, _ERRORS = 401, 404, 400


class Registry:
    """One registry on this machine, with the credentials of one login.

    Docker treats 127.0.0.0/8 as "insecure" and speaks HTTP to it; nothing else is ever contacted from here.

    Args:
        host: Host and port.
        auth: Base64 of `user:password`; empty = anonymous.

    Raises:
        EngineError: The host is not this machine.
    """

    def __init__(self, host: str, auth: str) -> None:
        if not _is_loopback(host):
            raise EngineError(
                f"Error response from daemon: stand-in engine: registry '{host or 'docker.io'}' is not on this machine; "
                "only registries on 127.0.0.1 are contacted"
            )
        self._host, self._auth = host, auth
        self._connection = http.client.HTTPConnection(host, timeout=TIMEOUT_S)

    def login_status(self) -> int:
        """Asks `/v2/` and returns the HTTP status: 200 = the credentials are good."""
        return self._request("GET", "/v2/", tolerate=True)[0]

    def has_blob(self, repository: str, digest: str) -> bool:
        """Says whether the registry has a blob."""
        return self._request("HEAD", f"/v2/{repository}/blobs/{digest}", missing_is_fine=True)[0] != _NOT_FOUND

    def put_blob(self, repository: str, digest: str, data: bytes) -> None:
        """Uploads a blob in one piece (POST, then PUT with the digest)."""
        _, headers, _ = self._request("POST", f"/v2/{repository}/blobs/uploads/", b"")
        place = urlsplit(headers["location"])
        query = f"{place.query}&digest={digest}" if place.query else f"digest={digest}"
        self._request("PUT", f"{place.path}?{query}", data, {"Content-Type": "application/octet-stream"})

    def put_manifest(self, repository: str, reference: str, manifest: bytes, media_type: str) -> None:
        """Uploads a manifest under a tag or digest."""
        self._request("PUT", f"/v2/{repository}/manifests/{reference}", manifest, {"Content-Type": media_type})

    def manifest(self, repository: str, reference: str) -> bytes:
        """Fetches a manifest, or a list of them, by tag or digest."""
        return self._request("GET", f"/v2/{repository}/manifests/{reference}", None, {"Accept": _ACCEPTED})[2]

    def blob(self, repository: str, digest: str) -> bytes:
        """Fetches a blob."""
        return self._request("GET", f"/v2/{repository}/blobs/{digest}")[2]

    def _request(  # noqa: PLR0913
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        missing_is_fine: bool = False,
        tolerate: bool = False,
    ) -> tuple[int, dict[str, str], bytes]:
        sent = dict(headers or {})
        if self._auth:
            sent["Authorization"] = f"Basic {self._auth}"
        try:
            self._connection.request(method, path, body, sent)
            answer = self._connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(
                f'Error response from daemon: {method.capitalize()} "http://{self._host}{path}": {error}'
            ) from error
        fine = answer.status < _ERRORS or tolerate or (missing_is_fine and answer.status == _NOT_FOUND)
        if not fine:
            if answer.status == _UNAUTHORIZED and not self._auth:
                raise EngineError("no basic auth credentials")
            raise _refusal(answer.status, answer.reason, data)
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, data


def _refusal(status: int, reason: str, data: bytes) -> RegistryRefused:
    try:
        first = json.loads(data)["errors"][0]
        return RegistryRefused(status, str(first["code"]), str(first.get("message", reason)))
    except (ValueError, LookupError, TypeError):
        code = {401: "unauthorized", 403: "denied"}.get(status, "")
        return RegistryRefused(status, code, reason)


def _is_loopback(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
