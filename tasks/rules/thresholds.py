"""Which limits the guard applies: the profile's rules, and what the script itself would stop for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from blocks.models.errors import Refused
from blocks.models.load import LoadPlan
from blocks.models.rules import GuardRule
from tasks.rules.guard import shown

_KEY = re.compile(r"(?P<metric>\w+)(?:\{(?P<tags>[^}]*)\})?")
_LIMIT = re.compile(r"\s*(?P<what>p\(95\)|rate)\s*<=?\s*(?P<limit>\d+(?:\.\d+)?)\s*")
# The metrics whose subjects are the script's scenarios.
_OF_ENDPOINTS = ("p95_ms", "error_rate")


def rules_of_ramp(own: Sequence[GuardRule], plan: LoadPlan) -> tuple[tuple[GuardRule, ...], tuple[str, ...]]:
    """Return the rules of a ramp, and what is not enforced, one sentence each.

    Args:
        own: the profile's rules.
        plan: the script's plan; its thresholds with ``abortOnFail`` become rules unless a rule of the profile is as
            strict. One for the same metric, scope and operator stands as the profile has it.

    Raises:
        Refused: a rule watches an endpoint that the script does not have.
    """
    scenarios = [scenario.name for scenario in plan.scenarios]
    unenforced: list[str] = []
    rules: list[GuardRule] = []
    for rule in own:
        if rule.metric in _OF_ENDPOINTS and rule.scope and rule.scope not in scenarios:
            near = get_close_matches(rule.scope, scenarios, n=1)
            hint = f"did you mean '{near[0]}'?" if near else "change the guard's rules in the load profile."
            raise Refused(
                f"The guard's rule '{rule.name}' watches the endpoint '{rule.scope}'; the script has {', '.join(scenarios)}: {hint}"
            )
        if rule.metric == "ws_handshake_success" and "ws" not in scenarios:
            unenforced.append(f"Not enforced: '{rule.name}', as the script has no scenario 'ws'.")
        else:
            rules.append(rule)
    wanted, impossible = rules_from_thresholds(plan.thresholds)
    for rule in wanted:
        if rule.scope and rule.scope not in scenarios:
            unenforced.append(f"Not enforced: threshold {rule.name}, as the script has no scenario '{rule.scope}'.")
        elif accepted := next((reason for mine in own if (reason := _accepted(mine, rule))), ""):
            unenforced.append(f"Not enforced: threshold {rule.name}, as it is expected: {accepted}")
        elif any(_as_strict(mine, rule) for mine in rules):
            continue
        elif standing := next((mine for mine in own if _about_the_same(mine, rule)), None):
            unenforced.append(
                f"Not enforced: threshold {rule.name}, as the profile's own rule stands: '{standing.name}', "
                f"{standing.operator} {shown(standing.metric, standing.limit)} over {standing.window_s:g} s."
            )
        else:
            rules.append(rule)
    return tuple(rules), (*unenforced, *impossible)


def rules_from_thresholds(thresholds: Mapping[str, Any]) -> tuple[tuple[GuardRule, ...], tuple[str, ...]]:
    """Turn thresholds with ``abortOnFail`` into rules of the guard, where it can measure the same thing.

    k6 judges them over everything since its start, and one of N processes would vanish alone: the segments run without
    ``abortOnFail``.

    Args:
        thresholds: as k6 resolved them: by metric, texts or objects.

    Returns:
        The rules, and a sentence for each threshold that cannot be one.
    """
    rules: list[GuardRule] = []
    unenforced: list[str] = []
    for key, limits in sorted(thresholds.items()):
        for limit in limits:
            if isinstance(limit, str) or not limit.get("abortOnFail"):
                continue
            text = str(limit["threshold"])
            rule = _rule_of(key, text)
            if rule is None:
                unenforced.append(
                    f"Not enforced: threshold {key} {text}; the guard judges p(95) of http_req_duration by scenario and of "
                    "ws_connecting, and the rate of http_req_failed."
                )
            else:
                rules.append(rule)
    return tuple(rules), tuple(unenforced)


def _rule_of(key: str, text: str) -> GuardRule | None:
    named, limited = _KEY.fullmatch(key), _LIMIT.fullmatch(text)
    if named is None or limited is None or float(limited["limit"]) <= 0:
        return None
    tag, _, scenario = (named["tags"] or "").partition(":")
    if tag not in {"", "scenario"} or "," in scenario:
        return None
    name, limit = f"{key} {text}", float(limited["limit"])
    match (named["metric"], limited["what"]):
        case ("http_req_duration", "p(95)") if scenario not in {"", "ws"}:
            return GuardRule(name=name, metric="p95_ms", scope=scenario, limit=limit)
        case ("ws_connecting", "p(95)") if scenario in {"", "ws"}:
            return GuardRule(name=name, metric="p95_ms", scope="ws", limit=limit)
        case ("http_req_failed", "rate"):
            return GuardRule(name=name, metric="error_rate", scope=scenario, limit=limit)
    return None


def _covers(mine: GuardRule, rule: GuardRule) -> bool:
    """Whether a rule of the profile looks at the same thing; without a scope p95 is that of every HTTP endpoint."""
    each = not mine.scope and mine.metric == "p95_ms" and rule.scope != "ws"
    return mine.metric == rule.metric and (mine.scope == rule.scope or each)


def _as_strict(mine: GuardRule, rule: GuardRule) -> bool:
    return (
        _covers(mine, rule)
        and (mine.operator, mine.for_s, mine.settle_s) == (">", 0.0, 0.0)
        and mine.limit <= rule.limit
        and mine.window_s <= rule.window_s
    )


def _about_the_same(mine: GuardRule, rule: GuardRule) -> bool:
    return (mine.metric, mine.scope, mine.operator) == (rule.metric, rule.scope, rule.operator)


def _accepted(mine: GuardRule, rule: GuardRule) -> str:
    return mine.expected.get(rule.scope, "") if _covers(mine, rule) else ""
