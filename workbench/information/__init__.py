"""Cross-entropy, entropy and KL divergence from rows: arrays in, numbers with their errors out.

Everything is in nats per row. A cross-entropy is the `mean` of the rows' negative log densities,
a comparison of two models the `mean` of their rowwise differences; both need nothing more.
"""

from workbench.information.averages import (
    Mean,
    bits,
    effective_units,
    mean,
    simultaneous_z,
)
from workbench.information.bands import (
    interval_coverage,
    quantile_band,
    recalibrated,
    reliability_band,
)
from workbench.information.calibration import (
    calibration_divergence,
    normal_scores,
    pit_band,
    pit_histogram_divergence,
    probability_integral_transform,
    uniform_scores,
)
from workbench.information.divergence import Divergence, kl_discrete, kl_plugin
from workbench.information.entropy import (
    entropy_chao_wang_jost,
    entropy_miller_madow,
    entropy_nearest_neighbour,
    entropy_plugin,
)
from workbench.information.known import Known, known_divergence, normal_vectors, quantile_nodes
from workbench.information.series import block_length, blocks_in_time
from workbench.information.simultaneous import simultaneous_limit
from workbench.information.smoothing import Smoothed, smoothed

__all__ = [
    "Divergence",
    "Known",
    "Mean",
    "Smoothed",
    "bits",
    "block_length",
    "blocks_in_time",
    "calibration_divergence",
    "effective_units",
    "entropy_chao_wang_jost",
    "entropy_miller_madow",
    "entropy_nearest_neighbour",
    "entropy_plugin",
    "interval_coverage",
    "kl_discrete",
    "kl_plugin",
    "known_divergence",
    "mean",
    "normal_scores",
    "normal_vectors",
    "pit_band",
    "pit_histogram_divergence",
    "probability_integral_transform",
    "quantile_band",
    "quantile_nodes",
    "recalibrated",
    "reliability_band",
    "simultaneous_limit",
    "simultaneous_z",
    "smoothed",
    "uniform_scores",
]
