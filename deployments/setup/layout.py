"""Where setup puts things: everything is inside the checkout and may be deleted (`make clean`)."""

import platform
import sys
from dataclasses import dataclass
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders and files of one checkout; `root` is absolute."""

    root: Path

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """Python of the virtual environment."""
        return self.venv / "bin" / "python"

    @property
    def lock_file(self) -> Path:
        """The exact versions pip installs."""
        return self.root / "requirements.lock"

    @property
    def tools(self) -> Path:
        """Everything that is not a Python package."""
        return self.root / ".tools"

    @property
    def bin(self) -> Path:
        """Links and wrappers, one for each tool; goes first on PATH."""
        return self.tools / "bin"

    @property
    def tools_json(self) -> Path:
        """Name -> path, version, source: what the rehearsal reads."""
        return self.tools / "tools.json"

    @property
    def terraformrc(self) -> Path:
        """CLI configuration for Terraform or OpenTofu."""
        return self.tools / "terraformrc"

    @property
    def provider_mirror(self) -> Path:
        """A filesystem mirror that serves the AWS provider to Terraform and to OpenTofu."""
        return self.tools / "provider-mirror"

    @property
    def plugin_cache(self) -> Path:
        """Where a provider fetched from its registry is kept."""
        return self.tools / "plugin-cache"

    @property
    def npm_cache(self) -> Path:
        """The cache `npm ci` of the rehearsal uses."""
        return self.tools / "npm-cache"

    @property
    def prefect_database(self) -> Path:
        """An empty database of Prefect's server."""
        return self.tools / "prefect" / "prefect.db"

    @property
    def stamp(self) -> Path:
        """What the last complete setup was made from."""
        return self.tools / "stamp"


def platform_name() -> str:
    """This machine as Go programs name it, such as `linux_amd64`; unknown machines keep their own name."""
    machine = platform.machine().lower()
    return f"{sys.platform}_{_ARCHITECTURES.get(machine, machine)}"
