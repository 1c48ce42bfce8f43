import signal
from collections.abc import Iterator

import pytest

from tests.integration.telemetry.process import Telemetry, start


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    running = start()
    yield running
    if running.process.poll() is None:
        code, stderr = running.stop(signal.SIGTERM)
        assert (code, stderr) == (0, "")
