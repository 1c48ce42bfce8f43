"""The signals of triage out of what was measured: each number at the breach, its limit, its past, its onset."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from blocks.models.triage import Frozen, Measure, Saturation, Signal, Subject, TriageRules, Unit

# A load generator is read every two to three seconds: the last two readings before a breach.
_READINGS_S = 6.0
# The reading that was under way when the breach was detected.
_READING_S = 1.0


class Track(Frozen):
    """One series of a range query."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]
    """(unix seconds, value) at a fixed step; NaN and missing points are no values."""


class Asked(Frozen):
    """What is asked of Prometheus for a row, and how its answer is read."""

    query: str
    subject: str
    """Whose number it is; labels in braces, such as '{service_name}'."""
    name: str
    """What is measured; labels in braces."""
    unit: Unit
    limit: float
    against_stable: bool = True
    """Whether it has to be above the last stable stage too."""


def subjects_of(asked: Asked, now: Sequence[Track], stable: Sequence[Track], at: datetime) -> tuple[Subject, ...]:
    """Read one measure of each subject.

    Args:
        asked: what was asked.
        now: its series from the stage's start to the breach.
        stable: its series in the last stable stage; empty when there was none.
        at: the moment of the breach that is judged: a series without a value there has none.
    """
    highest = {_key(track): max(values) for track in stable if (values := _values(track))}
    found = []
    for track in now:
        if not track.points or track.points[-1][0] < at.timestamp() - 1.0 or not math.isfinite(track.points[-1][1]):
            continue
        labels = _Labels(track.labels)
        found.append(
            Subject(
                name=asked.subject.format_map(labels),
                measures=(
                    Measure(
                        name=asked.name.format_map(labels),
                        unit=asked.unit,
                        observed=track.points[-1][1],
                        limit=asked.limit,
                        baseline=highest.get(_key(track)) if asked.against_stable else None,
                        onset=_onset(track, asked.limit),
                    ),
                ),
            )
        )
    return tuple(found)


def gone(asked: Asked, found: Sequence[Subject], stable: Sequence[Track]) -> str:
    """Say which subjects had numbers in the last stable stage and have none at the breach; empty = none."""
    before = {asked.subject.format_map(_Labels(track.labels)) for track in stable if _values(track)}
    missing = sorted(before - {subject.name for subject in found})
    return (
        f"No number at the breach, though there was one in the last stable stage: {', '.join(missing)}."
        if missing
        else ""
    )


def together(first: Sequence[Subject], second: Sequence[Subject]) -> tuple[Subject, ...]:
    """Join the measures of the same subject: all have to be over. One that lacks either is left out."""
    other = {subject.name: subject for subject in second}
    return tuple(
        subject.model_copy(update={"measures": (*subject.measures, *other[subject.name].measures)})
        for subject in first
        if subject.name in other
    )


def saturation_signal(  # noqa: PLR0913 - what a breach leaves behind
    readings: Sequence[Saturation],
    rules: TriageRules,
    *,
    loadgens: Sequence[str],
    stage_started: datetime,
    detected: datetime,
    stable: tuple[datetime, datetime] | None,
) -> Signal:
    """Judge whether a load generator was at its limit when the breach was detected.

    Late iterations alone, or a busy CPU alone, are no saturation: the system makes iterations long, and k6 may use
    the CPU it was given. Both together are.

    Args:
        readings: what the guard read while the load ran.
        rules: the limits.
        loadgens: the addresses of the load generators of the ramp.
        stage_started: when the breached stage began.
        detected: when the breach was.
        stable: the last stable stage; None when there was none.
    """
    subjects, problems, evidence = [], [], []
    for loadgen in dict.fromkeys((*loadgens, *(reading.loadgen for reading in readings))):
        own = sorted((item for item in readings if item.loadgen == loadgen), key=lambda item: item.at)
        past = [item for item in own if stage_started <= item.at <= detected + timedelta(seconds=_READING_S)]
        judged = [(item, measures) for item in past if (measures := _pressure(item, rules))]
        recent = [pair for pair in judged if pair[0].at >= detected - timedelta(seconds=_READINGS_S)]
        if not recent:
            problems.append(
                f"{loadgen} has no complete reading of CPU and iteration lag within {_READINGS_S:g} s before the breach."
            )
            continue
        lags = [item.lag_ms for item in own if stable and stable[0] <= item.at <= stable[1] and item.lag_ms is not None]
        # Both have to be over, so the lower one says how bad it was; where no reading is late, the other one does.
        worst, (lag, pressure) = max(recent, key=lambda pair: sorted(measure.excess for measure in pair[1]))
        baseline = max(lags) if lags else None
        onset = _first_of_stretch(
            [(item.at, all(measure.over for measure in measures)) for item, measures in judged], worst.at
        )
        subjects.append(
            Subject(
                name=loadgen,
                measures=(
                    lag.model_copy(update={"baseline": baseline, "onset": onset}),
                    pressure.model_copy(update={"onset": onset}),
                ),
            )
        )
        evidence.append(
            f"{loadgen} at {worst.at:%H:%M:%S}: CPU {_percent(worst.cpu_busy)} busy, "
            f"k6 waited for a CPU {_percent(worst.run_queue_share)} of its time."
        )
    return Signal(
        row="k6-saturated",
        query="the guard's readings: /proc/stat and /proc/<k6>/task/*/schedstat on the load generators, iteration lag from Prometheus",
        subjects=tuple(subjects),
        problem=" ".join(problems) if problems or subjects else "The guard read no load generator.",
        evidence=" ".join(evidence),
    )


def _pressure(reading: Saturation, rules: TriageRules) -> tuple[Measure, Measure] | None:
    """Return the lag and the stronger sign of a busy CPU; None when either is not known."""
    signs = [
        Measure(name=name, unit="ratio", observed=value, limit=limit)
        for name, value, limit in (
            ("CPU of the host", reading.cpu_busy, rules.k6_cpu_busy),
            ("k6 waiting for a CPU", reading.run_queue_share, rules.k6_run_queue_share),
        )
        if value is not None
    ]
    if not signs or reading.lag_ms is None:
        return None
    lag = Measure(name="lag of iterations", unit="ms", observed=reading.lag_ms, limit=rules.k6_lag_ms)
    return lag, max(signs, key=lambda measure: measure.excess)


def _first_of_stretch(judged: Sequence[tuple[datetime, bool]], end: datetime) -> datetime | None:
    """Return when the unbroken stretch of True up to a moment began."""
    began = None
    for at, over in judged:
        if at > end:
            break
        began = (began or at) if over else None
    return began


def _onset(track: Track, limit: float) -> datetime | None:
    judged = [(datetime.fromtimestamp(at, UTC), value > limit) for at, value in track.points if math.isfinite(value)]
    return _first_of_stretch(judged, judged[-1][0]) if judged else None


def _values(track: Track) -> list[float]:
    return [value for _, value in track.points if math.isfinite(value)]


def _key(track: Track) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(track.labels.items()))


def _percent(part: float | None) -> str:
    return "unknown" if part is None else f"{part:.0%}"


class _Labels(dict[str, str]):
    def __missing__(self, label: str) -> str:
        return f"no {label}"
