"""A Prometheus that holds a breach, and a SUT behind a real sshd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.engine.conftest import built, enforced, host, new_host
from tests.integration.grafana.servers import prometheus as running_prometheus
from tests.integration.hosts.conftest import access

__all__ = ["access", "built", "enforced", "host", "new_host", "prometheus"]


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    """One for each test: metrics of the system carry no run's name."""
    with running_prometheus(tmp_path / "prometheus") as url:
        yield url
