"""Starts the rehearsal's cloud: `python -m deployments.rehearsal.cloud --port P --registry-port R`.

Environment (all optional): `REHEARSAL_QUOTA_VPC`, `REHEARSAL_QUOTA_EIP`, `REHEARSAL_QUOTA_VCPU` replace a quota;
`REHEARSAL_HOST_KEYS` names a file of public host keys for the instances' console output; `REHEARSAL_COST_TAGS` lists
the tags that are active for cost allocation.
"""

import argparse
import logging
import re
import signal
import sys
import tempfile
import threading
from importlib.metadata import version
from pathlib import Path

from deployments.rehearsal.cloud.patching import MotoChangedError
from deployments.rehearsal.cloud.server import HOST, PortTakenError, serve

log = logging.getLogger("deployments.rehearsal.cloud")


def main() -> int:
    """Serve until SIGTERM or SIGINT; return 0, or 1 when it could not start."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with tempfile.TemporaryDirectory(prefix="rehearsal-registry-") as temporary:
        data = arguments.data or Path(temporary)
        try:
            with serve(arguments.port, arguments.registry_port, arguments.account_id, data):
                log.info(
                    "moto %s stands in for AWS (rehearsal only): account %s at http://%s:%d, "
                    "image registry instead of ECR's at http://%s:%d",
                    version("moto"),
                    arguments.account_id,
                    HOST,
                    arguments.port,
                    HOST,
                    arguments.registry_port,
                )
                stopped.wait()
        except (PortTakenError, MotoChangedError, ValueError) as error:
            log.error("%s", error)  # noqa: TRY400 (a sentence for the operator, no traceback)
            return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="deployments.rehearsal.cloud", description="AWS by moto, and its registry.")
    parser.add_argument("--port", type=int, required=True, help="port of the AWS API")
    parser.add_argument("--registry-port", type=int, required=True, help="port of the image registry")
    parser.add_argument("--account-id", type=_account, default="123456789012", help="12 digits")
    parser.add_argument("--data", type=Path, help="folder of the registry's blobs (default: a temporary one)")
    return parser.parse_args()


def _account(text: str) -> str:
    if not re.fullmatch(r"\d{12}", text):
        raise argparse.ArgumentTypeError(f"seen {text!r}, wanted 12 digits")
    return text


if __name__ == "__main__":
    sys.exit(main())
