"""The logger of a run: Prefect's when a flow or task runs, else the process's own."""

from __future__ import annotations

import logging

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger


def run_logger() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    """Return where to log to; an ending also works outside of any flow, while Prefect is away."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("rampart")
