"""The AWS provider: found on this machine or fetched by `init`, then offered through `.tools/terraformrc`.

Sources in order: the CLI configuration that is in force, the plugin cache, Terraform's implied folders, any
hashicorp/aws on this file system, the registry. The first that a real `init` accepts is taken.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from deployments.setup.installed import Found
from deployments.setup.layout import Layout, platform_name
from deployments.setup.mirror import (
    PROVIDER_MINIMUM,
    ProviderPackage,
    choose_package,
    cli_configuration,
    folders_named_in,
    link_package,
    packages_in,
)
from deployments.setup.problems import ProviderMissing
from deployments.setup.processes import Finished, run

_INIT_LIMIT_S = 60.0
_SEARCH_LIMIT_S = 30.0
_REFUSAL_LINES = 4  # an error of Terraform: its title, and a paragraph
_REGISTRY_VERSION = "5.100.0"  # the version the rehearsal was tried with
_NO_FOLDER_OF = {".terraform", ".tools", "node_modules"}  # another checkout's: may be gone tomorrow


def provide_provider(terraform: Found, layout: Layout, environ: Mapping[str, str]) -> Found:
    """Make `.tools/terraformrc` serve the AWS provider to this Terraform or OpenTofu; raises ProviderMissing."""
    tried: list[str] = []
    for source, folder in mirrors(environ, layout):
        packages = packages_in(folder, platform_name())
        package = choose_package(packages)
        if package is None:
            tried += [f"{old.path} is {old.version}" for old in packages]
            continue
        answer = _offer(package, terraform, layout, environ)
        if answer.ok:
            return Found(package.path, package.version, source)
        tried.append(f"init refused {package.path} ({refusal(answer)})")
    for source, configuration in _fetching_configurations(environ):
        answer = _fetch(terraform, layout, environ, configuration)
        fetched = choose_package(packages_in(layout.plugin_cache, platform_name()))
        if fetched is not None and answer.ok and _offer(fetched, terraform, layout, environ).ok:
            return Found(fetched.path, fetched.version, source)
        tried.append(f"init could not fetch it from the {source} ({refusal(answer)})")
    layout.terraformrc.unlink(missing_ok=True)
    raise ProviderMissing(
        f"the AWS provider (hashicorp/aws {PROVIDER_MINIMUM} or newer, {platform_name()}) is missing: "
        f"{'; '.join(tried)}. Where there is a network, install it with: terraform providers mirror "
        "~/.terraform.d/plugins (in a folder whose configuration requires it; copy the result here)"
    )


def mirrors(environ: Mapping[str, str], layout: Layout) -> Iterator[tuple[str, Path]]:
    """Folders that may be laid out as mirrors, best first, with what each is; the slow search comes last."""
    configuration = cli_configuration_in_force(environ)
    if configuration is not None:
        for folder in folders_named_in(configuration.read_text(errors="replace")):
            yield f"CLI configuration {configuration}", folder
    if environ.get("TF_PLUGIN_CACHE_DIR"):
        yield "plugin cache", Path(environ["TF_PLUGIN_CACHE_DIR"])
    for folder in implied_folders(environ, layout.root):
        yield f"mirror {folder}", folder
    yield "plugin cache of setup", layout.plugin_cache
    for folder in _search_file_system():
        yield f"mirror {folder}", folder


def cli_configuration_in_force(environ: Mapping[str, str]) -> Path | None:
    """The CLI configuration file Terraform would read, if it exists; a variable that names no file is passed over."""
    home = Path(environ.get("HOME") or "/nonexistent")
    named = [environ.get("TF_CLI_CONFIG_FILE"), environ.get("TERRAFORM_CONFIG")]
    for path in [*(Path(name) for name in named if name), home / ".terraformrc", home / ".tofurc"]:
        if os.access(path, os.R_OK) and path.is_file():
            return path
    return None


def implied_folders(environ: Mapping[str, str], checkout: Path) -> list[Path]:
    """The folders Terraform looks in without being told, and OpenTofu's own.

    https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories
    """
    home = Path(environ.get("HOME") or "/nonexistent")
    data = [Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")]
    data += [
        Path(entry) for entry in (environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":") if entry
    ]
    implied = [checkout / "terraform.d" / "plugins", home / ".terraform.d" / "plugins"]
    return implied + [folder / product / "plugins" for folder in data for product in ("terraform", "opentofu")]


def keep_lasting(found: str) -> list[Path]:
    """The mirrors' roots behind paths that end in HOST/hashicorp/aws, without those that may be gone tomorrow."""
    temporary = Path(tempfile.gettempdir())
    roots: dict[Path, None] = {}
    for line in found.splitlines():
        path = Path(line)
        if not line.startswith("/") or len(path.parents) <= 3:  # noqa: PLR2004 -- HOST, hashicorp, aws
            continue
        if _NO_FOLDER_OF.isdisjoint(path.parts) and not path.is_relative_to(temporary):
            roots[path.parents[2]] = None
    return list(roots)


def refusal(answer: Finished) -> str:
    """Why init failed, on one line: its first error, or its last words."""
    text = answer.tail(40)
    _, _, error = text.partition("Error: ")
    told = [line.strip(" │╷╵\t") for line in (error or answer.tail(1)).splitlines()[:_REFUSAL_LINES]]
    ended = f", {answer.tail(1)}" if answer.timed_out else ""
    return " ".join(told) + ended


def _search_file_system() -> list[Path]:
    """Look for hashicorp/aws on the root file system, for a bounded time; what was found until then counts."""
    found = run(["find", "/", "-xdev", "-type", "d", "-path", "*/hashicorp/aws"], limit_s=_SEARCH_LIMIT_S)
    return keep_lasting(found.output)


def _fetching_configurations(environ: Mapping[str, str]) -> Iterator[tuple[str, Path | None]]:
    """Configurations to fetch with: the one in force (it may name a network mirror), then none at all."""
    configuration = cli_configuration_in_force(environ)
    if configuration is not None and "provider_installation" in configuration.read_text(errors="replace"):
        yield f"places named in {configuration}", configuration
    yield "registry", None


def _offer(package: ProviderPackage, terraform: Found, layout: Layout, environ: Mapping[str, str]) -> Finished:
    """Write mirror and configuration for a package and hold them against a real init."""
    link_package(package, layout.provider_mirror)
    layout.terraformrc.write_text(cli_configuration(layout.provider_mirror))
    return _init(terraform, environ, package.version, {"TF_CLI_CONFIG_FILE": str(layout.terraformrc)})


def _fetch(terraform: Found, layout: Layout, environ: Mapping[str, str], configuration: Path | None) -> Finished:
    """Have init fetch the provider into the plugin cache.

    The two products keep the provider under their own host there; either is found by `packages_in`.
    """
    shutil.rmtree(layout.plugin_cache, ignore_errors=True)
    layout.plugin_cache.mkdir(parents=True)
    return _init(
        terraform,
        environ,
        _REGISTRY_VERSION,
        {"TF_CLI_CONFIG_FILE": str(configuration or os.devnull), "TF_PLUGIN_CACHE_DIR": str(layout.plugin_cache)},
    )


def _init(terraform: Found, environ: Mapping[str, str], version: str, settings: Mapping[str, str]) -> Finished:
    """Run init on a module that only requires the provider, in a scratch folder."""
    kept = {
        name: value for name, value in environ.items() if not name.startswith("TF_") or name.startswith("TF_TOKEN_")
    }
    with tempfile.TemporaryDirectory(prefix="rampart-init-") as scratch:
        required = f'aws = {{ source = "hashicorp/aws", version = "{version}" }}'
        (Path(scratch) / "main.tf").write_text(f"terraform {{\n  required_providers {{\n    {required}\n  }}\n}}\n")
        return run(
            [terraform.path, "init", "-input=false", "-no-color", "-backend=false"],
            limit_s=_INIT_LIMIT_S,
            cwd=Path(scratch),
            env={**kept, "CHECKPOINT_DISABLE": "1", **settings},
        )
