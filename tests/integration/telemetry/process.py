"""The stand-in as its own process, on free ports."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[3]
DEADLINE_S = 30


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, up to the deadline."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.05)


def answers(url: str) -> bool:
    """Tell whether a server answers 200."""
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


@dataclass
class Telemetry:
    """A running stand-in."""

    process: subprocess.Popen[str]
    otlp_url: str
    jaeger_url: str
    metrics_url: str

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Signal the process; return its exit code and what it wrote to standard error."""
        self.process.send_signal(number)
        _, stderr = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, stderr

    def rss_mb(self) -> float:
        """Return the resident memory in MB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def cpu_s(self) -> float:
        """Return the CPU time used so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def command(ports: list[int]) -> list[str]:
    """Return the command line for the ports of OTLP, Jaeger and the metrics."""
    flags = ("--otlp-port", "--jaeger-port", "--metrics-port")
    options = [part for flag, port in zip(flags, ports, strict=True) for part in (flag, str(port))]
    return [sys.executable, "-m", "deployments.rehearsal.telemetry", *options]


def start() -> Telemetry:
    """Start the stand-in and wait until it answers."""
    ports = free_ports(3)
    process = subprocess.Popen(
        command(ports), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    otlp, jaeger, metrics = (f"http://127.0.0.1:{port}" for port in ports)
    telemetry = Telemetry(process, f"{otlp}/v1/traces", jaeger, f"{metrics}/metrics")
    try:
        until(lambda: answers(f"{jaeger}/api/services"), "the stand-in answers")
    except BaseException:
        telemetry.stop(signal.SIGKILL)
        raise
    return telemetry
