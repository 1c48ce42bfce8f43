"""A real Prefect server for the report's flow."""

from __future__ import annotations

from tests.integration.approvals.conftest import prefect

__all__ = ["prefect"]
