"""The blocks of a drill: the rehearsal's own with a shorter ramp, and limits for a hundredth of the load."""

from __future__ import annotations

from pydantic import SecretStr

from blocks.load_profile import LoadProfile
from blocks.models.rules import GuardRule
from blocks.perf_environment import PerfEnvironment
from deployments.rehearsal.drills.faults import Drill
from deployments.rehearsal.settings import BLOCK

NAME = "drill"
_SCRIPT = "short-ramp.js"
# Seconds of the smoke test before the ramp and after a fix.
_SMOKE_S = 8.0
# A rehearsal has a hundredth of the virtual users and a sixtieth of the time: limits of amounts and of durations
# follow. The script's own limit of the handshake is a second.
_RULES = (
    GuardRule(name="queue depth", metric="queue_depth", limit=30.0, for_s=2.0),
    GuardRule(name="handshake p95", metric="p95_ms", scope="ws", limit=1000.0),
)
_TRIAGE_WINDOW_S, _TRIAGE_JOBS = 10.0, 20.0
# A metric that no collector exports.
_RENAMED = "span_durations_renamed_bucket"


def save_blocks(drill: Drill) -> dict[str, str]:
    """Save the blocks of a drill and return their names as the run's form wants them."""
    rehearsal = _load_profile(BLOCK)
    own = {rule.metric for rule in _RULES if not rule.scope}
    kept = tuple(rule for rule in rehearsal.guard if rule.metric not in own)
    profile = rehearsal.model_copy(
        update={
            "smoke": rehearsal.smoke.model_copy(update={"hold_s": _SMOKE_S}),
            "ramp": rehearsal.ramp.model_copy(update={"script": rehearsal.ramp.script.with_name(_SCRIPT)}),
            "guard": (*kept, *_RULES),
            "triage": rehearsal.triage.model_copy(update={"window_s": _TRIAGE_WINDOW_S, "queue_jobs": _TRIAGE_JOBS}),
        }
    )
    profile.save(NAME, overwrite=True)
    if not drill.renamed:
        return {"environment": BLOCK, "profile": NAME}
    environment = PerfEnvironment.load(BLOCK)
    assert isinstance(environment, PerfEnvironment)
    names = environment.metrics.model_copy(update={"span_duration": _RENAMED})
    environment.model_copy(update={"metrics": names}).save(NAME, overwrite=True)
    return {"environment": NAME, "profile": NAME}


def set_bypass(key: str) -> None:
    """Let the load scripts send the header that passes the rate limit; what runs next reads the block anew."""
    profile = _load_profile(NAME)
    secrets = {**profile.script_secrets, "LOAD_TEST_BYPASS": SecretStr(key)}
    profile.model_copy(update={"script_secrets": secrets}).save(NAME, overwrite=True)


def _load_profile(name: str) -> LoadProfile:
    profile = LoadProfile.load(name)
    assert isinstance(profile, LoadProfile)
    return profile
