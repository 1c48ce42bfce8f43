"""Live estimates beside exact numbers, and what a lost file of samples means for a stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from blocks.models.record import EndpointNumbers, Record, Stage

_BUCKET_FACTOR = 2 ** (1 / 8)
"""Distance of two bounds of k6's native histograms: an estimate may be off by as much (about 9 %)."""


_FEWEST = 200
"""Of fewer requests a p95 is one of the ten largest, and depends on how it is interpolated."""


@dataclass(frozen=True)
class Lost:
    """Samples of a k6 process that are not there."""

    why: str
    after: datetime | None = None
    """Samples up to here are there; None = none is."""


def compared(exact: EndpointNumbers, live_p95_ms: float | None) -> EndpointNumbers:
    """Note beside exact numbers when the estimate of the live p95 was further off than its buckets explain."""
    if not live_p95_ms or not exact.p95_ms or (exact.requests or 0) < _FEWEST:
        return exact
    ratio = live_p95_ms / exact.p95_ms
    if 1 / _BUCKET_FACTOR <= ratio <= _BUCKET_FACTOR:
        return exact
    return exact.model_copy(
        update={
            "live_note": f"live p95 {live_p95_ms:.1f} ms, exact {exact.p95_ms:.1f} ms of {exact.requests} requests: "
            f"{ratio - 1:+.0%}, more than the {_BUCKET_FACTOR - 1:.0%} a bucket explains"
        }
    )


def stage_end(record: Record, stage: Stage) -> datetime | None:
    """Return until when a stage is looked at: the gate's look, its end, or the breach that stopped it.

    A stage that is held again keeps the times of the hold before until it has its own.
    """
    breached = [item.detected for item in record.breaches if item.stage == stage.number]
    ends = (stage.steady_to, stage.ended, *breached)
    return next((end for end in ends if end is not None and end > stage.started), None)


def steady_begin(stage: Stage) -> datetime | None:
    """Return when a stage's level was reached; None when it was stopped on its rise."""
    return stage.steady_from if stage.steady_from is not None and stage.steady_from >= stage.started else None


def missing_samples(record: Record, stage: Stage, lost: Mapping[str, Lost]) -> str:
    """Say which processes' samples a stage's numbers lack; empty when none.

    Args:
        record: the run.
        stage: the stage.
        lost: what is not there, by the segment's name.
    """
    end = stage_end(record, stage)
    names = []
    for segment in record.segments:
        name = f"segment-{segment.index:02d}"
        why = lost.get(name)
        ran = end is not None and segment.started < end and (segment.ended is None or segment.ended > stage.started)
        if why is not None and ran and (why.after is None or end is None or why.after < end):
            names.append(f"{name} on {segment.loadgen}: {why.why}")
    return f"numbers lack the samples of {'; '.join(names)}" if names else ""
