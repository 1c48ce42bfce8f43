"""Servers shared by the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.integration.grafana import servers
from tests.integration.grafana.load_story import story
from tests.integration.grafana.remote_write import push


@pytest.fixture(scope="package")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.prometheus(tmp_path_factory.mktemp("metrics") / "prometheus") as url:
        push(url, story())
        yield url


@pytest.fixture(scope="package")
def jaeger_url() -> Iterator[str]:
    with servers.jaeger() as url:
        yield url


@pytest.fixture(scope="package")
def grafana(
    prometheus_url: str, jaeger_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.Grafana]:
    with servers.grafana(tmp_path_factory.mktemp("grafana"), prometheus_url, jaeger_url) as running:
        yield running


@pytest.fixture(scope="package")
def grafana_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Grafana]:
    """A stand-in whose data sources are down."""
    nobody = f"http://127.0.0.1:{servers.free_port()}"
    with servers.grafana(tmp_path_factory.mktemp("alone"), nobody, nobody) as running:
        yield running
