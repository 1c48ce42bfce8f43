"""Compares an answer with a recorded contract: keys and types, recursively."""

import json
from typing import Any

from tests.integration.grafana.servers import CONTRACTS


def contract(name: str) -> Any:
    """A recorded answer of Grafana, `ds_query.200` for ds_query.200.json."""
    return json.loads((CONTRACTS / "grafana" / f"{name}.json").read_text())


def shape_problems(recorded: Any, answer: Any, ignore: frozenset[str] = frozenset(), path: str = "$") -> list[str]:
    """What the answer lacks or has in another type. More keys are allowed: Grafana adds some in each version.

    Args:
        recorded: The contract. Of a list with items every item of the answer must look like one of them.
        answer: What the stand-in said.
        ignore: Paths whose contents differ by nature, e.g. a dashboard's own model.
        path: Where in the answer this is.
    """
    if path in ignore:
        return []
    if _kind(recorded) != _kind(answer):
        return [f"{path}: wanted {_kind(recorded)}, got {_kind(answer)} {answer!r}"]
    if isinstance(recorded, dict):
        missing = [f"{path}.{key}: missing" for key in recorded if key not in answer]
        shared = [key for key in recorded if key in answer]
        deeper = (shape_problems(recorded[key], answer[key], ignore, f"{path}.{key}") for key in shared)
        return missing + [problem for problems in deeper for problem in problems]
    if isinstance(recorded, list) and recorded:
        if not answer:
            return [f"{path}: an empty list where the contract has items"]
        return [
            problem for row, item in enumerate(answer) for problem in _best(recorded, item, ignore, f"{path}[{row}]")
        ]
    return []


def _best(candidates: list[Any], item: Any, ignore: frozenset[str], path: str) -> list[str]:
    return min((shape_problems(candidate, item, ignore, path) for candidate in candidates), key=len)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__
