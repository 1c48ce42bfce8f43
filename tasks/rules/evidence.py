"""Whether the stages' evidence is complete; what is not there is named with its reason."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from blocks.models.record import Stage
from blocks.models.verdict import Judgement, failed, passed
from tasks.rules.naming import name_some

_NAMED = 3


def judge_stage_evidence(stages: Sequence[Stage]) -> Judgement:
    """Judge whether each judged stage has its picture, summary and traces."""
    judged = [stage for stage in stages if stage.gate]
    poor = [
        f"stage {stage.number} lacks its {what}: {stage.not_captured.get(piece, 'it was never tried')}"
        for stage in judged
        for what, piece, there in (
            ("picture", "screenshot", stage.screenshot),
            ("summary", "numbers", stage.summary),
            ("traces", "traces", stage.trace_ids),
        )
        if not there
    ]
    if not judged:
        return failed("No stage was judged; wanted are the picture, summary and traces of each.")
    if poor:
        return failed(f"{name_some(poor, _NAMED, '; ')}. Wanted are all three of each judged stage.")
    following = {stage.number: after for stage, after in itertools.pairwise(stages)}
    held = sum(_held(stage, following.get(stage.number)) for stage in judged)
    return passed(f"{len(judged)} stages with picture, summary and traces; {held} pictures were taken during the ramp")


def judge_snapshots(stages: Sequence[Stage]) -> Judgement:
    """Judge whether each judged stage has a stored snapshot with its data."""
    judged = [stage for stage in stages if stage.gate]
    poor = [
        f"stage {stage.number}: {stage.not_captured.get('snapshot', 'it was never tried')}"
        for stage in judged
        if not stage.snapshot
    ]
    if poor or not judged:
        return failed(
            f"No snapshot of {name_some(poor, _NAMED, '; ') or 'any stage'}. Wanted is one of each judged stage."
        )
    urls = [stage.snapshot for stage in stages if stage.snapshot]
    return passed(f"{len(urls)} snapshots with their data: {name_some(urls, _NAMED, '; ')}")


def _held(stage: Stage, following: Stage | None) -> bool:
    """Whether the stage's picture was taken before the next stage's load was reached, or before its own ended."""
    taken = stage.captured.get("screenshot")
    until = stage.ended if following is None else following.steady_from
    return taken is not None and until is not None and taken <= until
