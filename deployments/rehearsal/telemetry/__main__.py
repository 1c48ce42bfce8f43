"""Start the stand-in: `python -m deployments.rehearsal.telemetry --otlp-port P --jaeger-port P --metrics-port P`.

With `--forward-to URL` instead of a port for Jaeger it is the collector alone, before a real Jaeger.
"""

import argparse
import asyncio
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import uvicorn

from deployments.rehearsal.telemetry.exposition import exposition
from deployments.rehearsal.telemetry.forwarder import Forwarder
from deployments.rehearsal.telemetry.jaeger import jaeger
from deployments.rehearsal.telemetry.receiver import receiver
from deployments.rehearsal.telemetry.spanmetrics import SpanMetrics
from deployments.rehearsal.telemetry.store import MAX_TRACES, TraceStore
from deployments.rehearsal.telemetry.web import Handler, by_port

HOST = "127.0.0.1"
GRACE_S = 2
"""Time for open requests when told to stop; every answer is made within milliseconds."""


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers, which end the process by the signal instead of exit code 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the caller."""
        yield


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m deployments.rehearsal.telemetry",
        description="Rehearsal's stand-in for an OpenTelemetry collector with span metrics and for Jaeger.",
    )
    parser.add_argument("--otlp-port", type=int, required=True, help="OTLP/HTTP receiver: POST /v1/traces")
    traces = parser.add_mutually_exclusive_group(required=True)
    traces.add_argument("--jaeger-port", type=int, help="keep the traces and serve Jaeger's query API and pages")
    traces.add_argument(
        "--forward-to", metavar="URL", help="send the traces on over OTLP/HTTP; URL is without the path"
    )
    parser.add_argument("--metrics-port", type=int, required=True, help="span metrics: GET /metrics")
    parser.add_argument("--max-traces", type=int, default=MAX_TRACES, help="traces kept (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.max_traces < 1:
        parser.error(f"--max-traces is {arguments.max_traces}; it must be at least 1")

    metrics = SpanMetrics()
    handlers = {arguments.metrics_port: exposition(metrics)}
    forwarder: Forwarder | None = None
    if arguments.forward_to:
        forwarder = Forwarder(arguments.forward_to)
        handlers[arguments.otlp_port] = receiver(forwarder, metrics)
        role, way = "the OpenTelemetry collector", f"traces go on to {arguments.forward_to}"
    else:
        store = TraceStore(arguments.max_traces)
        handlers |= {arguments.otlp_port: receiver(store, metrics), arguments.jaeger_port: jaeger(store)}
        role, way = "Jaeger and the OpenTelemetry collector", f"Jaeger on {HOST}:{arguments.jaeger_port}"
    try:
        sockets = [_listen(port) for port in handlers]
    except OSError as error:
        sys.stderr.write(f"{error}; choose other ports or stop the process that holds them\n")
        return 1
    sys.stdout.write(
        f"Stand-in for {role}: OTLP on {HOST}:{arguments.otlp_port}, {way}, "
        f"span metrics on {HOST}:{arguments.metrics_port}\n",
    )
    sys.stdout.flush()
    asyncio.run(_serve(handlers, sockets))
    if forwarder:
        forwarder.close()
    return 0


async def _serve(handlers: Mapping[int, Handler], sockets: list[socket.socket]) -> None:
    config = uvicorn.Config(
        by_port(handlers),
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        headers=[("server", "rampart-rehearsal-stand-in")],
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config)

    def stop() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await server.serve(sockets=sockets)


def _listen(port: int) -> socket.socket:
    """Bind the port.

    Raises:
        OSError: it is taken; the message names it.
    """
    # With the protocol named asyncio turns Nagle off; else every answer waits 40 ms for a delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise OSError(f"port {port} on {HOST} cannot be used: {error.strerror}") from error
    return listener


if __name__ == "__main__":
    sys.exit(main())
