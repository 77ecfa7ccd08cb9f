"""Curves over a common axis, and what is known beside its estimates: the figures of an argument."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from workbench.plots.style import (
    DASHED,
    FILL,
    INK,
    PAPER,
    WIDTH,
    canvas,
    colour_of,
    dot,
    key,
    legend,
    line_of,
    marker_of,
    name_rows,
    styled,
)


@dataclass(frozen=True)
class Panel:
    """Named curves over a common x, of each (x, y), and what is marked on them.

    A curve that is named again, here or in another panel, keeps its colour and its line.
    """

    ylabel: str
    curves: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]]
    dots: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]] = field(default_factory=dict)
    errors: Mapping[str, npt.ArrayLike] = field(default_factory=dict)  # whiskers of those dots
    levels: Mapping[str, float] = field(default_factory=dict)  # drawn across, with their names
    filled: str = ""  # the curve that stands as an area


@styled
def curves(
    panels: Sequence[Panel], xlabel: str, *, at: float | None = None, logarithmic: bool = False
) -> Figure:
    """Panels beneath each other along one axis, with a dashed line through all of them `at` x.

    Names stand above them where a panel has several; alone, a curve is what its panel's label says.
    """
    figure = Figure(figsize=(WIDTH, 0.9 + (2.7 if len(panels) == 1 else 2.0 * len(panels))),
                    layout="constrained")  # fmt: skip
    every: list[Axes] = list(np.atleast_1d(figure.subplots(len(panels), sharex=True)))
    names = list(dict.fromkeys(name for one in panels for name in (*one.curves, *one.dots)))
    keys: dict[str, Artist] = {}
    for axes, panel in zip(every, panels, strict=True):
        found = _draw_panel(axes, panel, names)
        keys |= found if len(found) > 1 else {}
        if at is not None:
            axes.axvline(at, **DASHED)
    if logarithmic:
        _take_logarithm(every[-1])
    every[-1].set_xlabel(xlabel)
    figure.align_ylabels(every)
    if keys:
        legend(figure, [*keys.values()], [*keys])
    return figure


@styled
def known_and_estimated(
    names: Sequence[str],
    known: Sequence[float],
    estimates: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    xlabel: str,
) -> Figure:
    """What is known of each name (a stroke), and estimates of it with whiskers of two errors."""
    figure, axes = canvas(1.3 + 0.5 * len(names))
    name_rows(axes, names)
    apart = 0.2
    places = np.arange(len(names))
    axes.vlines(known, places - 0.38, places + 0.38, color=INK, linewidth=2)
    for place, (values, errors) in enumerate(estimates.values()):
        rows = places + apart * (place - (len(estimates) - 1) / 2)
        for row, value, error in zip(rows, values, errors, strict=True):
            axes.hlines(row, value - 2 * error, value + 2 * error, color=colour_of(place))
            dot(axes, value, row, place, filled=True)
    handles = [
        key(colour_of(place), marker_of(place), filled=True) for place in range(len(estimates))
    ]
    legend(figure, [Line2D([], [], color=INK, linewidth=2), *handles], ["known", *estimates])
    axes.set_xlabel(xlabel)
    return figure


def _take_logarithm(axes: Axes) -> None:
    """Along the horizontal axis: ticks at powers of ten and, over few, at 2 and 5 times these."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    between = (1.0,) if high / low > 1000 else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(LogLocator(subs=between))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.12f}".rstrip("0").rstrip("."))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_panel(axes: Axes, panel: Panel, names: Sequence[str]) -> dict[str, Artist]:
    """Its curves, dots and levels; the key of each name."""
    keys: dict[str, Artist] = {}
    for name, (x, y) in panel.curves.items():
        row = names.index(name)
        if name == panel.filled:
            axes.fill_between(np.asarray(x, float), np.asarray(y, float), color=FILL, linewidth=0)
            keys[name] = Line2D([], [], color=FILL, linewidth=8)
        else:
            [keys[name]] = axes.plot(
                x, y, color=colour_of(row), linestyle=line_of(row), linewidth=1.7
            )
    for name, (x, y) in panel.dots.items():
        row, whiskers = names.index(name), panel.errors.get(name)
        if whiskers is not None:
            axes.errorbar(x, y, whiskers, fmt="none", ecolor=colour_of(row), elinewidth=1.2)
        [drawn] = axes.plot(x, y, marker=marker_of(row), color=colour_of(row), linestyle="none",
                            markeredgecolor=PAPER, markersize=7, zorder=4)  # fmt: skip
        keys.setdefault(name, drawn)
    for name, level in panel.levels.items():
        axes.axhline(level, **DASHED)
        axes.annotate(name, (0, level), (4, 2), xycoords=axes.get_yaxis_transform(),
                      textcoords="offset points", va="bottom", fontsize=9)  # fmt: skip
    axes.set_ylabel(panel.ylabel)
    axes.grid()
    return keys
