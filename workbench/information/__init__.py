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
from workbench.information.calibration import (
    calibration_divergence,
    normal_scores,
    pit_band,
    pit_histogram_divergence,
    probability_integral_transform,
    uniform_scores,
)
from workbench.information.divergence import Divergence, kl_discrete
from workbench.information.entropy import (
    entropy_chao_wang_jost,
    entropy_miller_madow,
    entropy_nearest_neighbour,
    entropy_plugin,
)
from workbench.information.known import Known, known_divergence, normal_vectors
from workbench.information.series import block_length, blocks_in_time
from workbench.information.simultaneous import simultaneous_limit

__all__ = [
    "Divergence",
    "Known",
    "Mean",
    "bits",
    "block_length",
    "blocks_in_time",
    "calibration_divergence",
    "effective_units",
    "entropy_chao_wang_jost",
    "entropy_miller_madow",
    "entropy_nearest_neighbour",
    "entropy_plugin",
    "kl_discrete",
    "known_divergence",
    "mean",
    "normal_scores",
    "normal_vectors",
    "pit_band",
    "pit_histogram_divergence",
    "probability_integral_transform",
    "simultaneous_limit",
    "simultaneous_z",
    "uniform_scores",
]
