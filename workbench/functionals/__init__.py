"""What is asked of a distribution, and how it moves with the distribution's own parameters.

SciPy's arithmetic, as in `density`, from which it takes the mean and P(Y <= y).
"""

from workbench.functionals.quantiles import quantile, support
from workbench.functionals.slopes import (
    Slopes,
    distribution_slopes,
    further_axes,
    mean_slopes,
    steepness,
)

__all__ = [
    "Slopes",
    "distribution_slopes",
    "further_axes",
    "mean_slopes",
    "quantile",
    "steepness",
    "support",
]
