"""Entry point of `python3 -m deployments.setup`: refuses an interpreter that is too old in one sentence."""

import sys
from importlib import import_module

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 -- the modules behind the import do not even parse there
        sys.stderr.write(
            "setup: Python 3.11 or newer is needed and this is %s. "  # noqa: UP031
            "Start it with another one: make setup PYTHON=python3.12\n" % sys.version.split()[0]
        )
        sys.exit(1)
    sys.exit(import_module("deployments.setup.command").main(sys.argv[1:]))
