"""Talking to the server behind a data source, with failures worded as Grafana words them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

OK = 200
BAD_GATEWAY = 502
GATEWAY_TIMEOUT = 504


class UpstreamFailed(Exception):
    """The server behind a data source did not answer, or answered with an error.

    Args:
        status: Status of the refId's result: the server's own, 502 when it cannot be reached, 504 when it is too slow.
        message: Text for the panel.
        answered: Whether there was an answer at all.
    """

    def __init__(self, status: int, message: str, *, answered: bool) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.answered = answered


class Upstream:
    """One server.

    Args:
        client: Shared HTTP client; its time-out bounds every call.
        url: Base address without a trailing slash.
    """

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self.url = url

    async def send(self, method: str, path: str, fields: Mapping[str, str]) -> dict[str, Any]:
        """Call and return the JSON object of a 200.

        Args:
            method: `GET` sends the fields as a query string, `POST` as a form.
            path: Path below the base address.
            fields: What to send.

        Raises:
            UpstreamFailed: Not reachable, too slow, not 200 or not JSON.
        """
        address = f"{self.url}{path}"
        verb = method.capitalize()
        try:
            if method == "POST":
                response = await self._client.post(address, data=dict(fields))
            else:
                response = await self._client.get(address, params=dict(fields))
        except httpx.ConnectError as problem:
            raise UpstreamFailed(
                BAD_GATEWAY,
                f'{verb} "{address}": dial tcp {_endpoint(address)}: connect: connection refused',
                answered=False,
            ) from problem
        except httpx.TimeoutException as problem:
            raise UpstreamFailed(
                GATEWAY_TIMEOUT, f'{verb} "{address}": context deadline exceeded', answered=False
            ) from problem
        except httpx.HTTPError as problem:
            raise UpstreamFailed(BAD_GATEWAY, f'{verb} "{address}": {problem or "EOF"}', answered=False) from problem
        return _judge(response)


def _judge(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.status_code == OK and isinstance(body, dict):
        return body
    if isinstance(body, dict) and body.get("error"):
        message = f"{body.get('errorType', 'error')}: {body['error']}"
    elif isinstance(body, dict) and body.get("errors"):  # Jaeger's form
        message = str(body["errors"][0].get("msg", body["errors"]))
    else:
        message = f"{response.status_code} {response.reason_phrase}"
    status = BAD_GATEWAY if response.status_code == OK else response.status_code
    raise UpstreamFailed(status, message, answered=True)


def _endpoint(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.hostname}:{parts.port or 80}"
