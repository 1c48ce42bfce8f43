"""The kernel log of a host: which processes were killed for memory, and when."""

from __future__ import annotations

from datetime import UTC, datetime

from blocks.models.errors import Unavailable
from tasks.clients.hosts import Host
from tasks.rules.oom import KernelLog, parse_kills

# Both clocks and the log in one round trip: a kernel line is dated in seconds since boot. A reader counts only when it
# shows lines that are: journalctl without permission ends with 0 and shows none.
_SCRIPT = r"""
read -r uptime rest </proc/uptime && echo "$(date +%s.%N) $uptime"
for reader in 'sudo -n dmesg' 'dmesg' 'sudo -n journalctl -kq -o short-monotonic --no-pager' \
              'journalctl -kq -o short-monotonic --no-pager'; do
  log=$($reader 2>/dev/null)
  case $log in
    '['*) echo "$reader"; printf '%s\n' "$log" | grep -E 'oom-kill:|Killed process|killed as a result of limit'; exit 0;;
  esac
done
"""


def read_kernel_log(host: Host, timeout_s: float) -> KernelLog:
    """Return the kills for memory since the host's boot; without permission to read the log its reader is empty.

    Raises:
        Unavailable: the host does not answer, or has no /proc/uptime.
    """
    completed = host.run(["sh", "-c", _SCRIPT], timeout_s=timeout_s)
    clocks, _, rest = completed.stdout.partition("\n")
    reader, _, log = rest.partition("\n")
    try:
        seconds, uptime_s = (float(field) for field in clocks.split())
    except ValueError as error:
        raise Unavailable(
            f"{host.address} did not tell its clock and uptime: {completed.last_line}; is /proc mounted?"
        ) from error
    return KernelLog(
        reader=reader, host_time=datetime.fromtimestamp(seconds, UTC), uptime_s=uptime_s, kills=parse_kills(log)
    )
