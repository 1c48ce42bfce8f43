"""The block that describes what load is put on the system and which limits hold."""

from __future__ import annotations

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from blocks.models.rules import DEFAULT_GUARD_RULES, ExpectedException, GuardRule, StabilityRule
from blocks.models.settings import Ramp, Smoke, Users
from blocks.models.triage import TriageRules
from blocks.schema_once import SchemaOnce


def _known_exceptions() -> tuple[ExpectedException, ...]:
    return (
        ExpectedException(
            endpoint="bet", p95_ms=100.0, reason="Dice bets wait for the provably-fair draw; accepted by the team."
        ),
    )


class LoadProfile(SchemaOnce, Block):
    """The smoke test, the ramp, the users they need, and the rules of smoke, guard and gate."""

    _block_type_name: ClassVar[str | None] = "Load Profile"
    _block_type_slug: ClassVar[str | None] = "load-profile"
    _description: ClassVar[str | None] = "What load is put on the system, and the limits that stop it."

    smoke: Smoke = Field(default_factory=Smoke, description="The smoke test.")
    ramp: Ramp = Field(default_factory=Ramp, description="The stepped ramp; by default 1,000 to 10,000 in 42 minutes.")
    script_environment: dict[str, str] = Field(
        default_factory=dict, description="Further variables the k6 scripts find in __ENV; no secrets."
    )
    script_secrets: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Variables the k6 scripts find in __ENV that must stay secret, such as a rate limiter's bypass key.",
    )
    users: Users = Field(default_factory=Users, description="The load users.")
    guard: tuple[GuardRule, ...] = Field(DEFAULT_GUARD_RULES, description="Limits that stop the load.")
    gate: StabilityRule = Field(default_factory=StabilityRule, description="When a stage counts as stable.")
    triage: TriageRules = Field(default_factory=TriageRules, description="Limits of the six rows of triage.")
    exceptions: tuple[ExpectedException, ...] = Field(
        default_factory=_known_exceptions, description="Known exceptions: recorded, not a blocker."
    )
    guard_poll_s: float = Field(
        1.0,
        ge=0.5,
        le=10,
        description="Seconds between two questions of the guard to Prometheus and the load generators.",
    )
    blind_after_s: float = Field(15.0, ge=3, le=300, description="Seconds without data that count as a breach.")
