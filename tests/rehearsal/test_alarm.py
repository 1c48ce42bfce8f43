"""The dead-man alarm with a real Prefect server: silent while the janitor completes, told when it stays away."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import EventTrigger
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from deployments.automations import ALARM_BLOCK, automations
from tests.integration.conftest import prefect_server
from tests.integration.serving import serving

pytestmark = [pytest.mark.rehearsal, pytest.mark.slow, pytest.mark.timeout(300)]

# Prefect's shortest for a trigger that waits for something that does not come; 45 minutes in the product.
_OVERDUE = timedelta(seconds=10)
_COMPLETES_S = 2 * _OVERDUE.total_seconds()


@flow(name="janitor")
def _janitor() -> None:
    """Do nothing under the janitor's name."""


@pytest.fixture
def told() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook: its address, and what it was told."""
    heard: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as address:
        yield address, heard


def test_the_alarm_is_told_only_when_the_janitor_stays_away(
    tmp_path: Path, told: tuple[str, list[dict[str, Any]]]
) -> None:
    webhook, heard = told
    with prefect_server(tmp_path) as url, temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: tmp_path}):
        _arm(webhook)
        until = time.monotonic() + _COMPLETES_S
        while time.monotonic() < until:
            _janitor()
            time.sleep(_OVERDUE.total_seconds() / 5)
        assert heard == []
        deadline = time.monotonic() + 120
        while not heard:
            assert time.monotonic() < deadline, "the alarm was not told"
            time.sleep(0.2)
    assert heard[0]["subject"] == "Rampart: the janitor is overdue"
    assert "Is the worker of the pool rampart-teardown alive?" in heard[0]["body"]


def _arm(webhook: str) -> None:
    block = CustomWebhookNotificationBlock(
        name="alarm", url=webhook, json_data={"subject": "{{subject}}", "body": "{{body}}"}
    )
    alarm = block.save(ALARM_BLOCK)
    assert isinstance(alarm, UUID)
    overdue = next(item for item in automations(uuid4(), alarm) if item.name == "rampart: the janitor is overdue")
    assert isinstance(overdue.trigger, EventTrigger)
    overdue.trigger.within = _OVERDUE
    with get_client(sync_client=True) as client:
        client.create_automation(overdue)
