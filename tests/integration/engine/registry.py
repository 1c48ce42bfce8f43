"""A tiny Registry v2 in memory with Basic auth: what push, pull and login need, strict about what it is sent."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class TinyRegistry:
    """Blobs and manifests of known repositories.

    Args:
        user: Accepted user.
        password: Accepted password.
        repositories: Repositories that exist; any other is NAME_UNKNOWN, as with ECR.
    """

    def __init__(self, user: str, password: str, repositories: set[str]) -> None:
        self.auth = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.repositories = repositories
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.puts: list[str] = []
        self.host = ""


@contextmanager
def serving(registry: TinyRegistry) -> Iterator[TinyRegistry]:
    class Handler(_Handler):
        store = registry

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry.host = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield registry
        server.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    store: TinyRegistry
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self._handle()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if self.headers.get("Authorization") != self.store.auth:
            self._error(401, "UNAUTHORIZED", "authentication required")
            return
        if path == "/v2/":
            self._answer(200, b"{}")
            return
        repository, _, rest = path.removeprefix("/v2/").partition("/blobs/" if "/blobs/" in path else "/manifests/")
        if repository not in self.store.repositories:
            self._error(404, "NAME_UNKNOWN", f"The repository with name '{repository}' does not exist")
        elif "/manifests/" in path:
            self._manifest(repository, rest, body)
        elif self.command == "POST":
            self._answer(202, b"", {"Location": f"/v2/{repository}/blobs/uploads/1?state=x"})
        elif self.command == "PUT":
            digest = query["digest"][0]
            if digest != "sha256:" + hashlib.sha256(body).hexdigest():
                self._error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
                return
            self.store.blobs[digest] = body
            self.store.puts.append(digest)
            self._answer(201, b"")
        elif rest in self.store.blobs:
            self._answer(200, self.store.blobs[rest])
        else:
            self._error(404, "BLOB_UNKNOWN", "blob unknown to registry")

    def _manifest(self, repository: str, reference: str, body: bytes) -> None:
        if self.command == "PUT":
            wanted = json.loads(body)
            for descriptor in (wanted["config"], *wanted["layers"]):
                if len(self.store.blobs.get(descriptor["digest"], b"")) != descriptor["size"]:
                    self._error(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
                    return
            stored = (self.headers["Content-Type"], body)
            self.store.manifests[repository, reference] = stored
            self.store.manifests[repository, "sha256:" + hashlib.sha256(body).hexdigest()] = stored
            self._answer(201, b"")
        elif (repository, reference) in self.store.manifests:
            media_type, data = self.store.manifests[repository, reference]
            self._answer(200, data, {"Content-Type": media_type})
        else:
            self._error(404, "MANIFEST_UNKNOWN", "manifest unknown")

    def _error(self, status: int, code: str, message: str) -> None:
        self._answer(status, json.dumps({"errors": [{"code": code, "message": message}]}).encode())

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
