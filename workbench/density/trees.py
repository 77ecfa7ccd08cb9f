"""Densities and distribution functions of families, and of what is put together from them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logsumexp

from workbench.density import vectors
from workbench.density.distribution import Array, Distribution
from workbench.density.families import ATOMS, DISCRETE, FAMILIES, of_family
from workbench.density.vectors import VECTORS, VECTORS_OF_COUNTS
from workbench.errors import ModelError, nearest

# Those whose outcomes are whole numbers, single or along an axis.
COUNTS = DISCRETE | VECTORS_OF_COUNTS | {"Categorical", "DiracDelta"}


def log_density(distribution: Distribution, y: npt.ArrayLike) -> Array:
    """log density of each outcome; log probability where the distribution has an atom.

    An outcome of several numbers stands along y's last axis.
    """
    return _functions(distribution).log_density(distribution, np.asarray(y, float))


def log_distribution_function(distribution: Distribution, y: npt.ArrayLike) -> Array:
    """log P(Y <= y), accurate in the lower tail."""
    return _functions(distribution).log_distribution(distribution, np.asarray(y, float))


def log_survival_function(distribution: Distribution, y: npt.ArrayLike) -> Array:
    """log P(Y > y), accurate in the upper tail."""
    return _functions(distribution).log_survival(distribution, np.asarray(y, float))


def distribution_function(distribution: Distribution, y: npt.ArrayLike) -> Array:
    """P(Y <= y)."""
    return np.asarray(np.exp(log_distribution_function(distribution, y)))


def survival_function(distribution: Distribution, y: npt.ArrayLike) -> Array:
    """P(Y > y)."""
    return np.asarray(np.exp(log_survival_function(distribution, y)))


def distribution_function_below(distribution: Distribution, y: npt.ArrayLike) -> Array:
    """P(Y < y): the distribution function's limit from the left."""
    return distribution_function(distribution, just_below(y))


def survival_function_below(distribution: Distribution, y: npt.ArrayLike) -> Array:
    """P(Y >= y): the survival function's limit from the left."""
    return survival_function(distribution, just_below(y))


def just_below(y: npt.ArrayLike) -> Array:
    """The next smaller number: there, functions take their limits from the left.

    Next to 0 that is the smallest normal number: some libraries make the processor round
    smaller ones to 0.
    """
    values = np.asarray(y, float)
    return np.asarray(np.minimum(np.nextafter(values, -np.inf), values - np.finfo(float).tiny))


def is_discrete(distribution: Distribution) -> bool:
    """Whether all probability lies on atoms."""
    if distribution.components:
        return all(is_discrete(component) for component in distribution.components)
    return distribution.name in COUNTS


def is_vector(distribution: Distribution) -> bool:
    """Whether an outcome is several numbers, along a last axis."""
    return distribution.name in VECTORS


def whitened(distribution: Distribution, y: npt.ArrayLike) -> Array:
    """Outcomes of a multivariate normal as independent standard normals; ModelError for others."""
    if distribution.name != "MultivariateNormal":
        raise ModelError(
            f"outcomes of '{distribution.name}' are not whitened by a linear map; those of a "
            "multivariate normal are"
        )
    mean, covariance = (np.asarray(value, float) for value in distribution.parameters)
    return vectors.whitened(np.asarray(y, float), mean, covariance)


def has_atoms(distribution: Distribution) -> bool:
    """Whether any probability lies on atoms, as at the limits of a censored outcome."""
    if distribution.name == "Censored":
        return is_discrete(distribution) or any(
            np.isfinite(limit).any() for limit in distribution.parameters
        )
    if distribution.components:
        return any(has_atoms(component) for component in distribution.components)
    return distribution.name in COUNTS or distribution.name in ATOMS


def probabilities(
    distribution: Distribution, values: Sequence[float], *, weights: npt.ArrayLike | None = None
) -> Array:
    """P(Y = v) averaged over rows, for each v; one value at a time, to hold one row-long array.

    weights
        (n,), how many rows each row stands for.
    """
    each = (np.exp(log_density(distribution, value)) for value in values)
    if weights is None:
        return np.array([p.mean() for p in each])
    counts = np.asarray(weights, float)
    return np.array([np.average(np.broadcast_to(p, counts.shape), weights=counts) for p in each])


def mean(distribution: Distribution) -> Array:
    """Expected value, in the shape of the parameters; NaN or infinite where there is none."""
    return _functions(distribution).mean(distribution)


@dataclass(frozen=True)
class _Functions:
    """What one kind of distribution computes of itself."""

    log_density: Callable[[Distribution, Array], Array]
    log_distribution: Callable[[Distribution, Array], Array]
    log_survival: Callable[[Distribution, Array], Array]
    mean: Callable[[Distribution], Array]


def _functions(distribution: Distribution) -> _Functions:
    name = distribution.name
    if name in COMPOSITES:
        return COMPOSITES[name]
    if name in VECTORS:
        return VECTOR
    if name not in FAMILIES:
        known = sorted([*FAMILIES, *COMPOSITES, *VECTORS])
        hint = nearest(name, known)
        raise ModelError(f"no second density for '{name}' yet{hint}; known are {', '.join(known)}")
    return FAMILY


def _family_log_density(distribution: Distribution, y: Array) -> Array:
    return of_family(distribution, "logpmf" if is_discrete(distribution) else "logpdf", y)


def _mixture_log_density(distribution: Distribution, y: Array) -> Array:
    """Where one component has an atom, the densities of the others add nothing to it."""
    terms = _stack(distribution.components, log_density, y)
    if is_discrete(distribution):
        return _log_mean(distribution, terms)
    atoms = _stack(distribution.components, is_atom, y)
    terms = np.where(atoms.any(axis=-1, keepdims=True) & ~atoms, -np.inf, terms)
    return _log_mean(distribution, terms)


def _mixture_log_distribution(distribution: Distribution, y: Array) -> Array:
    return _log_mean(distribution, _stack(distribution.components, log_distribution_function, y))


def _mixture_log_survival(distribution: Distribution, y: Array) -> Array:
    return _log_mean(distribution, _stack(distribution.components, log_survival_function, y))


def _mixture_mean(distribution: Distribution) -> Array:
    return np.asarray((distribution.parameters[0] * _stack(distribution.components, mean)).sum(-1))


def _truncated_log_density(distribution: Distribution, y: Array) -> Array:
    base, (lower, upper) = distribution.components[0], _bounds(distribution)
    inside = log_density(base, y) - _log_mass(base, lower, upper)
    return np.where((lower <= y) & (y <= upper), inside, -np.inf)


def _truncated_log_distribution(distribution: Distribution, y: Array) -> Array:
    base, (lower, upper) = distribution.components[0], _bounds(distribution)
    below = log_interval(base, just_below(lower), np.minimum(y, upper))
    return below - _log_mass(base, lower, upper)


def _truncated_log_survival(distribution: Distribution, y: Array) -> Array:
    base, (lower, upper) = distribution.components[0], _bounds(distribution)
    above = log_interval(base, np.maximum(y, just_below(lower)), upper)
    return above - _log_mass(base, lower, upper)


def _truncated_mean(distribution: Distribution) -> Array:
    return _mean_between(distribution.components[0], *_bounds(distribution))


def _censored_log_density(distribution: Distribution, y: Array) -> Array:
    base, (lower, upper) = distribution.components[0], _bounds(distribution)
    inside = np.where((lower < y) & (y < upper), log_density(base, y), -np.inf)
    at_lower = np.where(y == lower, log_distribution_function(base, y), inside)
    return np.where(y == upper, log_survival_function(base, just_below(y)), at_lower)


def _censored_log_distribution(distribution: Distribution, y: Array) -> Array:
    base, (lower, upper) = distribution.components[0], _bounds(distribution)
    inside = np.where(y < lower, -np.inf, log_distribution_function(base, y))
    return np.where(y >= upper, 0.0, inside)


def _censored_log_survival(distribution: Distribution, y: Array) -> Array:
    base, (lower, upper) = distribution.components[0], _bounds(distribution)
    inside = np.where(y < lower, 0.0, log_survival_function(base, y))
    return np.where(y >= upper, -np.inf, inside)


def _censored_mean(distribution: Distribution) -> Array:
    base, (lower, upper) = distribution.components[0], _bounds(distribution)
    inside = np.exp(log_interval(base, just_below(lower), upper))
    at_lower = np.where(np.isfinite(lower), lower, 0) * distribution_function_below(base, lower)
    at_upper = np.where(np.isfinite(upper), upper, 0) * survival_function(base, upper)
    between = np.where(inside > 0, _mean_between(base, lower, upper) * inside, 0)
    return np.asarray(at_lower + between + at_upper)


def _no_order(distribution: Distribution, *y: Array) -> Array:
    raise ModelError(
        f"an outcome of '{distribution.name}' is several numbers, which have no order, and no "
        "distribution function"
    )


FAMILY = _Functions(
    _family_log_density,
    lambda distribution, y: of_family(distribution, "logcdf", y),
    lambda distribution, y: of_family(distribution, "logsf", y),
    lambda distribution: of_family(distribution, "mean"),
)
VECTOR = _Functions(
    lambda distribution, y: VECTORS[distribution.name](
        y, *(np.asarray(value, float) for value in distribution.parameters)
    ),
    _no_order,
    _no_order,
    _no_order,
)
POINT = _Functions(
    lambda distribution, y: _log(y == distribution.parameters[0]),
    lambda distribution, y: _log(y >= distribution.parameters[0]),
    lambda distribution, y: _log(y < distribution.parameters[0]),
    lambda distribution: np.asarray(distribution.parameters[0], float),
)
CATEGORICAL = _Functions(
    lambda distribution, y: _log(_codes_where(distribution, y, np.equal)),
    lambda distribution, y: _log(_codes_where(distribution, y, np.less_equal)),
    lambda distribution, y: _log(_codes_where(distribution, y, np.greater)),
    lambda distribution: distribution.parameters[0] @ _codes(distribution),
)
MIXTURE = _Functions(
    _mixture_log_density, _mixture_log_distribution, _mixture_log_survival, _mixture_mean
)
TRUNCATED = _Functions(
    _truncated_log_density, _truncated_log_distribution, _truncated_log_survival, _truncated_mean
)
CENSORED = _Functions(
    _censored_log_density, _censored_log_distribution, _censored_log_survival, _censored_mean
)
COMPOSITES = {
    "Categorical": CATEGORICAL,
    "Censored": CENSORED,
    "DiracDelta": POINT,
    "Hurdle": MIXTURE,
    "Mixture": MIXTURE,
    "Truncated": TRUNCATED,
}


def is_atom(distribution: Distribution, y: Array) -> npt.NDArray[np.bool_]:
    """Whether each outcome has a probability of its own."""
    if is_discrete(distribution):
        return np.asarray(log_density(distribution, y) > -np.inf)
    if distribution.name == "Censored":
        lower, upper = _bounds(distribution)
        return np.asarray((y == lower) | (y == upper) | is_atom(distribution.components[0], y))
    if distribution.name == "Truncated":
        return is_atom(distribution.components[0], y)
    if distribution.components:
        return np.any(_stack(distribution.components, is_atom, y), axis=-1)
    return ATOMS[distribution.name](y) if distribution.name in ATOMS else np.zeros(y.shape, bool)


def _codes_where(distribution: Distribution, y: Array, compare: np.ufunc) -> Array:
    """The probability of the codes that compare so with y."""
    chosen = compare(_codes(distribution), y[..., None])
    return np.asarray(np.where(chosen, distribution.parameters[0], 0.0).sum(axis=-1))


def _codes(distribution: Distribution) -> Array:
    return np.arange(np.shape(distribution.parameters[0])[-1], dtype=float)


def _stack[T: np.generic](
    components: tuple[Distribution, ...],
    function: Callable[..., npt.NDArray[T]],
    *y: Array,
) -> npt.NDArray[T]:
    """A function of every component, components along a new last axis."""
    if len(components) == 1:  # stacked already
        return function(components[0], *(values[..., None] for values in y))
    return np.stack(np.broadcast_arrays(*(function(part, *y) for part in components)), axis=-1)


def _log_mean(distribution: Distribution, log_terms: Array) -> Array:
    terms, weights = np.broadcast_arrays(log_terms, distribution.parameters[0])
    return np.asarray(logsumexp(terms, axis=-1, b=weights))


def _log(values: npt.NDArray[Any]) -> Array:
    with np.errstate(divide="ignore"):  # log 0 = -inf is meant
        return np.log(np.asarray(values, float))


def _bounds(distribution: Distribution) -> tuple[Array, Array]:
    lower, upper = distribution.parameters
    return np.asarray(lower, float), np.asarray(upper, float)


def log_interval(base: Distribution, low: Array, high: Array) -> Array:
    """log P(low < Y <= high), as a difference in the tail where it loses fewer digits."""
    above_low, below_high = log_survival_function(base, low), log_distribution_function(base, high)
    upper_tail = _log_difference(above_low, log_survival_function(base, high))
    lower_tail = _log_difference(below_high, log_distribution_function(base, low))
    return np.where(above_low < below_high, upper_tail, lower_tail)


def _log_mass(base: Distribution, lower: Array, upper: Array) -> Array:
    """log P(lower <= Y <= upper); NaN where that is 0, and nothing is left to truncate."""
    mass = log_interval(base, just_below(lower), upper)
    return np.where(np.isneginf(mass), np.nan, mass)


def _log_difference(larger: Array, smaller: Array) -> Array:
    """log(exp(larger) - exp(smaller)); -inf where nothing is left."""
    some = larger > smaller
    gap = np.subtract(smaller, larger, out=np.zeros(np.shape(some)), where=some)
    return np.where(some, larger, 0.0) + _log(-np.expm1(gap))


def _mean_between(base: Distribution, lower: Array, upper: Array) -> Array:
    """E(Y | lower <= Y <= upper), both inclusive."""
    if is_discrete(base):
        return _discrete_mean_between(base, lower, upper)
    if base.components:
        raise ModelError(f"no expected value of a truncated or censored '{base.name}' yet")
    total = np.zeros(())
    for weight, _, quantile in quantiles_between(base, lower, upper):
        total = total + weight * quantile
    return np.where(np.isneginf(log_interval(base, lower, upper)), np.nan, total)


def quantiles_between(
    base: Distribution, lower: Array, upper: Array
) -> Iterator[tuple[float, float, Array]]:
    """Nodes of a quadrature over the probability between two limits: weight, share, quantile.

    Tanh-sinh; each quantile, below which that share of the probability lies, is taken from the
    smaller tail. `base` is one of `FAMILIES` with a density.
    """
    low, high = of_family(base, "cdf", lower), of_family(base, "cdf", upper)
    low_left, high_left = of_family(base, "sf", upper), of_family(base, "sf", lower)
    step = 0.072
    for t in step * np.arange(-50, 51):
        share, rest = expit(np.pi * np.sinh(t)), expit(-np.pi * np.sinh(t))
        p, s = rest * low + share * high, rest * high_left + share * low_left
        quantile = np.where(p < s, of_family(base, "ppf", p), of_family(base, "isf", s))
        yield step * np.pi * np.cosh(t) * share * rest, share, quantile


def _discrete_mean_between(base: Distribution, lower: Array, upper: Array) -> Array:
    """The sum over the values inside or, if they have no end, the mean less those before.

    Every discrete family here lies on 0, 1, 2, ...
    """
    before, between = np.zeros(()), np.zeros(())
    last = np.where(np.isfinite(upper), upper, np.ceil(lower) - 1).max()
    for k in range(1, int(max(last, 0)) + 1):
        term = k * np.exp(log_density(base, k))
        before = before + np.where(k < lower, term, 0)
        between = between + np.where((lower <= k) & (k <= upper), term, 0)
    inside = np.where(np.isfinite(upper), between, mean(base) - before)
    return np.asarray(inside / np.exp(_log_mass(base, lower, upper)))
