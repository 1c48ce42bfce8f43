"""The way on: what was received goes to another collector, in a thread of its own and never in the sender's way."""

from __future__ import annotations

import sys
import threading
from collections import deque

import httpx

from deployments.rehearsal.telemetry.store import Batch
from deployments.rehearsal.telemetry.wire import encode_spans

MAX_WAITING = 2_000
"""Batches that wait at most; the services send one every few hundred milliseconds, of some kilobytes."""

_SEND_S = 5.0
_HEADERS = {"content-type": "application/x-protobuf"}


class Forwarder:
    """Sends batches of spans on over OTLP/HTTP; what cannot be sent is counted, and the first time said.

    Args:
        url: The collector's address without the path, as in OTEL_EXPORTER_OTLP_ENDPOINT.
    """

    def __init__(self, url: str, max_waiting: int = MAX_WAITING) -> None:
        self.lost_spans = 0
        self._url = f"{url.rstrip('/')}/v1/traces"
        self._waiting: deque[Batch] = deque()
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._send_all, daemon=True)
        self._thread.start()

    def add(self, batch: Batch) -> None:
        """Take a batch; it is lost when too many wait."""
        with self._changed:
            if len(self._waiting) < self._max_waiting:
                self._waiting.append(batch)
                self._changed.notify()
            else:
                self._lose(batch, f"{self._max_waiting} batches wait already")

    def close(self) -> None:
        """Send what waits until the collector fails once, and say how much was lost in all."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        if self.lost_spans:
            sys.stderr.write(f"{self.lost_spans} spans did not reach {self._url}\n")

    def _send_all(self) -> None:
        failed = False
        with httpx.Client(timeout=_SEND_S) as http:
            while (batch := self._next()) is not None:
                if failed and self._closed:
                    self._lose(batch, "")
                    continue
                try:
                    http.post(
                        self._url, content=encode_spans(batch.resource, batch.scope, batch.spans), headers=_HEADERS
                    ).raise_for_status()
                    failed = False
                except httpx.HTTPError as error:
                    failed = True
                    self._lose(batch, str(error) or type(error).__name__)

    def _next(self) -> Batch | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return self._waiting.popleft() if self._waiting else None

    def _lose(self, batch: Batch, why: str) -> None:
        if not self.lost_spans:
            sys.stderr.write(f"{self._url} does not take spans: {why}\n")
            sys.stderr.flush()
        self.lost_spans += len(batch.spans)
