"""Image references: `127.0.0.1:5000/ebit-api-core:tag@sha256:...` taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deployments.rehearsal.engine.errors import EngineError

_FORM = re.compile(
    r"^(?P<name>(?:[A-Za-z0-9.\-]+(?::\d+)?/)?[a-z0-9._\-]+(?:/[a-z0-9._\-]+)*)"
    r"(?::(?P<tag>\w[\w.\-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?$"
)


@dataclass(frozen=True)
class Reference:
    """One name of an image.

    Attributes:
        name: Registry and repository as typed, without tag and digest.
        tag: Tag; `latest` if neither tag nor digest was given, empty if only a digest was.
        digest: `sha256:...` of the manifest, or empty.
    """

    name: str
    tag: str
    digest: str

    @property
    def registry(self) -> str:
        """Host and port; empty for a name without one (docker.io, which the stand-in never contacts)."""
        first, slash, _ = self.name.partition("/")
        is_host = bool(slash) and (first == "localhost" or "." in first or ":" in first)
        return first if is_host else ""

    @property
    def repository(self) -> str:
        """Path inside the registry."""
        return self.name[len(self.registry) :].lstrip("/")

    @property
    def tagged(self) -> str:
        """`name:tag`."""
        return f"{self.name}:{self.tag}"

    @property
    def in_registry(self) -> str:
        """What the registry is asked for: the digest when there is one, else the tag."""
        return self.digest or self.tag


def parse_reference(text: str) -> Reference:
    """Takes a reference apart.

    Raises:
        EngineError: It is none.
    """
    match = _FORM.match(text)
    if not match:
        raise EngineError("invalid reference format")
    digest = match["digest"] or ""
    return Reference(match["name"], match["tag"] or ("" if digest else "latest"), digest)
