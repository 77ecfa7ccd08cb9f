"""Figures for pages, notebooks and papers: plain arrays in, a Figure out."""

from workbench.plots.calibration import (
    HIGHEST_WORM,
    interval_coverage,
    reliability,
    score_quantiles,
)
from workbench.plots.comparing import (
    GRID_CELLS,
    count_frequencies,
    cumulative_difference,
    difference_intervals,
    loss_against_loss,
    pit_difference,
    training_and_heldout,
)
from workbench.plots.learning import learning_curves
from workbench.plots.panels import Panel, curves, known_and_estimated
from workbench.plots.style import FILL, INK, MUTED, PAPER, RULE, SERIES, STYLE

__all__ = [
    "FILL",
    "GRID_CELLS",
    "HIGHEST_WORM",
    "INK",
    "MUTED",
    "PAPER",
    "RULE",
    "SERIES",
    "STYLE",
    "Panel",
    "count_frequencies",
    "cumulative_difference",
    "curves",
    "difference_intervals",
    "interval_coverage",
    "known_and_estimated",
    "learning_curves",
    "loss_against_loss",
    "pit_difference",
    "reliability",
    "score_quantiles",
    "training_and_heldout",
]
