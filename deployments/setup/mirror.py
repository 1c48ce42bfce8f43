"""Providers as they lie in a filesystem mirror, and a mirror of our own that links one of them.

A mirror is laid out as HOST/hashicorp/aws/VERSION/PLATFORM/ (unpacked) or
HOST/hashicorp/aws/terraform-provider-aws_VERSION_PLATFORM.zip (packed):
https://developer.hashicorp.com/terraform/cli/config/config-file#filesystem_mirror
"""

import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deployments.setup.versions import fits, version_key

PROVIDER_MINIMUM = "5.62"  # the first with TF_AWS_DEFAULT_TAGS_*
PREFERRED_MAJOR = "5"  # what the rehearsal's cloud was tried with
HOSTS = ("registry.terraform.io", "registry.opentofu.org")  # the same provider has an address under each
_NAME = Path("hashicorp") / "aws"


@dataclass(frozen=True, slots=True)
class ProviderPackage:
    """The AWS provider of one version for one platform: a folder (unpacked) or a zip."""

    version: str
    platform: str
    path: Path


def packages_in(mirror: Path, platform: str) -> list[ProviderPackage]:
    """The AWS providers for a platform in a mirror, whatever host they are under; none where there is no mirror."""
    packages: list[ProviderPackage] = []
    for folder in sorted(mirror.glob(f"*/{_NAME}")):
        packages += [
            ProviderPackage(unpacked.parent.name, platform, unpacked.resolve())
            for unpacked in sorted(folder.glob(f"*/{platform}"))
            if any(unpacked.glob("terraform-provider-aws*"))
        ]
        packages += [
            ProviderPackage(packed.name.split("_")[1], platform, packed.resolve())
            for packed in sorted(folder.glob(f"terraform-provider-aws_*_{platform}.zip"))
        ]
    return packages


def choose_package(packages: Iterable[ProviderPackage]) -> ProviderPackage | None:
    """The newest of the preferred major version, else the newest; None when all are too old."""
    usable = [package for package in packages if fits(package.version, PROVIDER_MINIMUM)]
    return max(
        usable,
        key=lambda package: (
            version_key(package.version)[:1] == version_key(PREFERRED_MAJOR),
            version_key(package.version),
        ),
        default=None,
    )


def link_package(package: ProviderPackage, mirror: Path) -> None:
    """Make `mirror` a mirror that holds just this package, under the hosts of Terraform and of OpenTofu."""
    shutil.rmtree(mirror, ignore_errors=True)
    for host in HOSTS:
        folder = mirror / host / _NAME
        link = folder / package.path.name if package.path.is_file() else folder / package.version / package.platform
        link.parent.mkdir(parents=True)
        link.symlink_to(package.path)


def cli_configuration(mirror: Path) -> str:
    """A CLI configuration that takes the AWS provider from a mirror, and every other one from its registry."""
    addresses = ", ".join(json.dumps(f"{host}/{_NAME}") for host in HOSTS)
    path = json.dumps(str(mirror), ensure_ascii=False)
    return (
        "# Made by make setup.\n"
        "disable_checkpoint = true\n"
        "provider_installation {\n"
        f"  filesystem_mirror {{\n    path    = {path}\n    include = [{addresses}]\n  }}\n"
        f"  direct {{\n    exclude = [{addresses}]\n  }}\n"
        "}\n"
    )


def folders_named_in(configuration: str) -> list[Path]:
    """The folders a CLI configuration takes providers from: its mirrors, and its plugin cache (laid out alike)."""
    text = re.sub(r"(?m)^\s*(#|//).*$", "", configuration)
    named = re.findall(r'filesystem_mirror\s*\{[^}]*?\bpath\s*=\s*"([^"]+)"', text)
    named += re.findall(r'\bplugin_cache_dir\s*=\s*"([^"]+)"', text)
    return [Path(path).expanduser() for path in named]
