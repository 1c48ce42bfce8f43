"""What holds for every test."""

from __future__ import annotations

import signal

# A shell starts background jobs deaf to SIGINT, and what they start is deaf too: the tests' own processes have to hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
