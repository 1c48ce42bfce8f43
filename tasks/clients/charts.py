"""Plots of the report as SVG: the same bytes for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

# Okabe and Ito's palette: told apart with any kind of colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_STYLE: Any = {
    "svg.hashsalt": "rampart",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class Curve:
    """A named line over the stages; None where nothing was captured."""

    name: str
    values: Sequence[float | None]


def draw_stages(
    title: str,
    unit: str,
    labels: Sequence[str],
    curves: Sequence[Curve],
    limit: tuple[str, float] | None = None,
) -> str:
    """Draw curves over the stages with an optional limit, and return the SVG element."""
    with mpl.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(7.4, 3.1))
        positions = list(range(len(labels)))
        for colour, curve in zip(_COLOURS, curves, strict=False):
            values = [float("nan") if value is None else value for value in curve.values]
            axes.plot(positions, values, marker="o", markersize=4, color=colour, label=curve.name)
        if limit is not None:
            name, height = limit
            axes.axhline(height, color="#B00020", linestyle="--", linewidth=1)
            axes.annotate(
                name, (1, height), xycoords=("axes fraction", "data"), ha="right", color="#B00020", fontsize=9,
                xytext=(-2, -11), textcoords="offset points",
            )  # fmt: skip
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=10)
        axes.set_xlabel("stage, and its load")
        axes.set_ylabel(unit)
        axes.set_ylim(bottom=0)
        axes.set_xticks(positions, labels)
        if len(curves) > 1:
            axes.legend(
                frameon=False, ncols=min(6, len(curves)), loc="upper center", bbox_to_anchor=(0.5, -0.28), fontsize=9
            )
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
        plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
