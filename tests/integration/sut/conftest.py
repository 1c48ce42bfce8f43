"""The double, started once for the tests of this folder."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.sut.ebit import CHECKOUT, Ebit, tool, tool_env


@pytest.fixture(scope="session")
def ebit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ebit]:
    running = Ebit(tmp_path_factory.mktemp("ebit"), LOAD_TEST_BYPASS="open sesame")
    try:
        running.start()
        running.prepare()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def player(ebit: Ebit) -> dict[str, str]:
    """Headers of a signed-in user."""
    user = {"email": "player@ebit.test", "password": "correct horse"}
    assert httpx.post(f"{ebit.api_url}/api/auth/signup", json=user).status_code == 201
    answer = httpx.post(f"{ebit.api_url}/api/auth/signin", json=user)
    return {"authorization": f"Bearer {answer.json()['accessToken']}"}


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with its Node packages installed."""
    copy = tmp_path_factory.mktemp("checkout") / "ebit"
    shutil.copytree(CHECKOUT, copy, ignore=shutil.ignore_patterns("node_modules", "__pycache__", ".terraform"))
    subprocess.run([tool("npm"), "ci", "--no-audit", "--no-fund"], cwd=copy, env=tool_env(), check=True, timeout=120)
    return copy
