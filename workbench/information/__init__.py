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
from workbench.information.divergence import Divergence, kl_discrete
from workbench.information.entropy import (
    entropy_chao_shen,
    entropy_chao_wang_jost,
    entropy_grassberger,
    entropy_jackknife,
    entropy_miller_madow,
    entropy_nearest_neighbour,
    entropy_plugin,
)
from workbench.information.known import Known, known_divergence, normal_vectors
from workbench.information.ranked import crps
from workbench.information.replicated import (
    binomial_deviances,
    binomial_divergence,
    poisson_deviances,
    poisson_divergence,
    saturated_binomial,
    saturated_poisson,
)
from workbench.information.vectors import (
    marginal_divergence,
    nearest_neighbour_divergence,
    normal_refit_divergence,
)

__all__ = [
    "Divergence",
    "InformationLeft",
    "Known",
    "Mean",
    "binomial_deviances",
    "binomial_divergence",
    "bits",
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
    "isotonic_divergence",
    "kl_discrete",
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
    "randomised_null",
    "recalibration_divergence",
    "rounded_divergence",
    "saturated_binomial",
    "saturated_poisson",
    "simultaneous_z",
    "uniform_scores",
]
