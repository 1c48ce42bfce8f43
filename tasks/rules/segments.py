"""Cutting a ramp into execution segments: stage N is all cuts of levels 1..N running.

k6 deals the virtual users of a test out to its segments like cards: a cut of ``start:end`` gets every slot of the
test that is dealt to it, and ids of virtual users are these slots, so they are unique over all processes. Rampart
decides how many users each process runs (`Segment.amounts`), cuts the sequence by these numbers, and tells k6 the
total whose cut is exactly that (`Segment.targets`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, gcd
from typing import Any

from blocks.models.errors import Refused
from blocks.models.load import Level, LoadPlan, ScenarioLoad, Segment
from tasks.rules.durations import go_duration
from tasks.rules.stages import rising, scaled_amount

# Rates are told to k6 as whole iterations per hour: a rate below one per second stays what it is.
_HOUR_S = 3600
# The tags that queries and the exact numbers tell samples apart by: without expected_response no request ever failed.
_SYSTEM_TAGS = {"scenario", "expected_response", "status", "error_code", "check"}
# Three probes halve the step between two levels three times.
_FINER_PARTS = (8, 4, 2)


def cut_into_segments(plan: LoadPlan, loadgens: int) -> tuple[Segment, ...]:
    """Cut the load, level by level, into one k6 process per level and load generator.

    Args:
        plan: the ramp's plan.
        loadgens: how many hosts share what each level adds, equally to within one virtual user a scenario.

    Returns:
        Segments in the order of their sequence, numbered from 1; those of one stage start together.

    Raises:
        Refused: a segment would give a scenario that rises no virtual user.
    """
    cuts = [
        (level, loadgen, amounts)
        for below, level in zip((None, *plan.levels), plan.levels, strict=False)
        for loadgen, amounts in enumerate(_dealt(plan, _added(below, level), loadgens, level.number))
    ]
    sizes = [_size(plan, amounts) for _, _, amounts in cuts]
    whole = sum(sizes)
    slots = _slots(sizes) if plan.unit == "vus" else ()
    segments: list[Segment] = []
    for position, (level, loadgen, amounts) in enumerate(cuts):
        start = segments[-1].end if segments else Fraction(0)
        share = Fraction(sizes[position], whole)
        segments.append(
            Segment(
                index=position + 1,
                stage=level.number,
                loadgen=loadgen,
                start=start,
                end=start + share,
                rise_s=level.rise_s,
                amounts=amounts,
                targets={
                    name: _target(slots, position, round(amount)) if slots else amount / float(share)
                    for name, amount in amounts.items()
                },
            )
        )
    for segment in segments:
        _refuse_unallocated(plan, segment)
    return tuple(segments)


def renumber(segments: Sequence[Segment], first_index: int) -> tuple[Segment, ...]:
    """Return the same cuts with indexes from ``first_index`` on, for another start under other names."""
    return tuple(
        segment.model_copy(update={"index": index}) for index, segment in enumerate(segments, start=first_index)
    )


def sequence_of(segments: Sequence[Segment]) -> str:
    """Return ``--execution-segment-sequence`` for all cuts of a ramp, whatever their indexes."""
    cuts = sorted(segments, key=lambda segment: segment.start)
    return ",".join([str(cuts[0].start), *(str(segment.end) for segment in cuts)])


def segment_options(plan: LoadPlan, segment: Segment, hold_s: float, tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of a segment's wrapper: its targets, risen to over its own rise, then held.

    k6 takes the segment's cut of them. Thresholds no longer abort: on whole-run averages one of N segments would
    vanish alone; the guard stops the load instead.

    Args:
        plan: the ramp's plan.
        segment: one of its cuts.
        hold_s: how long it holds when nobody stops it.
        tags: the run's tags; they join the script's and win.
    """
    scenarios = {
        scenario.name: _held(plan, scenario, segment, hold_s)
        for scenario in plan.scenarios
        if scenario.name in segment.targets
    }
    return _test(plan, scenarios, tags)


def literal_options(plan: LoadPlan, tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the options that run the script as it is: its own stages, start and end; no threshold aborts.

    Several load generators take equal cuts of it, ``0:1/n`` to ``(n-1)/n:1``.

    Args:
        plan: the ramp's plan; scaled when the profile scales.
        tags: the run's tags; they join the script's and win.
    """
    return _test(plan, {scenario.name: scenario.resolved for scenario in plan.scenarios}, tags)


def with_system_tags(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return k6's options with the system tags that Rampart measures by beside those the script chose.

    Args:
        options: as k6 resolved them; without ``systemTags`` k6's own default holds, which has all of these.
    """
    if "systemTags" not in options:
        return dict(options)
    return {**options, "systemTags": sorted(_SYSTEM_TAGS.union(options["systemTags"]))}


def timeline(plan: LoadPlan) -> tuple[tuple[int, float, float], ...]:
    """Return when the script itself is on each level: number, steady from and to, in seconds since its start."""
    found: list[tuple[int, float, float]] = []
    now_s = 0.0
    for level in plan.levels:
        steady_s = now_s + level.rise_s
        now_s = steady_s + level.hold_s
        found.append((level.number, steady_s, now_s))
    return tuple(found)


def throttle(plan: LoadPlan, scenario: str, share: float, loadgens: int) -> LoadPlan:
    """Return the same plan with a part of one scenario at every level.

    Args:
        plan: the ramp's plan.
        scenario: the scenario's name.
        share: the part of its virtual users or rate that stays, between 0 and 1.
        loadgens: how many hosts share the load.

    Raises:
        Refused: the scenario is unknown, the share is out of range, or a segment would be left without a user of it.
    """
    known = [item.name for item in plan.scenarios]
    if not scenario:
        raise Refused(f"No scenario to throttle is given; choose one: the script has {', '.join(known)}.")
    if scenario not in known:
        raise Refused(f"The script has no scenario '{scenario}'; it has {', '.join(known)}.")
    if not 0 < share < 1:
        raise Refused(f"A scenario cannot be throttled to {share:g}; wanted is a part between 0 and 1, such as 0.5.")
    what = f"throttled to {share:g}"
    levels = tuple(
        level.model_copy(
            update={"amounts": {**level.amounts, scenario: scaled_amount(plan, level, scenario, share, what)}}
        )
        for level in plan.levels
    )
    throttled = rising(plan.model_copy(update={"levels": levels}), what)
    cut_into_segments(throttled, loadgens)
    return throttled


def finer_plan(plan: LoadPlan, stable: int, breached: int, loadgens: int) -> LoadPlan:
    """Return the plan up to the breached level, with the rise to it from the stable one divided into eight equal levels.

    The stable levels stay as they are. Where eight parts would leave a segment without a virtual user there are
    four or two; where even two would, the plan is not divided.

    Args:
        plan: the ramp's plan.
        stable: number of the highest stable level.
        breached: number of the level that breached, above it; what is between could not be judged.
        loadgens: how many hosts share the load.
    """
    kept, top = plan.levels[:stable], plan.levels[breached - 1]
    rise_s = sum(level.rise_s for level in plan.levels[stable:breached])
    for parts in _FINER_PARTS:
        finer = tuple(
            Level(
                number=stable + part,
                amounts={
                    name: low + (top.amounts[name] - low) * part / parts
                    if plan.unit == "rate"
                    else round(low + (top.amounts[name] - low) * part / parts)
                    for name, low in kept[-1].amounts.items()
                },
                rise_s=rise_s / parts,
                hold_s=top.hold_s,
            )
            for part in range(1, parts + 1)
        )
        candidate = plan.model_copy(update={"levels": (*kept, *finer)})
        try:
            cut_into_segments(rising(candidate, "refined"), loadgens)
        except Refused:
            continue
        return candidate
    return plan.model_copy(update={"levels": plan.levels[:breached]})


def next_probe(low: int, high: int) -> int | None:
    """Return the level to try between a stable and an unstable one; None when nothing is between them."""
    return (low + high) // 2 if high - low > 1 else None


def _added(below: Level | None, level: Level) -> dict[str, float]:
    """Return what a level adds to each scenario that rises at it."""
    added = {name: amount - (below.amounts[name] if below else 0.0) for name, amount in level.amounts.items()}
    return {name: amount for name, amount in added.items() if amount > 0}


def _dealt(plan: LoadPlan, added: Mapping[str, float], loadgens: int, stage: int) -> list[dict[str, float]]:
    """Divide what a level adds among the load generators: rates exactly, virtual users to within one."""
    if plan.unit == "rate":
        return [{name: amount / loadgens for name, amount in added.items()}] * loadgens
    dealt: list[dict[str, float]] = [{} for _ in range(loadgens)]
    turn = 0
    for name, amount in added.items():
        each, over = divmod(round(amount), loadgens)
        if not each:
            raise Refused(
                f"Each k6 of stage {stage} would run scenario '{name}' with {amount / loadgens:.2f} virtual users; "
                "every segment needs at least one of each: fewer load generators or more users."
            )
        for loadgen in range(loadgens):
            dealt[loadgen][name] = each
        # The remainders of the scenarios go round, so that no load generator gets all of them.
        for place in range(turn, turn + over):
            dealt[place % loadgens][name] += 1
        turn += over
    return dealt


def _size(plan: LoadPlan, amounts: Mapping[str, float]) -> int:
    """Return a cut's size in whole units: virtual users, or iterations per hour."""
    return round(sum(amounts.values()) * (1 if plan.unit == "vus" else _HOUR_S))


def _slots(sizes: Sequence[int]) -> tuple[list[int], ...]:
    """Return the slots of one round that k6 deals to each cut.

    This is k6's own rule (lib/execution_segment.go, NewExecutionSegmentSequenceWrapper): at each slot the largest
    cut that is not ahead of its share takes it; of equal ones the earlier.
    """
    common = gcd(*sizes)
    parts = [size // common for size in sizes]
    turns = sorted(range(len(parts)), key=lambda cut: -parts[cut])
    round_length = sum(parts)
    dealt: tuple[list[int], ...] = tuple([] for _ in parts)
    for slot in range(round_length):
        taker = next(cut for cut in turns if slot * parts[cut] >= len(dealt[cut]) * round_length)
        dealt[taker].append(slot)
    return dealt


def _target(slots: Sequence[Sequence[int]], cut: int, amount: int) -> int:
    """Return the smallest total of which a cut gets the amount of virtual users."""
    rounds, rest = divmod(amount - 1, len(slots[cut]))
    return rounds * sum(map(len, slots)) + slots[cut][rest] + 1


def _held(plan: LoadPlan, scenario: ScenarioLoad, segment: Segment, hold_s: float) -> dict[str, Any]:
    target = segment.targets[scenario.name]
    options: dict[str, Any] = {**scenario.options, "executor": scenario.executor}
    if plan.unit == "vus":
        options["startVUs"] = 0
    else:
        options |= {"startRate": 0, "timeUnit": go_duration(_HOUR_S)}
        target *= _HOUR_S
        options |= _allocated(plan, scenario, segment)
    options["stages"] = [
        {"duration": go_duration(segment.rise_s), "target": round(target)},
        {"duration": go_duration(hold_s), "target": round(target)},
    ]
    return options


def _allocated(plan: LoadPlan, scenario: ScenarioLoad, segment: Segment) -> dict[str, int]:
    """Return the virtual users k6 may use for a rate, as large as the script's beside the target."""
    factor = segment.targets[scenario.name] / plan.levels[-1].amounts[scenario.name]
    return {
        key: ceil(scenario.options[key] * factor - 1e-6)
        for key in ("preAllocatedVUs", "maxVUs")
        if key in scenario.options
    }


def _refuse_unallocated(plan: LoadPlan, segment: Segment) -> None:
    """Refuse a rate for which the segment's k6 has no virtual user: k6 would leave the scenario out silently."""
    for scenario in plan.scenarios:
        if plan.unit == "vus" or scenario.name not in segment.targets:
            continue
        allocated = max(_allocated(plan, scenario, segment).values(), default=0) * segment.share
        if allocated < 1 - 1e-6:
            raise Refused(
                f"{segment.name} would run scenario '{scenario.name}' with {allocated:.2f} of its preAllocatedVUs; "
                "every segment needs at least one: give the script more of them, or use fewer load generators."
            )


def _test(plan: LoadPlan, scenarios: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of a test with these scenarios and everything else as the script says."""
    return {
        **with_system_tags(plan.other),
        "scenarios": dict(scenarios),
        "thresholds": {name: [_without_abort(limit) for limit in limits] for name, limits in plan.thresholds.items()},
        "tags": {**plan.tags, **tags},
    }


def _without_abort(limit: Any) -> Any:  # noqa: ANN401 - k6 prints a text or an object
    return limit if isinstance(limit, str) else {"threshold": limit["threshold"], "abortOnFail": False}
