"""SciPy's own density and distribution function for each PyMC distribution: a second opinion.

It shares no code with PyMC. A distribution is given by PyMC's printed name and the numbers of its
random variable's parameters, in PyMC's order; arrays broadcast against the outcomes.
"""

from workbench.density.distribution import Array, Distribution
from workbench.density.families import FAMILIES, ends_of_family, has_quantiles, of_family
from workbench.density.trees import (
    COMPOSITES,
    distribution_function,
    distribution_function_below,
    has_atoms,
    is_atom,
    is_discrete,
    is_vector,
    just_below,
    log_density,
    log_distribution_function,
    log_interval,
    log_survival_function,
    mean,
    probabilities,
    quantiles_between,
    survival_function,
    survival_function_below,
    whitened,
)
from workbench.density.vectors import VECTORS

__all__ = [
    "COMPOSITES",
    "FAMILIES",
    "VECTORS",
    "Array",
    "Distribution",
    "distribution_function",
    "distribution_function_below",
    "ends_of_family",
    "has_atoms",
    "has_quantiles",
    "is_atom",
    "is_discrete",
    "is_vector",
    "just_below",
    "log_density",
    "log_distribution_function",
    "log_interval",
    "log_survival_function",
    "mean",
    "of_family",
    "probabilities",
    "quantiles_between",
    "survival_function",
    "survival_function_below",
    "whitened",
]
