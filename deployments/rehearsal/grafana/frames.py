"""Answers of Prometheus in Grafana's wire format: data frames, columns with a schema."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployments.rehearsal.grafana.answers import Json

_PLACEHOLDER = re.compile(r"{{\s*([^}]+?)\s*}}")
_AUTO = "__auto"


@dataclass(frozen=True)
class Naming:
    """What the frames of one query are called by.

    Attributes:
        ref_id: The query's refId.
        legend: The query's `legendFormat`.
        expression: The interpolated expression, the name of a series without labels.
        executed: The text Grafana shows as the executed query.
    """

    ref_id: str
    legend: str
    expression: str
    executed: str


def matrix_frames(naming: Naming, result: Sequence[Mapping[str, Any]], step_ms: int) -> list[Json]:
    """Frames of a range query, one a series. Native histograms without a float value are left out.

    Args:
        naming: Names of the query.
        result: `data.result` of Prometheus.
        step_ms: Step in milliseconds.
    """
    return [
        _frame(naming, _Kind("timeseries-multi", "matrix", {"interval": step_ms}), series["metric"], series["values"])
        for series in result
        if series.get("values")
    ]


def vector_frames(naming: Naming, result: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Frames of an instant query, one a series with one point each."""
    return [
        _frame(naming, _Kind("numeric-multi", "vector", {}), series["metric"], [series["value"]])
        for series in result
        if series.get("value")
    ]


def empty_frame(ref_id: str, executed: str) -> Json:
    """The frame of a query that found nothing, or failed."""
    return {
        "schema": {"refId": ref_id, "meta": {"typeVersion": [0, 0], "executedQueryString": executed}, "fields": []},
        "data": {"values": []},
    }


@dataclass(frozen=True)
class _Kind:
    frame_type: str
    result_type: str
    time_config: dict[str, Json]


def _frame(naming: Naming, kind: _Kind, labels: Mapping[str, str], points: Sequence[Sequence[Any]]) -> Json:
    times: list[Json] = [round(float(point[0]) * 1000) for point in points]
    values, odd = _columns([float(point[1]) for point in points])
    name = _display_name(naming, labels)
    data: dict[str, Json] = {"values": [times, values]}
    if odd:
        data["entities"] = [None, odd]
    return {
        "schema": {
            "refId": naming.ref_id,
            "meta": {
                "type": kind.frame_type,
                "typeVersion": [0, 1],
                "custom": {"resultType": kind.result_type},
                "executedQueryString": naming.executed,
            },
            "fields": [
                {"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time"}, "config": kind.time_config},
                {
                    "name": labels.get("__name__", "Value"),
                    "type": "number",
                    "typeInfo": {"frame": "float64"},
                    "labels": dict(labels),
                    "config": {"displayNameFromDS": name} if name else {},
                },
            ],
        },
        "data": data,
    }


def _columns(numbers: Sequence[float]) -> tuple[list[Json], dict[str, Json]]:
    """The values with null for what JSON cannot say, and the rows of those by name."""
    values: list[Json] = [number if math.isfinite(number) else None for number in numbers]
    rows: dict[str, list[Json]] = {"NaN": [], "Inf": [], "NegInf": []}
    for row, number in enumerate(numbers):
        if math.isnan(number):
            rows["NaN"].append(row)
        elif math.isinf(number):
            rows["Inf" if number > 0 else "NegInf"].append(row)
    odd: dict[str, Json] = {name: found for name, found in rows.items() if found}
    return values, odd


def _display_name(naming: Naming, labels: Mapping[str, str]) -> str:
    if naming.legend == _AUTO:
        # Grafana leaves the name of a labelled series to the page
        return "" if labels else naming.expression
    if naming.legend:
        return _PLACEHOLDER.sub(lambda match: labels.get(match[1], ""), naming.legend)
    inner = ", ".join(f'{key}="{value}"' for key, value in sorted(labels.items()) if key != "__name__")
    name = labels.get("__name__", "")
    return f"{name}{{{inner}}}" if inner else name or naming.expression
