"""A stack that stands while the cells die on it, with AWS behind a door; a stack of its own for each of pytest's workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.killmatrix.blocks import save_blocks
from tests.killmatrix.faults import Door, door
from tests.killmatrix.world import World
from tests.rehearsal.conftest import prefect
from tests.rehearsal.standing import Prefect

__all__ = ["prefect"]


@pytest.fixture(scope="module")
def aws(prefect: Prefect) -> Iterator[Door]:
    """AWS behind a door that can be shut, for every run of a module."""
    with door(World(prefect).stack.url("aws")) as made:
        save_blocks(prefect, made.url)
        yield made
