"""The blocks of the kill matrix: the rehearsal's own with a shorter ramp, and AWS behind a door."""

from __future__ import annotations

from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_aws import AwsClientParameters, AwsCredentials

from blocks.load_profile import LoadProfile
from blocks.models.settings import CostCheck
from blocks.perf_environment import PerfEnvironment
from tests.rehearsal.standing import Prefect

# Seconds of the smoke test, users to seed, seconds of an approval that nobody answers.
_SMOKE_S, _USERS, _IMPATIENT_S = 5.0, 100, 6.0
# A sign-in takes a few milliseconds here; this limit is crossed by any load.
_STRICT_MS = 1.0


def save_blocks(prefect: Prefect, aws_url: str) -> None:
    """Save the profiles of the cells, and lead the rehearsal's environment through a door to AWS."""
    with temporary_settings({PREFECT_API_URL: f"{prefect.url}/api"}):
        rehearsal = LoadProfile.load("rehearsal")
        assert isinstance(rehearsal, LoadProfile)
        profile = rehearsal.model_copy(
            update={
                "smoke": rehearsal.smoke.model_copy(update={"hold_s": _SMOKE_S}),
                "users": rehearsal.users.model_copy(update={"count": _USERS}),
                "ramp": rehearsal.ramp.model_copy(
                    update={"script": rehearsal.ramp.script.with_name("short-ramp.js"), "approval_timeout_s": 120.0}
                ),
            }
        )
        strict = tuple(
            rule.model_copy(update={"limit": _STRICT_MS}) if rule.name == "sign-in p95" else rule
            for rule in profile.guard
        )
        impatient = profile.ramp.model_copy(update={"approval_timeout_s": _IMPATIENT_S})
        profile.save("killmatrix", overwrite=True)
        profile.model_copy(update={"guard": strict}).save("killmatrix-strict", overwrite=True)
        profile.model_copy(update={"ramp": impatient}).save("killmatrix-impatient", overwrite=True)
        profile.model_copy(update={"guard": strict, "ramp": impatient}).save(
            "killmatrix-strict-impatient", overwrite=True
        )
        environment = PerfEnvironment.load("rehearsal")
        assert isinstance(environment, PerfEnvironment)
        # The evidence store goes on asking AWS itself.
        through = environment.aws.model_copy(
            update={"aws_client_parameters": AwsClientParameters(endpoint_url=aws_url)}
        )
        through.save("door", overwrite=True)
        # The cost is asked for a day later, as it is of a real run: here it would be one more process a cell.
        environment.model_copy(update={"aws": AwsCredentials.load("door"), "cost": CostCheck()}).save(
            "rehearsal", overwrite=True
        )
