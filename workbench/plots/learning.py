"""The figure of learning curves: cross-entropy as the training rows grow in number."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from workbench.plots.style import DASHED, Array, colour_of, panels, styled

CLOSE = 0.25  # of the width of a panel, which a label takes


@styled
def learning_curves(
    curves: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    expected: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    limits: Mapping[str, float],
) -> Figure:
    """Held-out cross-entropy over the number of training rows, a panel for each model.

    `curves` are rows (S,) and CE by replicate and rows (R, S), the last of which is the fit to all
    rows; `expected` is the first-order line, `limits` where it leads.
    """
    figure, every = panels(list(curves), 2.4)
    for row, (axes, name) in enumerate(zip(every, curves, strict=True)):
        rows, found = (np.asarray(values, float) for values in curves[name])
        for replicate in found:
            axes.plot(rows, replicate, color=colour_of(row), linewidth=0.8, alpha=0.4)
        axes.plot(rows, _mean(found), color=colour_of(row), marker="o", linewidth=0, markersize=5)
        axes.plot(*expected[name], color=colour_of(row), linestyle=(0, (5, 2)))
        axes.axhline(limits[name], **DASHED)
        axes.set_xscale("log")
        axes.set_xticks(rows, _apart(rows))
        axes.minorticks_off()
        axes.set_xlabel("training rows")
        axes.set_ylabel("CE, nats per row")
    return figure


def _apart(rows: Array) -> list[str]:
    """The numbers of rows as labels, left out where they would run into the last one's."""
    far = np.log(rows[-1] / rows[:-1]) > CLOSE * np.log(rows[-1] / rows[0])
    shown = np.append(far, True)
    return [f"{value:,.0f}" if one else "" for value, one in zip(rows, shown, strict=True)]


def _mean(found: Array) -> Array:
    """Over replicates, of those that have an optimum."""
    return np.asarray(np.ma.masked_invalid(found).mean(axis=0).filled(np.nan))
