"""Console output of instances: how an operator learns the host keys of a machine that has just booted."""

import os
from pathlib import Path

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.responses.general import SAMPLE_CONSOLE_OUTPUT, General

from deployments.rehearsal.cloud.patching import replace

HOST_KEYS_VARIABLE = "REHEARSAL_HOST_KEYS"
"""Environment variable naming a file with one public host key a line; read at each request, it may appear later."""

# cloud-init's cc_keys_to_console writes these two lines around the host's public keys.
BEGIN = "-----BEGIN SSH HOST KEY KEYS-----"
END = "-----END SSH HOST KEY KEYS-----"


def install() -> None:
    """Let `GetConsoleOutput` hold cloud-init's block of host keys."""

    def get_console_output(response: General) -> ActionResult:
        instance = response.ec2_backend.get_instance(response._get_param("InstanceId"))  # noqa: SLF001 (moto's own way)
        return ActionResult(
            {
                "InstanceId": instance.id,
                "Timestamp": utcnow(),
                "Output": Base64EncodedString.from_raw_string(console_text()),
            }
        )

    replace(General, "get_console_output", get_console_output)


def console_text() -> str:
    """Return what an instance's console shows; without a file of host keys, a boot that printed none.

    Lines end in CR LF, as on a serial console.
    """
    lines = SAMPLE_CONSOLE_OUTPUT.splitlines()
    file = os.environ.get(HOST_KEYS_VARIABLE)
    if file and Path(file).is_file():
        keys = [line for line in Path(file).read_text(encoding="utf-8").splitlines() if line.strip()]
        lines += [BEGIN, *keys, END, "Cloud-init v. 22.2.2 finished. Datasource DataSourceEc2."]
    return "\r\n".join([*lines, ""])
