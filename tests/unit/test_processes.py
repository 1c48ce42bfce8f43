from __future__ import annotations

import signal
import subprocess
import sys

import psutil

# The process that ends others is not their parent, which does not ask for its dead child.
_END = """
import sys
from deployments.rehearsal.processes import end
end([{"pid": int(sys.argv[1]), "started": float(sys.argv[2])}], patience_s=60)
"""


def test_a_dead_process_whose_parent_does_not_ask_for_it_is_not_waited_for() -> None:
    with subprocess.Popen(["sleep", "600"]) as child:
        started = psutil.Process(child.pid).create_time()
        subprocess.run([sys.executable, "-c", _END, str(child.pid), repr(started)], check=True, timeout=30)
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
        assert child.wait(0) == -signal.SIGTERM
