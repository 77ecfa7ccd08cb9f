"""How the mean and P(Y <= y) of a distribution move with its own parameters.

Slopes are derivatives by each parameter that `Distribution` holds, depth first, shaped as the
outcomes; by the weights of a mixture, the probabilities of categories and what stands beneath
stacked components they have these along a further last axis. NaN for limits of truncation and
censoring, numbers of trials and the places of points: where a model estimates one of them, no
smooth derivative is known here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench import density
from workbench.density import Array, Distribution, distribution_function, just_below
from workbench.errors import ModelError
from workbench.functionals.families import (
    OF_DISTRIBUTION,
    family_distribution_slopes,
    family_mean_slopes,
)

type Slopes = list[Array]

# Their own parameter is one number for each component or category.
SPREAD = ("Categorical", "Hurdle", "Mixture")


def mean_slopes(distribution: Distribution) -> Slopes:
    """d E(Y) / d parameters. Raises ModelError for a distribution not known here."""
    with np.errstate(all="ignore"):  # extremes go through infinities, to a right end
        return _of(distribution).mean(distribution)


def distribution_slopes(distribution: Distribution, y: npt.ArrayLike) -> Slopes:
    """d P(Y <= y) / d parameters. Raises ModelError for a distribution not known here."""
    with np.errstate(all="ignore"):
        return _of(distribution).distribution(distribution, np.asarray(y, float))


def steepness(distribution: Distribution, q: npt.ArrayLike) -> Array:
    """The density at the quantile q; NaN at an atom and where it is 0: there q moves in steps.

    By the implicit function theorem dq = -(d P(Y <= q) / d parameter) / steepness.
    """
    at = np.asarray(q, float)
    with np.errstate(all="ignore"):
        f = np.exp(density.log_density(distribution, at))
        return np.where((f > 0) & ~density.is_atom(distribution, at), f, np.nan)


def further_axes(distribution: Distribution) -> list[int]:
    """How many axes each slope has beyond those of the outcomes."""
    own = int(distribution.name in SPREAD)
    stacked = int(own and len(distribution.components) == 1)
    below = [axes for part in distribution.components for axes in further_axes(part)]
    if stacked and any(below):
        raise ModelError(
            f"no derivatives of a {distribution.name} of {distribution.components[0].name} stacked "
            "along an axis; declare its components as a list"
        )
    return [own for _ in distribution.parameters] + [axes + stacked for axes in below]


@dataclass(frozen=True)
class _Derivatives:
    """How one kind of distribution moves with its parameters."""

    distribution: Callable[[Distribution, Array], Slopes]
    mean: Callable[[Distribution], Slopes]


def _of(distribution: Distribution) -> _Derivatives:
    name = distribution.name
    if name in COMPOSITES:
        return COMPOSITES[name]
    if name in OF_DISTRIBUTION:
        return FAMILY
    known = ", ".join(sorted([*OF_DISTRIBUTION, *COMPOSITES]))
    raise ModelError(f"no derivatives of '{name}' by its parameters yet; known are {known}")


def _with_axes(values: Array, axes: int) -> Array:
    return np.asarray(values)[(..., *(None,) * axes)]


# Mixtures ---------------------------------------------------------------------------------------


def _mixture_distribution(distribution: Distribution, y: Array) -> Slopes:
    return _mixed(distribution, distribution_function, distribution_slopes, y)


def _mixture_mean(distribution: Distribution) -> Slopes:
    return _mixed(distribution, density.mean, mean_slopes)


def _mixed(
    distribution: Distribution,
    value: Callable[..., Array],
    slopes: Callable[..., Slopes],
    *y: Array,
) -> Slopes:
    """Of a sum of weights times values: by the weights the values, by the rest weights x slopes."""
    weights, parts = np.asarray(distribution.parameters[0], float), distribution.components
    further_axes(distribution)  # refuses what is stacked twice
    if len(parts) == 1:
        along = [_with_axes(outcomes, 1) for outcomes in y]
        return [value(parts[0], *along), *(weights * slope for slope in slopes(parts[0], *along))]
    values = np.broadcast_arrays(*(value(part, *y) for part in parts))
    below = [
        _with_axes(weights[..., place], axes) * slope
        for place, part in enumerate(parts)
        for slope, axes in zip(slopes(part, *y), further_axes(part), strict=True)
    ]
    return [np.stack(values, axis=-1), *below]


# Truncation and censoring -----------------------------------------------------------------------


def _truncated_distribution(distribution: Distribution, y: Array) -> Slopes:
    base, (lower, upper) = distribution.components[0], _bounds(distribution)
    mass, share = _mass(distribution), distribution_function(distribution, y)
    ends = _base_slopes(base, just_below(lower)), _base_slopes(base, upper)
    inside = (lower <= y) & (y < upper)
    return _unknown_limits(
        np.where(inside, ((here - low) - share * (high - low)) / mass, 0.0)
        for here, low, high in zip(_base_slopes(base, y), *ends, strict=True)
    )


def _truncated_mean(distribution: Distribution) -> Slopes:
    return _unknown_limits(_mean_between(distribution))


def _censored_distribution(distribution: Distribution, y: Array) -> Slopes:
    base, (lower, upper) = distribution.components[0], _bounds(distribution)
    inside = (lower <= y) & (y < upper)
    return _unknown_limits(np.where(inside, slope, 0.0) for slope in _base_slopes(base, y))


def _censored_mean(distribution: Distribution) -> Slopes:
    """Of lower P(Y < lower) + E(Y; lower <= Y <= upper) + upper P(Y > upper)."""
    base, (lower, upper) = distribution.components[0], _bounds(distribution)
    within = Distribution("Truncated", distribution.parameters, (base,))
    mass, mean = _mass(within), density.mean(within)
    at_lower, at_upper = (np.where(np.isfinite(limit), limit, 0.0) for limit in (lower, upper))
    ends = _base_slopes(base, just_below(lower)), _base_slopes(base, upper)
    return _unknown_limits(
        at_lower * low - at_upper * high
        + np.where(mass > 0, mass * inner + mean * (high - low), 0.0)
        for inner, low, high in zip(_mean_between(within), *ends, strict=True)
    )  # fmt: skip


def _mean_between(truncated: Distribution) -> Slopes:
    """Of E(Y | lower <= Y <= upper), by the base's parameters."""
    base, (lower, upper) = truncated.components[0], _bounds(truncated)
    below, above = _base_slopes(base, just_below(lower)), _base_slopes(base, upper)
    if density.is_discrete(base):
        return _discrete_mean_between(truncated, below, above)
    totals: Slopes = [np.zeros(())] * len(below)
    for weight, share, q in density.quantiles_between(base, lower, upper):
        f = np.exp(density.log_density(base, q))
        ends = zip(below, above, distribution_slopes(base, q), strict=True)
        for place, (low, high, here) in enumerate(ends):
            drift = (1 - share) * low + share * high - here
            totals[place] = totals[place] + weight * np.where(f > 0, drift / f, 0.0)
    return totals


def _discrete_mean_between(truncated: Distribution, below: Slopes, above: Slopes) -> Slopes:
    """Of the sum over the counts inside or, if they have no end, the mean's less those before."""
    base, (lower, upper) = truncated.components[0], _bounds(truncated)
    last = np.where(np.isfinite(upper), upper, np.ceil(lower) - 1).max()
    before: Slopes = [np.zeros(())] * len(below)
    between, previous = list(before), _base_slopes(base, np.zeros(()))
    for k in range(1, int(max(last, 0)) + 1):
        current = _base_slopes(base, np.asarray(float(k)))
        for place, (here, left) in enumerate(zip(current, previous, strict=True)):
            term = k * (here - left)
            before[place] = before[place] + np.where(k < lower, term, 0.0)
            between[place] = between[place] + np.where((lower <= k) & (k <= upper), term, 0.0)
        previous = current
    parts = zip(between, mean_slopes(base), before, strict=True)
    sums = [np.where(np.isfinite(upper), some, whole - less) for some, whole, less in parts]
    mass, mean = _mass(truncated), density.mean(truncated)
    return [
        (rise - mean * (high - low)) / mass
        for rise, low, high in zip(sums, below, above, strict=True)
    ]


def _base_slopes(base: Distribution, y: Array) -> Slopes:
    """Of what is truncated or censored; at an infinite outcome nothing moves."""
    if any(further_axes(base)):
        raise ModelError(f"no derivatives of a truncated or censored '{base.name}' yet")
    return distribution_slopes(base, y)


def _bounds(distribution: Distribution) -> tuple[Array, Array]:
    lower, upper = distribution.parameters
    return np.asarray(lower, float), np.asarray(upper, float)


def _mass(distribution: Distribution) -> Array:
    """P(lower <= Y <= upper) of the base."""
    lower, upper = _bounds(distribution)
    return np.exp(density.log_interval(distribution.components[0], just_below(lower), upper))


def _unknown_limits(slopes: Iterable[Array]) -> Slopes:
    return [np.asarray(np.nan), np.asarray(np.nan), *slopes]


def _of_truncated_normal(slopes: Callable[..., Slopes]) -> Callable[..., Slopes]:
    """PyMC's own truncated normal, its limits last, as the truncation of a normal."""

    def reordered(distribution: Distribution, *y: Array) -> Slopes:
        mu, sigma, lower, upper = distribution.parameters
        normal = Distribution("Normal", (mu, sigma))
        *limits, of_mu, of_sigma = slopes(Distribution("Truncated", (lower, upper), (normal,)), *y)
        return [of_mu, of_sigma, *limits]

    return reordered


FAMILY = _Derivatives(family_distribution_slopes, family_mean_slopes)
MIXTURE = _Derivatives(_mixture_distribution, _mixture_mean)
COMPOSITES = {
    "Categorical": _Derivatives(
        lambda distribution, y: [np.where(_codes(distribution) <= _with_axes(y, 1), 1.0, 0.0)],
        lambda distribution: [_codes(distribution)],
    ),
    "Censored": _Derivatives(_censored_distribution, _censored_mean),
    "DiracDelta": _Derivatives(
        lambda distribution, y: [np.full(y.shape, np.nan)], lambda distribution: [np.ones(())]
    ),
    "Hurdle": MIXTURE,
    "Mixture": MIXTURE,
    "Truncated": _Derivatives(_truncated_distribution, _truncated_mean),
    "TruncatedNormal": _Derivatives(
        _of_truncated_normal(_truncated_distribution), _of_truncated_normal(_truncated_mean)
    ),
}


def _codes(distribution: Distribution) -> Array:
    return np.arange(distribution.parameters[0].shape[-1], dtype=float)
