"""The quantiles of a distribution, and the ends of its support."""

import numpy as np
import numpy.typing as npt

from workbench import density
from workbench.density import Array, Distribution

MOST_STEPS = 1100  # doublings, or halvings, after which any double is reached


def quantile(distribution: Distribution, p: float) -> Array:
    """The smallest y with P(Y <= y) >= p, 0 < p < 1: SciPy's, or by bisection to the last bit."""
    if distribution.name in density.FAMILIES and density.has_quantiles(distribution):
        return density.of_family(distribution, "ppf", p)
    return _bisected(distribution, p)


def support(distribution: Distribution) -> tuple[Array, Array]:
    """The least and the greatest outcome; infinite where there is no such limit."""
    if distribution.name in density.FAMILIES:
        return density.ends_of_family(distribution)
    if distribution.name == "DiracDelta":
        place = np.asarray(distribution.parameters[0], float)
        return place, place
    if distribution.name == "Categorical":
        return np.zeros(()), np.asarray(distribution.parameters[0].shape[-1] - 1.0)
    ends = [support(component) for component in distribution.components]
    if distribution.name in ("Truncated", "Censored"):
        (lower, upper), (low, high) = ends[0], distribution.parameters
        return np.maximum(lower, low), np.minimum(upper, high)
    lowest, highest = (list(side) for side in zip(*ends, strict=True))
    if len(ends) == 1:  # stacked along the last axis
        return lowest[0].min(axis=-1), highest[0].max(axis=-1)
    return (
        np.min(np.broadcast_arrays(*lowest), axis=0),
        np.max(np.broadcast_arrays(*highest), axis=0),
    )


def _bisected(distribution: Distribution, p: float) -> Array:
    """An outcome below and one above, and halves of what lies between; exact at a jump, too.

    Between whole numbers, where all outcomes are such, else down to the next double.
    """
    whole = _is_whole(distribution)

    def reached(y: Array) -> npt.NDArray[np.bool_]:
        if p <= 0.5:
            return np.asarray(density.log_distribution_function(distribution, y) >= np.log(p))
        return np.asarray(density.log_survival_function(distribution, y) <= np.log1p(-p))

    known = ~np.isnan(density.log_distribution_function(distribution, np.zeros(())))
    low, high = np.full(known.shape, -1.0), np.ones(known.shape)
    for _ in range(MOST_STEPS):
        below, above = ~reached(low) | ~known, reached(high) | ~known
        if (below & above).all():
            break
        low, high = np.where(below, low, 2 * low), np.where(above, high, 2 * high)
    for _ in range(MOST_STEPS):
        middle = low + (high - low) / 2
        middle = np.floor(middle) if whole else middle
        if ((middle <= low) | (middle >= high)).all():
            break
        there = reached(middle)
        low, high = np.where(there, low, middle), np.where(there, middle, high)
    return np.where(known, high, np.nan)


def _is_whole(distribution: Distribution) -> bool:
    """Whether all outcomes are whole numbers: those of all discrete families are."""
    if distribution.name == "DiracDelta":
        return bool((np.floor(distribution.parameters[0]) == distribution.parameters[0]).all())
    if distribution.components:
        return all(_is_whole(component) for component in distribution.components)
    return density.is_discrete(distribution)
