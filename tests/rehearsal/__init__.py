"""Tests of whole runs; each of pytest's workers has a stack of its own."""

import os
from pathlib import Path

# Before anything reads where the rehearsal's home is.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["REHEARSAL_HOME"] = str(Path(".rehearsal", worker).absolute())
