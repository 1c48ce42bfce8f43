"""The image registry: the Registry HTTP API v2 over ECR's repositories as moto holds them.

What `docker login`, `push` and `pull` need, as in the OCI distribution specification: blobs (whole or in chunks, and
mounted from another repository), manifests by tag and digest, the list of tags. As ECR does, it asks for Basic
authentication with a token from `GetAuthorizationToken`, does not make repositories on push, and deletes images only
through ECR's API.
"""

import json
import logging
import re
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response
from werkzeug.wsgi import wrap_file

from deployments.rehearsal.cloud.blobs import DIGEST, Blobs
from deployments.rehearsal.cloud.registry_errors import (
    BlobUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    RegistryError,
    Unauthorized,
    Unsupported,
)
from deployments.rehearsal.cloud.repositories import Manifest, Repositories
from deployments.rehearsal.cloud.tokens import Tokens

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MANIFEST_LIMIT_BYTES = 4 * 1024 * 1024
"""Largest manifest taken; the specification asks registries to accept at least 4 MiB."""

HEADERS = {"Docker-Distribution-Api-Version": "registry/2.0", "X-Stand-In": "Stand-in for ECR: rehearsal only"}

# Repository names are those of ECR_REPOSITORY_NAME_PATTERN in moto.ecr.models; ECR itself refuses all others.
NAME = r"(?P<name>[a-z0-9][a-z0-9._/-]*)"

log = logging.getLogger(__name__)


class Registry:
    """The registry as a WSGI application.

    Args:
        repositories: ECR's repositories.
        blobs: Where layers are kept.
        tokens: The tokens that open the registry.
    """

    def __init__(self, repositories: Repositories, blobs: Blobs, tokens: Tokens) -> None:
        self._repositories = repositories
        self._blobs = blobs
        self._tokens = tokens
        self._commit = threading.Lock()
        self._routes: tuple[tuple[re.Pattern[str], dict[str, Callable[..., Response]]], ...] = (
            (re.compile(r"/v2/?"), {"GET": self._ping, "HEAD": self._ping}),
            (re.compile(rf"/v2/{NAME}/blobs/uploads/?"), {"POST": self._start_upload}),
            (
                re.compile(rf"/v2/{NAME}/blobs/uploads/(?P<upload>[0-9a-f]+)"),
                {
                    "PATCH": self._patch_upload,
                    "PUT": self._finish_upload,
                    "GET": self._upload_status,
                    "DELETE": self._cancel_upload,
                },
            ),
            (re.compile(rf"/v2/{NAME}/blobs/(?P<digest>[^/]+)"), {"GET": self._get_blob, "HEAD": self._get_blob}),
            (
                re.compile(rf"/v2/{NAME}/manifests/(?P<reference>[^/]+)"),
                {"GET": self._get_manifest, "HEAD": self._get_manifest, "PUT": self._put_manifest},
            ),
            (re.compile(rf"/v2/{NAME}/tags/list"), {"GET": self._list_tags}),
        )

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        try:
            response = self._dispatch(request)
        except RegistryError as error:
            response = _refusal(error)
            if isinstance(error, Unauthorized):
                realm = f'Basic realm="{request.host_url}",service="ecr.amazonaws.com"'
                response.headers["WWW-Authenticate"] = realm
        response.headers.extend(HEADERS)
        return response(environ, start_response)

    def forget_unused_blobs(self) -> None:
        """Delete the blobs that no repository holds any more."""
        with self._commit:
            self._blobs.keep_only(self._repositories.layers())

    def _dispatch(self, request: Request) -> Response:
        credentials = request.authorization
        if not credentials or not self._tokens.accepts(credentials.username, credentials.password):
            raise Unauthorized(
                "Your authorization token is missing, unknown or has expired. Reauthenticate and try again."
            )
        for pattern, methods in self._routes:
            match = pattern.fullmatch(request.path)
            if match:
                handler = methods.get(request.method)
                if handler is None:
                    raise Unsupported(f"{request.method} is not supported here")
                return handler(request, **match.groupdict())
        return Response(status=404)

    def _ping(self, _: Request) -> Response:
        return _json({})

    def _start_upload(self, request: Request, name: str) -> Response:
        self._repositories.get(name)
        mounted, source = request.args.get("mount"), request.args.get("from")
        if mounted and source and self._mount(name, mounted, source):
            return _created(f"/v2/{name}/blobs/{mounted}", mounted)
        upload = self._blobs.start(name)
        digest = request.args.get("digest")
        if digest:
            self._blobs.append(upload, name, request.stream)
            return self._finish(name, upload, digest)
        return _accepted(name, upload, 0)

    def _patch_upload(self, request: Request, name: str, upload: str) -> Response:
        self._repositories.get(name)
        size = self._blobs.append(upload, name, request.stream, _offset(request))
        return _accepted(name, upload, size)

    def _finish_upload(self, request: Request, name: str, upload: str) -> Response:
        self._repositories.get(name)
        self._blobs.append(upload, name, request.stream, _offset(request))
        return self._finish(name, upload, request.args.get("digest", ""))

    def _upload_status(self, _: Request, name: str, upload: str) -> Response:
        response = _accepted(name, upload, self._blobs.size(upload, name))
        response.status_code = 204
        return response

    def _cancel_upload(self, _: Request, name: str, upload: str) -> Response:
        self._blobs.cancel(upload, name)
        return Response(status=204)

    def _finish(self, name: str, upload: str, digest: str) -> Response:
        with self._commit:
            size = self._blobs.finish(upload, name, digest)
            self._repositories.get(name).layers[digest] = size
        return _created(f"/v2/{name}/blobs/{digest}", digest)

    def _mount(self, name: str, digest: str, source: str) -> bool:
        with self._commit:
            try:
                size = self._repositories.get(source).layers.get(digest)
            except RegistryError:
                return False
            if size is None:
                return False
            self._repositories.get(name).layers[digest] = size
        return True

    def _get_blob(self, request: Request, name: str, digest: str) -> Response:
        path = self._blobs.path(digest)
        size = self._repositories.get(name).layers.get(digest)
        if size is None or not path.is_file():
            raise BlobUnknown(f"{name} holds no blob {digest}")
        body = [] if request.method == "HEAD" else wrap_file(request.environ, path.open("rb"))
        response = Response(body, mimetype="application/octet-stream", direct_passthrough=True)
        response.headers.update({"Content-Length": str(size), "Docker-Content-Digest": digest})
        return response

    def _get_manifest(self, _: Request, name: str, reference: str) -> Response:
        manifest = self._repositories.manifest(name, reference)
        response = Response(manifest.body, content_type=manifest.media_type)
        response.headers["Docker-Content-Digest"] = manifest.digest
        return response

    def _put_manifest(self, request: Request, name: str, reference: str) -> Response:
        self._repositories.get(name)
        body = request.stream.read(MANIFEST_LIMIT_BYTES + 1)
        if len(body) > MANIFEST_LIMIT_BYTES:
            raise ManifestInvalid(f"seen more than {MANIFEST_LIMIT_BYTES} bytes, wanted at most that many")
        by_digest = DIGEST.fullmatch(reference) is not None
        media_type = self._check(name, body, request.mimetype)
        digest = Manifest.digest_of(body)
        if by_digest and reference != digest:
            raise DigestInvalid(f"seen {digest}, wanted {reference}")
        self._repositories.put_manifest(name, body, media_type, None if by_digest else reference)
        log.info("pushed %s:%s %s", name, reference, digest)
        return _created(f"/v2/{name}/manifests/{digest}", digest)

    def _list_tags(self, _: Request, name: str) -> Response:
        return _json({"name": name, "tags": self._repositories.tags(name)})

    def _check(self, name: str, body: bytes, mimetype: str) -> str:
        """Return the manifest's media type after looking that everything it names was pushed before it."""
        try:
            manifest = json.loads(body)
            blobs = [part["digest"] for part in [*manifest.get("layers", []), manifest.get("config")] if part]
            children = [child["digest"] for child in manifest.get("manifests", [])]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ManifestInvalid("seen no JSON object whose parts have digests, wanted an image manifest") from error
        if not blobs and not children:
            raise ManifestInvalid("seen a manifest that names nothing, wanted a configuration, layers or manifests")
        missing = [digest for digest in blobs if digest not in self._repositories.get(name).layers]
        missing += [digest for digest in children if not self._has_manifest(name, digest)]
        if missing:
            raise ManifestBlobUnknown(f"{name} does not hold {', '.join(missing)}")
        return str(manifest.get("mediaType") or mimetype)

    def _has_manifest(self, name: str, digest: str) -> bool:
        try:
            self._repositories.manifest(name, digest)
        except ManifestUnknown:
            return False
        return True


def _offset(request: Request) -> int | None:
    match = re.match(r"(\d+)-\d+$", request.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _accepted(name: str, upload: str, size: int) -> Response:
    response = Response(status=202)
    response.headers.update(
        {
            "Location": f"/v2/{name}/blobs/uploads/{upload}",
            "Docker-Upload-UUID": upload,
            "Range": f"0-{max(size - 1, 0)}",
        }
    )
    return response


def _created(location: str, digest: str) -> Response:
    response = Response(status=201)
    response.headers.update({"Location": location, "Docker-Content-Digest": digest})
    return response


def _refusal(error: RegistryError) -> Response:
    response = _json({"errors": [{"code": error.code, "message": str(error)}]})
    response.status_code = error.status
    return response


def _json(body: Any) -> Response:  # noqa: ANN401 (whatever JSON can hold)
    return Response(json.dumps(body), content_type="application/json")
