"""Recorded answers of the servers, handed out by a transport that refuses any other request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

_FOLDER = Path(__file__).parents[2] / "contracts"


def text(name: str) -> str:
    """The recording, such as ``jaeger/trace.200.json``."""
    return (_FOLDER / name).read_text()


def body(name: str) -> Any:
    return json.loads(text(name))


class Recorded(httpx.BaseTransport):
    """Answers by method and path; a request that was not recorded fails the test.

    Args:
        answers: ``"GET /api/health"`` -> (status, recording).
    """

    def __init__(self, answers: dict[str, tuple[int, str]]) -> None:
        self.answers = answers
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        status, name = self.answers[f"{request.method} {request.url.path}"]
        kind = "text/html" if name.endswith(".html") else "application/json"
        return httpx.Response(status, content=text(name).encode(), headers={"content-type": kind})

    def sent(self, number: int = -1) -> Any:
        """The JSON body of a request."""
        return json.loads(self.requests[number].content)


class Refusing(httpx.BaseTransport):
    """A server that is down."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)
