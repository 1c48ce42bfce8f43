"""A block's schema is computed once, and is what Prefect would have computed."""

from __future__ import annotations

from typing import Any

from blocks.load_profile import LoadProfile
from blocks.perf_environment import PerfEnvironment
from blocks.schema_once import SchemaOnce


def test_the_schema_is_prefects_own() -> None:
    shown: dict[str, Any] = {"mode": "serialization", "by_alias": False}
    for options in ({}, shown):
        assert PerfEnvironment.model_json_schema(**options) == super(SchemaOnce, PerfEnvironment).model_json_schema(
            **options
        )


def test_who_changes_a_schema_changes_only_his_copy() -> None:
    LoadProfile.model_json_schema()["properties"].clear()
    assert LoadProfile.model_json_schema()["properties"]
