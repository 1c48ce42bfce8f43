"""The double's packages are no part of ours: they are found in the checkout's services folder."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[3] / "deployments" / "rehearsal" / "checkout"


@pytest.fixture
def checkout() -> Path:
    return CHECKOUT


@pytest.fixture
def service_module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    for folder in ("shared", "api", "auth", "bet", "rt", "worker"):
        monkeypatch.syspath_prepend(CHECKOUT / "services" / folder)
    return importlib.import_module
