"""The admin ports of the system's services: what an operator of the system reads and changes while it runs."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from blocks.models.errors import Failed, Unavailable
from deployments.rehearsal.layout import LOCALHOST

# A service whose event loop is blocked answers late.
_TIMEOUT_S = 20.0


class AdminPorts:
    """The settings of the services.

    Args:
        ports: port by name; the admin port of a service is `<service>_admin`.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports

    def read(self, service: str) -> dict[str, float]:
        """Return a service's settings.

        Raises:
            Unavailable: it does not answer.
        """
        return self._ask("GET", service, None)

    def change(self, service: str, wanted: Mapping[str, float]) -> dict[str, float]:
        """Change settings and return all of them as they are then.

        Raises:
            Failed: it refuses a value.
            Unavailable: it does not answer.
        """
        return self._ask("PATCH", service, wanted)

    def _ask(self, method: str, service: str, wanted: Mapping[str, float] | None) -> dict[str, float]:
        url = f"http://{LOCALHOST}:{self._ports[f'{service}_admin']}/settings"
        try:
            answer = httpx.request(method, url, json=wanted, timeout=_TIMEOUT_S)
            answer.raise_for_status()
        except httpx.HTTPStatusError as error:
            raise Failed(
                f"The admin port of {service} answered {error.response.status_code}: {error.response.text}"
            ) from error
        except httpx.HTTPError as error:
            raise Unavailable(
                f"The admin port of {service} does not answer ({type(error).__name__}); does {service} run?"
            ) from error
        settings: dict[str, float] = answer.json()
        return settings
