"""ECR's repositories as moto holds them: what the image registry and ECR's API have in common.

Manifests and the list of layers live in moto's own repository objects, so that deleting a repository through ECR's
API makes its images unknown to the registry in the same moment.
"""

import hashlib
import threading
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from moto.core.responses import ActionResult
from moto.ecr.exceptions import ImageAlreadyExistsException
from moto.ecr.models import ECRBackend, Image, Repository, ecr_backends
from moto.ecr.responses import ECRResponse

from deployments.rehearsal.cloud.patching import replace
from deployments.rehearsal.cloud.registry_errors import ManifestUnknown, NameUnknown, TagInvalid
from deployments.rehearsal.cloud.tokens import USER, Tokens


def install(registry: str, tokens: Tokens, deleted: Callable[[], None]) -> None:
    """Point ECR's API at the local registry.

    Args:
        registry: Host and port of the registry, the first part of every repository's URI.
        tokens: Where authorization tokens are issued.
        deleted: Called after a repository was deleted.
    """
    original_init = Repository.__init__
    original_delete = ECRBackend.delete_repository

    def init(repository: Repository, *args: object, **kwargs: object) -> None:
        original_init(repository, *args, **kwargs)  # type: ignore[arg-type]  # moto's own arguments, handed on
        repository.uri = f"{registry}/{repository.name}"

    def delete_repository(backend: ECRBackend, *args: object, **kwargs: object) -> Repository:
        repository = original_delete(backend, *args, **kwargs)  # type: ignore[arg-type]  # as above
        deleted()
        return repository

    def get_authorization_token(response: ECRResponse) -> ActionResult:
        registry_ids = response._get_param("registryIds") or [response.current_account]  # noqa: SLF001 (moto's own way)
        data = []
        for _ in registry_ids:
            token, expires = tokens.issue()
            data.append(
                {
                    "authorizationToken": b64encode(f"{USER}:{token}".encode()).decode(),
                    "expiresAt": expires,
                    "proxyEndpoint": f"http://{registry}",
                }
            )
        return ActionResult({"authorizationData": data})

    replace(Repository, "__init__", init)
    replace(ECRBackend, "delete_repository", delete_repository)
    replace(ECRResponse, "get_authorization_token", get_authorization_token)


@dataclass(frozen=True)
class Manifest:
    """A stored manifest: its bytes as pushed, media type and digest."""

    body: bytes
    media_type: str
    digest: str

    @staticmethod
    def digest_of(body: bytes) -> str:
        """Return the digest that names these bytes."""
        return f"sha256:{hashlib.sha256(body).hexdigest()}"


class Repositories:
    """The repositories of one account, in whichever region they were created."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id
        self._lock = threading.Lock()

    def get(self, name: str) -> Repository:
        """Return the repository of that name.

        Raises:
            NameUnknown: ECR has no such repository.
        """
        for backend in list(ecr_backends[self._account_id].values()):
            if name in backend.repositories:
                return backend.repositories[name]
        raise NameUnknown(
            f"The repository with name '{name}' does not exist in the registry with id '{self._account_id}'"
        )

    def layers(self) -> set[str]:
        """Return the digests of all blobs that some repository holds."""
        backends = list(ecr_backends[self._account_id].values())
        return {
            digest for backend in backends for repo in list(backend.repositories.values()) for digest in repo.layers
        }

    def manifest(self, name: str, reference: str) -> Manifest:
        """Return a manifest by its tag or digest.

        Raises:
            NameUnknown: ECR has no such repository.
            ManifestUnknown: It holds no image of that reference.
        """
        for image in list(self.get(name).images):
            if reference == image.image_digest or reference in image.image_tags:
                media_type = image.image_manifest_media_type or "application/json"
                return Manifest(image.image_manifest.encode(), media_type, image.image_digest)
        raise ManifestUnknown(f"Requested image not found: {name}, {reference}")

    def put_manifest(self, name: str, body: bytes, media_type: str, tag: str | None) -> Manifest:
        """Keep a manifest as an ECR image, under a tag or by digest alone; the same again changes nothing.

        Raises:
            NameUnknown: ECR has no such repository.
            TagInvalid: The tag is taken and the repository's tags are immutable.
        """
        digest = Manifest.digest_of(body)
        with self._lock:
            repository = self.get(name)
            images = list(repository.images)
            known = next((image for image in images if image.image_digest == digest), None)
            if known is None or (tag is not None and tag not in known.image_tags):
                self._put(repository, Manifest(body, media_type, digest), tag, images)
        return Manifest(body, media_type, digest)

    def tags(self, name: str) -> list[str]:
        """Return a repository's tags, sorted.

        Raises:
            NameUnknown: ECR has no such repository.
        """
        return sorted(tag for image in list(self.get(name).images) for tag in image.image_tags)

    def _put(self, repository: Repository, manifest: Manifest, tag: str | None, images: list[Image]) -> None:
        if tag is not None and not repository.is_tag_immutable():
            # A tag that moves leaves its old image untagged, as in ECR; moto would delete it.
            for image in images:
                image.remove_tag(tag)
        backend = ecr_backends[self._account_id][repository.region_name]
        text = manifest.body.decode()
        try:
            backend.put_image(
                repository.name,
                text,
                tag,  # type: ignore[arg-type]  # an Image takes None: pushed by digest alone
                manifest.media_type,
                manifest.digest,
            )
        except ImageAlreadyExistsException as error:
            raise TagInvalid(
                f"The image tag '{tag}' already exists in the '{repository.name}' repository and cannot be "
                "overwritten because the repository is immutable"
            ) from error
