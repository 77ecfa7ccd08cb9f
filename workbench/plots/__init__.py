"""Figures of a comparison for pages, notebooks and papers: plain arrays in, a Figure out."""

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
    "count_frequencies",
    "cumulative_difference",
    "difference_intervals",
    "interval_coverage",
    "learning_curves",
    "loss_against_loss",
    "pit_difference",
    "reliability",
    "score_quantiles",
    "training_and_heldout",
]
