"""Errors of the image registry, with the codes of the OCI distribution specification.

RegistryError
    Unauthorized          401  no token, or one that was not issued here
    NameUnknown           404  no such repository in ECR
    BlobUnknown           404
    BlobUploadUnknown     404
    ManifestUnknown       404
    BlobUploadInvalid     416  a chunk that does not follow the last one
    DigestInvalid         400  the content has another digest
    ManifestInvalid       400  not a manifest
    ManifestBlobUnknown   400  a manifest that names blobs which were not pushed
    TagInvalid            400  the tag is taken and may not be moved
    Unsupported           405
"""

from typing import ClassVar


class RegistryError(Exception):
    """What the registry refuses, as an HTTP status and the specification's error code."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "UNKNOWN"


class Unauthorized(RegistryError):
    """The request carries no valid token."""

    status = 401
    code = "UNAUTHORIZED"


class NameUnknown(RegistryError):
    """ECR has no repository of that name."""

    status = 404
    code = "NAME_UNKNOWN"


class BlobUnknown(RegistryError):
    """The repository does not hold that blob."""

    status = 404
    code = "BLOB_UNKNOWN"


class BlobUploadUnknown(RegistryError):
    """There is no such upload, or it has ended."""

    status = 404
    code = "BLOB_UPLOAD_UNKNOWN"


class ManifestUnknown(RegistryError):
    """The repository holds no manifest of that tag or digest."""

    status = 404
    code = "MANIFEST_UNKNOWN"


class BlobUploadInvalid(RegistryError):
    """The chunk does not start where the last one ended."""

    status = 416
    code = "BLOB_UPLOAD_INVALID"


class DigestInvalid(RegistryError):
    """The content's digest is not the one that was named."""

    status = 400
    code = "DIGEST_INVALID"


class ManifestInvalid(RegistryError):
    """The body is not a manifest."""

    status = 400
    code = "MANIFEST_INVALID"


class ManifestBlobUnknown(RegistryError):
    """The manifest names something the repository does not hold."""

    status = 400
    code = "MANIFEST_BLOB_UNKNOWN"


class TagInvalid(RegistryError):
    """The tag may not be moved to this image."""

    status = 400
    code = "TAG_INVALID"


class Unsupported(RegistryError):
    """The registry does not do this."""

    status = 405
    code = "UNSUPPORTED"
