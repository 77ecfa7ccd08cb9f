"""Figures that set models against each other: plain arrays in, a Figure out."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.plots.style import (
    CURVE_POINTS,
    FILL,
    INK,
    MUTED,
    SERIES,
    WIDTH,
    canvas,
    colour_of,
    dot,
    key,
    legend,
    line_of,
    marker_of,
    name_rows,
    root,
    short,
    styled,
)

GRID_CELLS = 56  # cells along an axis of the binned scatter
ASINH_TICKS = (-100, -30, -10, -3, 0, 1, 3, 10, 30, 100, 300, 1000)


@styled
def difference_intervals(
    names: Sequence[str], differences: Sequence[float], errors: Sequence[float], limit: float
) -> Figure:
    """Each model's cross-entropy above the best, a dot with whiskers of `limit` standard errors.

    The best model has difference and error 0. An error that is NaN draws no whisker.
    """
    figure, axes = canvas(1.0 + 0.34 * len(names))
    name_rows(axes, names)
    axes.axvline(0, color=MUTED, linestyle=(0, (4, 3)), linewidth=1)
    for row, (difference, error) in enumerate(zip(differences, errors, strict=True)):
        reach = limit * error
        axes.hlines(row, difference - reach, difference + reach, color=colour_of(row), linewidth=2)
        dot(axes, difference, row, row, filled=True)
        if error > 0:  # beside the axes, for whiskers that are too short to be seen
            axes.text(1.015, row, f"{difference / error:.1f} SE", va="center", fontsize=9,
                      transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_xlabel("nats per row above the best model")
    return figure


@styled
def training_and_heldout(
    names: Sequence[str],
    training: Sequence[float],
    heldout: Sequence[float],
    baseline: float | None = None,
) -> Figure:
    """Training NLL per row (hollow) and held-out cross-entropy (filled) of each model.

    With a baseline (of which it is the cross-entropy) a bar shows what the model gains over it.
    """
    figure, axes = canvas(1.45 + 0.38 * len(names))
    name_rows(axes, names)
    for row, (inside, outside) in enumerate(zip(training, heldout, strict=True)):
        if baseline is not None:
            axes.hlines(row, outside, baseline, color=colour_of(row), linewidth=7, alpha=0.25)
        dot(axes, outside, row, row, filled=True)
        dot(axes, inside, row, row, filled=False)
    handles = [key(INK, "o", filled=False), key(INK, "o", filled=True)]
    labels = ["training NLL", "held-out CE"]
    if baseline is not None:
        axes.axvline(baseline, color=MUTED, linestyle=(0, (4, 3)), linewidth=1)
        handles += [Line2D([], [], color=MUTED, linestyle=(0, (4, 3)), linewidth=1),
                    Line2D([], [], color=MUTED, linewidth=7, alpha=0.4)]  # fmt: skip
        labels += ["baseline, held out", "gain over it"]
    legend(figure, handles, labels)
    axes.set_xlabel("nats per row")
    return figure


@styled
def count_frequencies(
    values: Sequence[str],
    observed: npt.ArrayLike,
    expected: Mapping[str, npt.ArrayLike],
    band: float,
) -> Figure:
    """Observed shares of counts (bars) and the shares each model expects (dots), as square roots.

    On the square-root scale equal differences are about equally noisy, rare counts and common.
    Below stand these differences alone, as the feet of bars that hang from what is expected do in
    a hanging rootogram, within a band of half-width `band`.
    """
    figure = Figure(figsize=(WIDTH, 4.8), layout="constrained")
    axes, feet = figure.subplots(2, sharex=True, height_ratios=(2, 1))
    places = np.arange(len(values))
    shares = np.asarray(observed, float)
    axes.bar(places, shares, width=0.86, color=FILL)
    handles: list[Artist] = [Line2D([], [], color=FILL, linewidth=8)]
    for row, share in enumerate(expected.values()):
        handles += axes.plot(
            places,
            np.asarray(share, float),
            color=colour_of(row),
            linewidth=1.3,
            marker=marker_of(row),
            linestyle=line_of(row),
            markersize=4.2,
        )
        feet.plot(
            places,
            np.sqrt(shares) - np.sqrt(np.asarray(share, float)),
            color=colour_of(row),
            linewidth=1.3,
            marker=marker_of(row),
            linestyle=line_of(row),
            markersize=4.2,
        )
    axes.set_yscale("function", functions=(root, np.square))
    highest = max(np.max(np.asarray(share, float)) for share in (shares, *expected.values()))
    axes.set_ylim(0, 1.06 * highest)
    ticks = [tick for tick in (0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1) if tick <= highest]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    feet.axhspan(-band, band, color=FILL, alpha=0.45, linewidth=0)
    feet.axhline(0, color=MUTED, linewidth=1)
    feet.set_xticks(places, values)
    for one in (axes, feet):
        one.tick_params(axis="x", length=0)
        one.grid(axis="y")
    axes.set_ylabel("share of rows")
    feet.set_ylabel("√obs. − √exp.")
    legend(figure, handles, ["held-out rows", *expected])
    return figure


@styled
def pit_difference(pits: Mapping[str, npt.ArrayLike], band: float) -> Figure:
    """The distribution of each model's PIT less the uniform one, with its simultaneous band."""
    figure, axes = canvas(3.3)
    grid = np.linspace(0, 1, CURVE_POINTS)
    axes.axhspan(-band, band, color=FILL, alpha=0.45, linewidth=0)
    axes.axhline(0, color=MUTED, linewidth=1)
    handles: list[Artist] = []
    for row, pit in enumerate(pits.values()):
        ordered = np.sort(np.asarray(pit, float))
        difference = np.searchsorted(ordered, grid, side="right") / ordered.size - grid
        handles += axes.plot(
            grid, difference, color=colour_of(row), linestyle=line_of(row), linewidth=1.7
        )
    axes.set_xlim(0, 1)
    axes.grid(axis="y")
    axes.set_xlabel("probability that the model gives to less than what was observed")
    axes.set_ylabel("observed − predicted share")
    band_key = Line2D([], [], color=FILL, alpha=0.6, linewidth=8)
    legend(figure, [*handles, band_key], [*pits, "95 % band"])
    return figure


@styled
def loss_against_loss(
    first: npt.ArrayLike, second: npt.ArrayLike, first_name: str, second_name: str
) -> Figure:
    """NLL of each row under two models, binned; a square's side grows with its number of rows.

    Both axes are linear near zero and logarithmic beyond (inverse hyperbolic sine).
    """
    figure, axes = canvas(3.9)
    x, y = np.arcsinh(np.asarray(first, float)), np.arcsinh(np.asarray(second, float))
    low, high = min(x.min(), y.min(), 0.0), max(x.max(), y.max())
    margin = 0.03 * (high - low)
    ends = (low - margin, high + margin)
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=GRID_CELLS, range=(ends, ends))
    x_mid, y_mid = (x_edges[1:] + x_edges[:-1]) / 2, (y_edges[1:] + y_edges[:-1]) / 2
    levels = np.where(counts > 0, np.log2(np.maximum(counts, 1)).astype(int) + 1, 0)
    axes.plot(ends, ends, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    for level in range(1, levels.max() + 1):  # one shared marker a level keeps the file small
        column, line = np.nonzero(levels == level)
        size = 2.2 + 4.3 * level / levels.max()
        axes.plot(x_mid[column], y_mid[line], "s", color=SERIES[0], markersize=size,
                  markeredgewidth=0, alpha=0.75)  # fmt: skip
    ticks = [tick for tick in ASINH_TICKS if np.sinh(ends[0]) <= tick <= np.sinh(ends[1])]
    labels = [f"{tick:,}".replace("-", "−") for tick in ticks]
    axes.set(xlim=ends, ylim=ends, xlabel=f"NLL of a row under {short(first_name)}, nats",
             ylabel=f"under {short(second_name)}, nats")  # fmt: skip
    axes.set_xticks(np.arcsinh(ticks), labels)
    axes.set_yticks(np.arcsinh(ticks), labels)
    axes.grid()
    return figure


@styled
def cumulative_difference(differences: npt.ArrayLike) -> Figure:
    """Rowwise differences summed from the largest in size to the smallest, over their number.

    The curve ends at the mean difference; one that jumps early is decided by few rows.
    """
    figure, axes = canvas(3.1)
    d = np.asarray(differences, float)
    curve = np.cumsum(d[np.argsort(-np.abs(d), kind="stable")]) / d.size
    ranks = np.unique(np.geomspace(1, d.size, CURVE_POINTS).round().astype(int))
    axes.axhline(0, color=MUTED, linewidth=1)
    axes.axhline(curve[-1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(ranks, curve[ranks - 1], color=SERIES[0], linewidth=1.8)
    axes.set_xscale("log")
    ticks = 10 ** np.arange(int(np.log10(d.size)) + 1)
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(1, d.size)
    axes.grid()
    axes.set_xlabel("rows counted, largest difference first")
    axes.set_ylabel("nats per row")
    return figure
