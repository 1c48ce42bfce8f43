"""Plots of the report as SVG: the same bytes for the same numbers, in the colours of the page around them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

# matplotlib takes a second to import, and most processes that know of the report draw nothing.
if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A colour is drawn as a placeholder and becomes a variable of the page's style sheet, which knows light, dark and paper.
_VARIABLES = {f"#0a0b{index:02x}": f"var(--c{index})" for index in range(1, 9)}
_SERIES = tuple(_VARIABLES)
_INK, _SOFT, _RULE, _LIMIT, _BAND = "#0a0c01", "#0a0c02", "#0a0c03", "#0a0c04", "#0a0c05"
_VARIABLES |= {
    _INK: "var(--fg)", _SOFT: "var(--soft)", _RULE: "var(--line)", _LIMIT: "var(--fail)", _BAND: "var(--band)",
}  # fmt: skip
_DASHES: tuple[Any, ...] = ("-", "-", "-", "-", "-", "-", (0, (4, 1.5)), (0, (1.5, 1.5)))
_SIZE = (4.8, 2.7)
_STYLE: Any = {
    "svg.hashsalt": "rampart",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8.5,
    "text.color": _INK,
    "axes.labelcolor": _SOFT,
    "axes.edgecolor": _RULE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": _RULE,
    "grid.linewidth": 0.6,
    "xtick.color": _RULE,
    "ytick.color": _RULE,
    "xtick.labelcolor": _SOFT,
    "ytick.labelcolor": _SOFT,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
}
_MINUTE_S = 60
_NEAR = 0.2
_TICKS_S = (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_MOST_TICKS = 8


@dataclass(frozen=True)
class Curve:
    """A named line; None where nothing was captured."""

    name: str
    values: Sequence[float | None]


def is_near(curves: Sequence[Curve], limit: float) -> bool:
    """Say whether a limit is drawn: far above all values it would press them flat."""
    return any(value is not None and value >= _NEAR * limit for curve in curves for value in curve.values)


@dataclass(frozen=True)
class Mark:
    """A moment: a gate that passed or did not, an approval, a breach."""

    kind: Literal["pass", "fail", "approval", "breach"]
    at_s: float


@dataclass(frozen=True)
class Moments:
    """What happened when, in seconds from the left edge of a plot."""

    stages: Sequence[tuple[str, float, float]] = ()
    """(label, from, to) of each stage."""
    marks: Sequence[Mark] = field(default_factory=tuple)


def draw_over_time(
    times_s: Sequence[float], curves: Sequence[Curve], limit: float | None = None, moments: Moments | None = None
) -> str:
    """Draw lines over the time of the load, with stages, gates, approvals and breaches; returns the SVG element."""
    from matplotlib.ticker import FuncFormatter, MultipleLocator  # noqa: PLC0415

    with _axes() as (figure, axes):
        known = moments or Moments()
        for index, (label, start, end) in enumerate(known.stages):
            if index % 2 == 0:
                axes.axvspan(start, end, color=_BAND, linewidth=0)
            axes.text(
                (start + end) / 2, 1.02, label, transform=axes.get_xaxis_transform(), ha="center", va="bottom",
                fontsize=7.5, color=_SOFT,
            )  # fmt: skip
        for curve, colour, dash in zip(curves, _SERIES, _DASHES, strict=False):
            axes.plot(times_s, _numbers(curve.values), color=colour, linestyle=dash, linewidth=1.3, label=curve.name)
        for mark in known.marks:
            _draw_mark(axes, mark)
        ends = [times_s[-1]] if times_s else []
        right = max([1.0, *ends, *(end for *_, end in known.stages)])
        axes.set_xlim(0, right)
        axes.xaxis.set_major_locator(
            MultipleLocator(next((tick for tick in _TICKS_S if right / tick <= _MOST_TICKS), _TICKS_S[-1] * 6))
        )
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _clock(value)))
        return _finish(figure, axes, curves, limit, legend_at=-0.12)


def draw_over_stages(labels: Sequence[str], curves: Sequence[Curve], limit: float | None = None) -> str:
    """Draw points over the stages; returns the SVG element."""
    with _axes() as (figure, axes):
        positions = list(range(len(labels)))
        for curve, colour, dash in zip(curves, _SERIES, _DASHES, strict=False):
            axes.plot(
                positions, _numbers(curve.values), color=colour, linestyle=dash, linewidth=1.3, marker="o", markersize=3.5,
                label=curve.name,
            )  # fmt: skip
        axes.set_xticks(positions, labels)
        axes.set_xlim(-0.4, len(labels) - 0.6)
        return _finish(figure, axes, curves, limit, legend_at=-0.2)


@contextmanager
def _axes() -> Iterator[tuple[Figure, Axes]]:
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE)
        yield figure, figure.add_axes((0.105, 0.225, 0.88, 0.68))


def _draw_mark(axes: Axes, mark: Mark) -> None:
    if mark.kind == "breach":
        axes.axvline(mark.at_s, color=_LIMIT, linewidth=1.4)
        return
    shape, colour, height = {
        "pass": ("v", _SOFT, 0.985), "fail": ("X", _LIMIT, 0.985), "approval": ("|", _INK, 0.02),
    }[mark.kind]  # fmt: skip
    axes.plot(
        [mark.at_s], [height], marker=shape, color=colour, markersize=5, linestyle="", clip_on=False,
        transform=axes.get_xaxis_transform(),
    )  # fmt: skip


def _finish(figure: Figure, axes: Axes, curves: Sequence[Curve], limit: float | None, *, legend_at: float) -> str:
    from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: PLC0415

    top = max((value for curve in curves for value in curve.values if value is not None), default=0.0)
    if limit is not None and is_near(curves, limit):
        axes.axhline(limit, color=_LIMIT, linestyle=(0, (4, 2)), linewidth=1)
        top = max(top, limit)
    axes.set_ylim(0, top * 1.08 or 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(4, min_n_ticks=3))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if len(curves) > 1:
        axes.legend(
            frameon=False, ncols=4, loc="upper left", bbox_to_anchor=(-0.1, legend_at), fontsize=8, handlelength=1.2,
            columnspacing=1.2, handletextpad=0.5, borderaxespad=0, labelspacing=0.25,
        )  # fmt: skip
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    return _inlined(buffer.getvalue())


def _inlined(text: str) -> str:
    """Make an element for inside a page: without a fixed size, ids that repeat, and colours of its own."""
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'^<svg [^>]*?viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', text)
    # matplotlib names its groups; only what is referred to (clip paths, markers) needs its name.
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = text.replace("xlink:href", "href")
    for placeholder, variable in _VARIABLES.items():
        text = text.replace(placeholder, variable)
    return re.sub(r"\n\s*", "\n", text)


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    return f"{minutes}:{rest:02d}"
