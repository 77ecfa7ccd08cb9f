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
from workbench.information.binary import isotonic_divergence, recalibration_divergence
from workbench.information.calibration import (
    calibration_divergence,
    normal_scores,
    pit_band,
    pit_histogram_divergence,
    probability_integral_transform,
    randomised_null,
    uniform_scores,
)
from workbench.information.composed import (
    censored_divergence,
    conditional_divergence,
    hurdle_divergence,
    monte_carlo_divergence,
    rounded_divergence,
)
from workbench.information.dependence import (
    InformationLeft,
    information_left,
    mutual_information,
    nothing_left,
)
from workbench.information.divergence import Divergence, kl_discrete, kl_plugin
from workbench.information.entropy import (
    entropy_chao_shen,
    entropy_chao_wang_jost,
    entropy_grassberger,
    entropy_jackknife,
    entropy_miller_madow,
    entropy_nearest_neighbour,
    entropy_plugin,
)
from workbench.information.known import Known, known_divergence, normal_vectors, quantile_nodes
from workbench.information.ranked import crps
from workbench.information.replicated import (
    GIVEN_PREDICTORS,
    binomial_deviances,
    binomial_divergence,
    poisson_deviances,
    poisson_divergence,
    replicated_divergence,
    saturated_binomial,
    saturated_poisson,
)
from workbench.information.series import block_length, blocks_in_time
from workbench.information.simultaneous import simultaneous_limit
from workbench.information.smoothing import Smoothed, smoothed
from workbench.information.vectors import (
    marginal_divergence,
    nearest_neighbour_divergence,
    normal_refit_divergence,
)

__all__ = [
    "GIVEN_PREDICTORS",
    "Divergence",
    "InformationLeft",
    "Known",
    "Mean",
    "Smoothed",
    "binomial_deviances",
    "binomial_divergence",
    "bits",
    "block_length",
    "blocks_in_time",
    "calibration_divergence",
    "censored_divergence",
    "conditional_divergence",
    "crps",
    "effective_units",
    "entropy_chao_shen",
    "entropy_chao_wang_jost",
    "entropy_grassberger",
    "entropy_jackknife",
    "entropy_miller_madow",
    "entropy_nearest_neighbour",
    "entropy_plugin",
    "hurdle_divergence",
    "information_left",
    "interval_coverage",
    "isotonic_divergence",
    "kl_discrete",
    "kl_plugin",
    "known_divergence",
    "marginal_divergence",
    "mean",
    "monte_carlo_divergence",
    "mutual_information",
    "nearest_neighbour_divergence",
    "normal_refit_divergence",
    "normal_scores",
    "normal_vectors",
    "nothing_left",
    "pit_band",
    "pit_histogram_divergence",
    "poisson_deviances",
    "poisson_divergence",
    "probability_integral_transform",
    "quantile_band",
    "quantile_nodes",
    "randomised_null",
    "recalibrated",
    "recalibration_divergence",
    "reliability_band",
    "replicated_divergence",
    "rounded_divergence",
    "saturated_binomial",
    "saturated_poisson",
    "simultaneous_limit",
    "simultaneous_z",
    "smoothed",
    "uniform_scores",
]
