"""Figures of calibration: whether probabilities, quantiles and intervals keep what they promise."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.plots.style import (
    DASHED,
    FILL,
    MUTED,
    WIDTH,
    canvas,
    colour_of,
    dot,
    legend,
    line_of,
    name_rows,
    panels,
    styled,
)

BAND: dict[str, Any] = {"color": FILL, "alpha": 0.45, "linewidth": 0}
HIGHEST_WORM = 3.0  # normal scores
BINS = 40  # of the predicted probabilities


@styled
def interval_coverage(
    names: Sequence[str],
    coverage: Mapping[float, Sequence[tuple[float, float]]],
) -> Figure:
    """How many rows lie in each model's central intervals, by level, with two standard errors.

    `coverage` holds for each level the pairs (share, standard error) of the models in order.
    """
    figure = Figure(figsize=(WIDTH, 1.3 + 0.34 * len(names)), layout="constrained")
    every = figure.subplots(1, len(coverage), sharey=True, squeeze=False)[0]
    for axes, (level, found) in zip(every, coverage.items(), strict=True):
        name_rows(axes, names)
        axes.axvline(100 * level, **DASHED)
        for row, (share, error) in enumerate(found):
            reach = 100 * np.clip((share - 2 * error, share + 2 * error), 0, 1)
            axes.hlines(row, *reach, color=colour_of(row), linewidth=2)
            dot(axes, 100 * share, row, row, filled=True)
        axes.set_title(f"{100 * level:g} % intervals", loc="left")
        axes.locator_params(axis="x", nbins=4)
        axes.set_xlabel("% of rows inside")
    return figure


@styled
def score_quantiles(
    grid: npt.ArrayLike,
    scores: Mapping[str, npt.ArrayLike],
    band: tuple[npt.ArrayLike, npt.ArrayLike],
) -> Figure:
    """Quantiles of each model's normal scores less those of the normal, over the latter (g,).

    A worm plot: a quantile-quantile plot turned so that a perfect model lies flat. `band` are the
    lower and upper limits, as differences too. Both axes are of normal scores; the upright one is
    cut where the band would no longer be seen.
    """
    figure, axes = canvas(3.5)
    x = np.asarray(grid, float)
    lower, upper = (np.asarray(limit, float) for limit in band)
    axes.fill_between(x, lower, upper, **BAND)
    axes.axhline(0, color=MUTED, linewidth=1)
    handles: list[Artist] = []
    most = 0.0
    for row, quantiles in enumerate(scores.values()):
        away = np.asarray(quantiles, float) - x
        most = max(most, float(np.abs(away).max()))
        handles += axes.plot(x, away, color=colour_of(row), linestyle=line_of(row), linewidth=1.7)
    highest = min(1.1 * max(most, float(upper.max()), -float(lower.min())), HIGHEST_WORM)
    axes.set_ylim(-highest, highest)
    axes.set_xlim(x[0], x[-1])
    axes.grid(axis="y")
    axes.set_xlabel("normal score expected at that rank")
    axes.set_ylabel("observed − expected score")
    legend(figure, [*handles, Line2D([], [], color=FILL, alpha=0.6, linewidth=8)],
           [*scores, "95 % band"])  # fmt: skip
    return figure


@styled
def reliability(
    curves: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    bands: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]],
    predicted: Mapping[str, npt.ArrayLike],
) -> Figure:
    """Observed shares of ones, rising with the probability predicted, a panel for each model.

    `curves` are predicted probabilities and recalibrated ones, `bands` where and between which
    limits a perfect model's curve lies, `predicted` all probabilities, drawn as a histogram below.
    """
    figure, every = panels(list(curves), 3.1)
    for row, (axes, name) in enumerate(zip(every, curves, strict=True)):
        at, lower, upper = bands[name]
        axes.fill_between(at, lower, upper, **BAND)
        axes.plot((0, 1), (0, 1), **DASHED)
        p, share = curves[name]
        axes.plot(p, share, color=colour_of(row), linewidth=1.8)
        counts, edges = np.histogram(np.asarray(predicted[name], float), BINS, range=(0, 1))
        heights = 0.12 * counts / counts.max()
        axes.bar(edges[:-1], heights, 1 / BINS, align="edge", color=colour_of(row), alpha=0.35)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted probability",
                 ylabel="observed share")  # fmt: skip
    return figure
