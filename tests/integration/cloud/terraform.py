"""Terraform as the tests run it: in a copy of the module, against the cloud, with the provider found on this machine."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.integration.cloud.conftest import ROOT, Cloud

MODULE = ROOT / "deployments/rehearsal/checkout/terraform/perf"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f test"
LIMIT_S = 180


class Terraform:
    def __init__(self, folder: Path, cloud: Cloud, tags: dict[str, str], **variables: str) -> None:
        self.folder = folder / "perf"
        shutil.copytree(
            MODULE, self.folder, ignore=shutil.ignore_patterns(".terraform*", "terraform.tfstate*", "*.tfvars")
        )
        self.environment = os.environ | {
            "AWS_ENDPOINT_URL": cloud.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "TF_VAR_ssh_public_key": PUBLIC_KEY,
            "TF_VAR_detected_admin_cidr": "127.0.0.1/32",
        }
        self.environment |= {f"TF_AWS_DEFAULT_TAGS_{name}": value for name, value in tags.items()}
        self.environment |= {f"TF_VAR_{name}": value for name, value in variables.items()}
        config = cli_configuration(folder)
        if config:
            self.environment["TF_CLI_CONFIG_FILE"] = str(config)
        self.run("init")

    def run(self, *arguments: str, expected: int = 0) -> str:
        ended = subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert ended.returncode == expected, f"terraform {arguments}: {ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def plan(self, *, expected: int) -> dict[str, Any]:
        self.run("plan", "-parallelism=20", "-detailed-exitcode", "-out=p", expected=expected)
        return dict(json.loads(self.run("show", "-json", "p")))

    def outputs(self) -> dict[str, Any]:
        return {name: output["value"] for name, output in json.loads(self.run("output", "-json")).items()}


def cli_configuration(folder: Path) -> Path | None:
    """Return the configuration to use: an existing one, else one naming a mirror on this machine, else none."""
    for given in (os.environ.get("TF_CLI_CONFIG_FILE"), ROOT / ".tools/terraformrc"):
        if given and Path(given).is_file():
            return Path(given)
    found = subprocess.run(
        [
            "find",
            "/",
            "-xdev",
            "-type",
            "d",
            "-path",
            "*/registry.terraform.io/hashicorp/aws",
            "-not",
            "-path",
            "*/.terraform/*",
        ],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    if not found:
        return None
    config = folder / "terraformrc"
    mirror = json.dumps(str(Path(found[0]).parents[2]))
    config.write_text(
        f"disable_checkpoint = true\nprovider_installation {{\n  filesystem_mirror {{\n    path = {mirror}\n  }}\n}}\n",
        encoding="utf-8",
    )
    return config
