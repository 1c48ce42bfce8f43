"""Asks the services with a database to prepare it, over their admin ports."""

import http.client
import json
import sys
from typing import Any

from ebit_shared import environment

ADMIN_PORTS = {"auth": ("AUTH_ADMIN_PORT", 4102), "bet": ("BET_ADMIN_PORT", 4103)}
"""Services with a database: variable of the admin port, and its default."""
TIMEOUT_S = 60.0
"""For one service; migrations of a real database take longer than a request."""


def ask_all(action: str, field: str) -> int:
    """Send POST /`action` to each service and print what it did.

    Args:
        action: migrate or seed.
        field: what of the answer is worth printing.

    Returns:
        Exit code: 0 when all services did it, else 1 with a sentence on stderr.
    """
    for service, (variable, default) in ADMIN_PORTS.items():
        try:
            status, answer = _post(environment.port(variable, default), f"/{action}")
        except (OSError, ValueError, http.client.HTTPException, environment.BadEnvironmentError) as error:
            sys.stderr.write(f"{action} of {service} failed: {error}. Is the service running?\n")
            return 1
        if status != http.HTTPStatus.OK:
            sys.stderr.write(f"{action} of {service} failed: it answered {status}: {answer.get('error')}\n")
            return 1
        done = answer.get(field) or "nothing to do"
        sys.stdout.write(f"{action} {service}: {field} {', '.join(done) if isinstance(done, list) else done}\n")
    return 0


def _post(port: int, path: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
