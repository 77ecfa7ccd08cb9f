"""Expected (Fisher) information: of each outcome's distribution, and of theta.

The observed information is of the outcomes that came; the expected one is what outcomes drawn
from the fitted distribution would tell on average. Nats. A distribution's parameters are those
that PyMC stores (Gamma: shape and scale; NegativeBinomial: n and p), one column each, depth first
through its components; the weights of a mixture and the probabilities of categories take a column
each. Where a parameter has no information that is known here (a limit of the support, a number of
trials) its row and column are NaN: nothing is lost as long as the model does not estimate it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import digamma, i0e, i1e, polygamma

from workbench.density import Distribution, log_density, log_survival_function
from workbench.errors import ModelError

type Array = npt.NDArray[np.float64]
type Entries = dict[tuple[int, int], Array]  # of the upper triangle, by parameter

INSTEAD = "; kind='observed' or kind='sandwich' is there"


def information(distribution: Distribution, rows: int) -> Array:
    """The expected information of one outcome, for each row, shape (n, q, q).

    In closed form, the size of a negative binomial as one integral, mixed, truncated and
    censored counts as a sum over counts. Raises ModelError for any other distribution.
    """
    spread = _by_row(distribution, rows)
    with np.errstate(all="ignore"):  # a parameter on its boundary has infinite information
        if distribution.name in SPREAD_FAMILIES:
            return _of_categories(spread.parameters[0][:, 0])
        if distribution.name in FAMILIES:
            parameters = [values[:, 0] for values in spread.parameters]
            return _block(FAMILIES[distribution.name](*parameters), len(parameters), rows)
        if not _is_summed(distribution):
            raise ModelError(f"no expected information of {_told(distribution)} yet{INSTEAD}")
        return _summed(spread, rows)


def expected_information(blocks: Array, jacobians: Sequence[Array], weights: Array) -> Array:
    """sum of w J' I J over rows: the expected information of theta, shape (k, k).

    blocks
        (n, q, q), from `information`.
    jacobians
        Of each of the q parameters, d parameter / d theta by row, (n, k).
    weights
        (n,), how many rows each row stands for.

    A parameter that does not move with theta in a row counts as known there. Raises ModelError
    where one that does move has no finite information.
    """
    counts = weights > 0
    slopes = [np.asarray(jacobian)[counts] for jacobian in jacobians]
    moves = np.stack([slope.any(axis=1) for slope in slopes], axis=1)
    told = np.where(moves[:, :, None] & moves[:, None, :], blocks[counts], 0.0)
    if not np.isfinite(told).all():
        raise ModelError(
            "no expected information: the model estimates a limit of the outcome's support or a "
            "number of trials, or a parameter of the outcome lies on its boundary" + INSTEAD
        )
    told *= weights[counts, None, None]
    total = np.zeros((slopes[0].shape[1],) * 2)
    for a, b in product(range(len(slopes)), repeat=2):
        total += slopes[a].T @ (told[:, a, b, None] * slopes[b])
    return (total + total.T) / 2


def _by_row(distribution: Distribution, rows: int) -> Distribution:
    """The tree with each parameter as a column (n, 1), and weights as (n, 1, components)."""
    along = distribution.name in {*MIXTURES, *SPREAD_FAMILIES}

    def column(value: Array) -> Array:
        values = np.asarray(value, float)
        shape = (rows, 1, values.shape[-1]) if along else (rows, 1)
        return np.broadcast_to(values[..., None, :] if along else values[..., None], shape)

    try:
        parameters = tuple(column(value) for value in distribution.parameters)
    except ValueError as reason:
        raise ModelError(
            f"no expected information of {_told(distribution)} with several values a row{INSTEAD}"
        ) from reason
    if along and len(distribution.components) == 1:
        raise ModelError(
            f"no expected information of {_told(distribution)} stacked along an axis; declare its "
            f"components as a list{INSTEAD}"
        )
    components = tuple(_by_row(component, rows) for component in distribution.components)
    return replace(distribution, parameters=parameters, components=components)


def _told(distribution: Distribution) -> str:
    inner = " and ".join(_told(component) for component in distribution.components)
    return f"{distribution.name}({inner})" if inner else distribution.name


def _block(entries: Entries, count: int, rows: int) -> Array:
    blocks = np.zeros((rows, count, count))
    for (i, j), values in entries.items():
        blocks[:, i, j] = blocks[:, j, i] = values
    for i in range(count):
        if (i, i) not in entries:
            blocks[:, i, :] = blocks[:, :, i] = np.nan
    return blocks


def _of_categories(probabilities: Array) -> Array:
    """1 / p on the diagonal: the slopes of p add up to zero, which does the rest."""
    return np.asarray((1 / probabilities)[:, :, None] * np.eye(probabilities.shape[1]))


# Closed forms -----------------------------------------------------------------------------------


def _trigamma(x: Array) -> Array:
    return np.asarray(polygamma(1, x))


def _location_scale(a: float, b: float, c: float) -> Callable[..., Entries]:
    """Of location and scale: (a, b; b, c) / scale^2."""
    return lambda _, scale: {
        (0, 0): a / scale**2,
        (0, 1): b / scale**2,
        (1, 1): c / scale**2,
    }


def _beta(a: Array, b: Array) -> Entries:
    both = _trigamma(a + b)
    return {(0, 0): _trigamma(a) - both, (0, 1): -both, (1, 1): _trigamma(b) - both}


def _beta_binomial(n: Array, a: Array, b: Array) -> Entries:
    """The sum over counts of p s s'."""
    entries = {(1, 1): np.zeros_like(a), (1, 2): np.zeros_like(a), (2, 2): np.zeros_like(a)}
    for y in range(int(n.max()) + 1):
        p = stats.betabinom.pmf(y, n, a, b)
        common = digamma(a + b) - digamma(n + a + b)
        of_a = digamma(y + a) - digamma(a) + common
        of_b = digamma(np.maximum(n - y, 0) + b) - digamma(b) + common
        entries[1, 1] += p * of_a**2
        entries[1, 2] += p * of_a * of_b
        entries[2, 2] += p * of_b**2
    return entries


def _negative_binomial(n: Array, p: Array) -> Entries:
    return {(0, 0): _of_size(n, p), (0, 1): -1 / p, (1, 1): n / (p**2 * (1 - p))}


def _of_size(n: Array, p: Array) -> Array:
    """sum over j of P(Y > j) / (n + j)^2, the information of a negative binomial's size.

    With 1 / z^2 as the integral of t exp(-z t), and the generating function of Y, it is that of
    t exp(-n t) (1 - E exp(-t Y)) / (1 - exp(-t)): nothing cancels, and it costs the same for
    counts of one and of a million. In log t the integrand is analytic in a strip of half-width
    pi / 2, so a trapezoid of step h is off by exp(-pi^2 / h): by rounding.
    """
    odds, total = (1 - p) / p, np.zeros_like(n)
    for j in range(SIZE_NODES):
        t = FARTHEST / n * np.exp(-SIZE_STEP * j)
        below = -np.expm1(-t)
        some = -np.expm1(-n * np.log1p(below * odds))  # 1 - E exp(-t Y)
        total += SIZE_STEP * t**2 * np.exp(-n * t) * some / below
    return total


SIZE_STEP = 0.2
SIZE_NODES = 190  # down to t = 1e-15 / n: what is left out is below rounding, for means to 1e12
FARTHEST = 45.0  # exp(-45) is below rounding


def _student(nu: Array, scale: Array) -> Entries:
    """Of the degrees of freedom and the scale."""
    tails = _trigamma(nu / 2) - _trigamma((nu + 1) / 2)
    return {
        (0, 0): tails / 4 - (nu + 5) / (2 * nu * (nu + 1) * (nu + 3)),
        (0, 1): -2 / (scale * (nu + 1) * (nu + 3)),
        (1, 1): 2 * nu / (scale**2 * (nu + 3)),
    }


def _student_t(nu: Array, _: Array, scale: Array) -> Entries:
    shape = _student(nu, scale)
    return {
        (0, 0): shape[0, 0],
        (0, 2): shape[0, 1],
        (2, 2): shape[1, 1],
        (1, 1): (nu + 1) / ((nu + 3) * scale**2),
    }


def _von_mises(_: Array, kappa: Array) -> Entries:
    length = i1e(kappa) / i0e(kappa)
    return {(0, 0): kappa * length, (1, 1): 1 - length / kappa - length**2}


def _asymmetric_laplace(rate: Array, kappa: Array, _: Array) -> Entries:
    """Of a Laplace's with rates rate x kappa above and rate / kappa below its location."""
    both = 1 + kappa**2
    return {
        (0, 0): 1 / rate**2,
        (0, 1): (1 - kappa**2) / (rate * kappa * both),
        (1, 1): 1 / kappa**2 + 4 / both**2,
        (1, 2): -2 * rate / both,
        (2, 2): rate**2,
    }


def _weibull(alpha: Array, beta: Array) -> Entries:
    return {
        (0, 0): (np.pi**2 / 6 + (1 - np.euler_gamma) ** 2) / alpha**2,
        (0, 1): -(1 - np.euler_gamma) / beta,
        (1, 1): (alpha / beta) ** 2,
    }


GUMBEL = (1.0, np.euler_gamma - 1, np.pi**2 / 6 + (1 - np.euler_gamma) ** 2)
LOG_CHI = float(digamma(1.5) + np.log(2))  # E log of a chi-square with three degrees of freedom
MOYAL = (0.5, -LOG_CHI / 2, 1 + (LOG_CHI**2 + float(polygamma(1, 1.5))) / 2)
FAMILIES: dict[str, Callable[..., Entries]] = {  # of PyMC's parameters
    "AsymmetricLaplace": _asymmetric_laplace,
    "Bernoulli": lambda p: {(0, 0): 1 / (p * (1 - p))},
    "Beta": _beta,
    "BetaBinomial": _beta_binomial,
    "Binomial": lambda n, p: {(1, 1): n / (p * (1 - p))},
    "Cauchy": _location_scale(0.5, 0.0, 0.5),
    "Exponential": lambda scale: {(0, 0): 1 / scale**2},
    "Gamma": lambda shape, scale: {
        (0, 0): _trigamma(shape),
        (0, 1): 1 / scale,
        (1, 1): shape / scale**2,
    },
    "Geometric": lambda p: {(0, 0): 1 / (p**2 * (1 - p))},
    "Gumbel": _location_scale(*GUMBEL),
    "HalfCauchy": lambda scale: {(0, 0): 0.5 / scale**2},
    "HalfNormal": lambda _, sigma: {(1, 1): 2 / sigma**2},
    "HalfStudentT": _student,
    "InverseGamma": lambda shape, scale: {
        (0, 0): _trigamma(shape),
        (0, 1): -1 / scale,
        (1, 1): shape / scale**2,
    },
    "Laplace": _location_scale(1.0, 0.0, 1.0),
    "LogNormal": _location_scale(1.0, 0.0, 2.0),
    "Logistic": _location_scale(1 / 3, 0.0, (3 + np.pi**2) / 9),
    "LogitNormal": _location_scale(1.0, 0.0, 2.0),
    "Moyal": _location_scale(*MOYAL),
    "NegativeBinomial": _negative_binomial,
    "Normal": _location_scale(1.0, 0.0, 2.0),
    "Pareto": lambda alpha, _: {(0, 0): 1 / alpha**2},
    "Poisson": lambda mu: {(0, 0): 1 / mu},
    "StudentT": _student_t,
    "VonMises": _von_mises,
    "Wald": lambda mu, lam, _: {(0, 0): lam / mu**3, (1, 1): 0.5 / lam**2},
    "Weibull": _weibull,
}
SPREAD_FAMILIES = {"Categorical"}


# Sums over counts -------------------------------------------------------------------------------

MIXTURES = {"Hurdle", "Mixture"}
SCORES: dict[str, Callable[..., tuple[Array | float, ...]]] = {  # d log p / d parameters
    "Bernoulli": lambda y, p: ((y - p) / (p * (1 - p)),),
    "Binomial": lambda y, n, p: (np.nan, (y - n * p) / (p * (1 - p))),
    "DiracDelta": lambda y, c: (np.nan,),
    "Geometric": lambda y, p: ((1 - y * p) / (p * (1 - p)),),
    "NegativeBinomial": lambda y, n, p: (
        digamma(n + y) - digamma(n) + np.log(p),
        n / p - y / (1 - p),
    ),
    "Poisson": lambda y, mu: (y / mu - 1,),
}
LOG_TAIL = np.log(1e-20)  # what is left out, times the square of a score there, is below rounding
MOST_COUNTS = 1_000_000
CELLS = 2_000_000  # rows times counts worked on at once


@dataclass(frozen=True)
class _Masses:
    """Probabilities of the counts 0, 1, 2, ... (n, m), their slopes in each parameter (q, n, m)."""

    values: Array
    slopes: Array


def _is_summed(distribution: Distribution) -> bool:
    if distribution.components:
        known = {*MIXTURES, "Censored", "Truncated"}
        return distribution.name in known and all(map(_is_summed, distribution.components))
    return distribution.name in SCORES


def _summed(distribution: Distribution, rows: int) -> Array:
    """The sum over counts of dp dp' / p, the rows block by block, those with most counts first."""
    last = _last_count(distribution, rows)
    pieces = []
    order = np.argsort(-last)
    for places in _in_blocks(order, last):
        masses = _masses(_rows_at(distribution, places), np.arange(last[places[0]] + 1))
        relative = np.where(masses.values > 0, masses.slopes / masses.values, 0.0)
        pieces.append(np.einsum("anm,bnm->nab", masses.slopes, relative, optimize=True))
    blocks = np.concatenate(pieces)
    return np.asarray(blocks[np.argsort(order)])


def _in_blocks(order: npt.NDArray[np.intp], last: Array) -> Iterator[npt.NDArray[np.intp]]:
    while len(order):
        size = max(1, int(CELLS // (last[order[0]] + 1)))
        yield order[:size]
        order = order[size:]


def _rows_at(distribution: Distribution, places: npt.NDArray[np.intp]) -> Distribution:
    return Distribution(
        distribution.name,
        tuple(values[places] for values in distribution.parameters),
        tuple(_rows_at(component, places) for component in distribution.components),
    )


def _last_count(distribution: Distribution, rows: int) -> Array:
    """A count for each row beyond which neither the whole nor a component has any mass left."""
    last = np.full((rows, 1), 16.0)
    while (more := log_survival_function(distribution, last) > LOG_TAIL).any():
        last = np.where(more, 2 * last, last)
        if last.max() > MOST_COUNTS:
            raise ModelError(
                f"no expected information of {_told(distribution)}: its counts go beyond a "
                f"million, too many to sum over{INSTEAD}"
            )
    each = [_last_count(component, rows) for component in distribution.components]
    return np.asarray(np.max([last[:, 0], *each], axis=0))


def _masses(distribution: Distribution, y: Array) -> _Masses:
    if distribution.name in MIXTURES:
        return _mixture_masses(distribution, y)
    if distribution.name == "Truncated":
        return _truncated_masses(distribution, y)
    if distribution.name == "Censored":
        return _censored_masses(distribution, y)
    values = np.exp(log_density(distribution, y))
    scores = np.stack(
        [np.broadcast_to(s, values.shape) for s in SCORES[distribution.name](
            y, *distribution.parameters)]
    )  # fmt: skip
    return _Masses(values, np.where(values > 0, values * scores, 0.0))


def _mixture_masses(distribution: Distribution, y: Array) -> _Masses:
    weights = np.moveaxis(distribution.parameters[0], -1, 0)
    parts = [_masses(component, y) for component in distribution.components]
    values = sum(w * part.values for w, part in zip(weights, parts, strict=True))
    of_weights = np.stack([part.values for part in parts])
    of_parts = [w * part.slopes for w, part in zip(weights, parts, strict=True)]
    return _Masses(np.asarray(values), np.concatenate([of_weights, *of_parts]))


def _truncated_masses(distribution: Distribution, y: Array) -> _Masses:
    lower, upper = distribution.parameters
    base, inside = _masses(distribution.components[0], y), (lower <= y) & (y <= upper)
    values, slopes = np.where(inside, base.values, 0.0), np.where(inside, base.slopes, 0.0)
    mass, change = values.sum(axis=-1, keepdims=True), slopes.sum(axis=-1, keepdims=True)
    values = values / mass
    return _Masses(values, _below_limits((slopes - values * change) / mass))


def _censored_masses(distribution: Distribution, y: Array) -> _Masses:
    lower, upper = distribution.parameters
    base = _masses(distribution.components[0], y)

    def gathered(masses: Array) -> Array:
        low = np.where(y <= lower, masses, 0.0).sum(axis=-1, keepdims=True)
        high = np.where(y >= upper, masses, 0.0).sum(axis=-1, keepdims=True)
        inside = np.where((lower < y) & (y < upper), masses, 0.0)
        return np.asarray(np.where(y == lower, low, np.where(y == upper, high, inside)))

    return _Masses(gathered(base.values), _below_limits(gathered(base.slopes)))


def _below_limits(slopes: Array) -> Array:
    """The slopes under those of the two limits, which have none."""
    return np.concatenate([np.full((2, *slopes.shape[1:]), np.nan), slopes])
