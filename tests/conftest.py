"""What holds for every test."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from hypothesis import HealthCheck, settings

from deployments.rehearsal.authority import one_authority

# How long an example takes says nothing on a machine that other work shares.
settings.register_profile("rampart", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rampart")

# Before Prefect reads its settings; what the tests start inherits it.
os.environ["PREFECT_API_SSL_CERT_FILE"] = str(one_authority(Path(__file__).parents[1] / ".tools"))

# A shell starts background jobs deaf to SIGINT, and what they start is deaf too: the tests' own processes have to hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
