"""How every figure looks: its colours, marks and words, and the canvas it is drawn on.

A model keeps its place in the order it is given, and with it its colour, marker and line, which
differ from each other without colour too. No figure touches pyplot, nor any global setting.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

type Array = npt.NDArray[np.float64]

INK, MUTED, RULE, FILL, PAPER = "#1b1d20", "#5a6068", "#dfe3e8", "#cfd4da", "#ffffff"
# Apart from each other in hue and in lightness, and all 4.5 : 1 or better against white.
SERIES = ("#0b5fa5", "#b8430e", "#08775a", "#7c459c", "#826200", "#a92a5c", "#3d5566", "#006b7d")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "h")
LINES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)))
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a column may be called a$b$c
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "axes.titlesize": 10,
}
DASHED: dict[str, Any] = {"color": MUTED, "linewidth": 1, "linestyle": (0, (4, 3))}
WIDTH = 7.8  # inches: 560 points, on which 10-point text reads well at the width of a page
LONGEST_NAME = 26  # characters of a name before it is cut in a figure; tables show it whole
LEGEND_WIDTH = 92  # characters that fit across a figure
PANELS_ABREAST = 2
CURVE_POINTS = 241  # of a curve over all rows; more cannot be seen at this width


def styled[**P](draw: Callable[P, Figure]) -> Callable[P, Figure]:
    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


def canvas(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def panels(names: Sequence[str], height: float) -> tuple[Figure, list[Axes]]:
    """A panel for each model, two abreast, under its name in its colour."""
    lines = -(-len(names) // PANELS_ABREAST)
    figure = Figure(figsize=(WIDTH, height * lines), layout="constrained")
    every = figure.subplots(lines, PANELS_ABREAST, squeeze=False).ravel()
    for axes in every[len(names) :]:
        axes.set_visible(False)
    for row, (axes, name) in enumerate(zip(every, names, strict=False)):
        axes.set_title(short(name), color=colour_of(row), loc="left")
        axes.grid()
    return figure, list(every[: len(names)])


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """One row a model, the first on top, its name beside the axis."""
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.margins(x=0.06)


def dot(axes: Axes, x: float, y: float, row: int, *, filled: bool) -> None:
    colour = colour_of(row)
    face, edge = (colour, PAPER) if filled else (PAPER, colour)
    axes.plot(x, y, marker=marker_of(row), color=face, markeredgecolor=edge, markersize=7.5,
              markeredgewidth=1.4, zorder=4, linestyle="none")  # fmt: skip


def key(colour: str, marker: str, *, filled: bool) -> Line2D:
    face = colour if filled else PAPER
    return Line2D([], [], marker=marker, color=face, markeredgecolor=colour, linestyle="none")


def legend(figure: Figure, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """Above the axes, where no data are; in as many columns as the names leave room for."""
    shown = [short(label) for label in labels]
    columns = len(shown)
    while columns > 1 and _wide(shown, columns) > LEGEND_WIDTH:
        columns -= 1
    # matplotlib fills column by column; this order reads row by row.
    order = [place for first in range(columns) for place in range(first, len(shown), columns)]
    figure.legend(
        [handles[place] for place in order],
        [shown[place] for place in order],
        loc="outside upper left",
        ncols=columns,
        borderaxespad=0.2,
    )


def _wide(labels: Sequence[str], columns: int) -> int:
    """Characters that a legend takes across, its handles counted as seven."""
    return sum(7 + max(map(len, labels[first::columns])) for first in range(columns))


def short(name: str) -> str:
    """A name that fits; matplotlib leaves one that starts with an underscore out of a legend."""
    cut = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
    return f"\u200b{cut}" if cut.startswith("_") else cut


def root(values: Array) -> Array:
    return np.sqrt(np.maximum(values, 0.0))


def colour_of(row: int) -> str:
    return SERIES[row % len(SERIES)]


def marker_of(row: int) -> str:
    return MARKERS[row % len(MARKERS)]


def line_of(row: int) -> str | tuple[int, tuple[float, ...]]:
    return LINES[row % len(LINES)]
