"""Families that SciPy does not have, or has in another form: with SciPy's methods, by formula.

Shape parameters are those of PyMC's random variable, in its order.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import betaln, expit, gammaln, i0e, logit, xlog1py, xlogy

from workbench.density.distribution import Array

MOST_TERMS = 100_000  # of a sum over counts
LEFT_OUT = 1e-17  # of a tail's probability, in what is not added up any more


@dataclass(frozen=True)
class ByHand:
    """A family by its logarithms; outcomes come first, then the parameters."""

    logpdf: Callable[..., Array]
    logcdf: Callable[..., Array]
    logsf: Callable[..., Array]
    mean: Callable[..., Array]
    support: Callable[..., tuple[Array | float, Array | float]]
    quantile: Callable[..., Array] | None = None  # of a probability, else by bisection

    @property
    def logpmf(self) -> Callable[..., Array]:
        return self.logpdf

    def cdf(self, y: npt.ArrayLike, *parameters: Array) -> Array:
        return np.exp(self.logcdf(y, *parameters))

    def ppf(self, p: npt.ArrayLike, *parameters: Array) -> Array:
        if self.quantile is None:
            raise NotImplementedError
        return self.quantile(p, *parameters)

    def sf(self, y: npt.ArrayLike, *parameters: Array) -> Array:
        return np.exp(self.logsf(y, *parameters))


def _between(y: Array, lower: float, upper: float, inside: Array, below: float, above: float
             ) -> Array:  # fmt: skip
    """`inside` where lower < y < upper, and constants beside it."""
    return np.where(y <= lower, below, np.where(y >= upper, above, inside))


# Kumaraswamy (1980): P(Y <= y) = 1 - (1 - y^a)^b.

KUMARASWAMY = ByHand(
    logpdf=lambda y, a, b: _between(
        y, 0, 1, np.log(a) + np.log(b) + xlogy(a - 1, y) + xlog1py(b - 1, -(y**a)), -np.inf, -np.inf
    ),
    logcdf=lambda y, a, b: _between(y, 0, 1, np.log(-np.expm1(xlog1py(b, -(y**a)))), -np.inf, 0.0),
    logsf=lambda y, a, b: _between(y, 0, 1, xlog1py(b, -(y**a)), 0.0, -np.inf),
    mean=lambda a, b: np.exp(np.log(b) + betaln(1 + 1 / a, b)),
    support=lambda a, b: (0.0, 1.0),
    quantile=lambda p, a, b: (-np.expm1(np.log1p(-p) / b)) ** (1 / a),
)

# A normal's logistic function.

NODES, _MASS = np.polynomial.hermite_e.hermegauss(101)
WEIGHTS_OF_NODES = _MASS / _MASS.sum()

LOGIT_NORMAL = ByHand(
    logpdf=lambda y, mu, sigma: _between(
        y, 0, 1, stats.norm.logpdf(logit(y), mu, sigma) - np.log(y) - np.log1p(-y), -np.inf, -np.inf
    ),
    logcdf=lambda y, mu, sigma: _between(
        y, 0, 1, stats.norm.logcdf(logit(y), mu, sigma), -np.inf, 0.0
    ),
    logsf=lambda y, mu, sigma: _between(
        y, 0, 1, stats.norm.logsf(logit(y), mu, sigma), 0.0, -np.inf
    ),
    mean=lambda mu, sigma: (
        expit(np.asarray(mu)[..., None] + np.asarray(sigma)[..., None] * NODES) @ WEIGHTS_OF_NODES
    ),
    support=lambda mu, sigma: (0.0, 1.0),
    quantile=lambda p, mu, sigma: expit(stats.norm.ppf(p, mu, sigma)),
)

# The absolute value of a Student-t.

HALF_STUDENT_T = ByHand(
    logpdf=lambda y, nu, sigma: np.where(
        y >= 0, np.log(2) + stats.t.logpdf(y, nu, scale=sigma), -np.inf
    ),
    logcdf=lambda y, nu, sigma: np.where(
        y > 0, np.log1p(-2 * stats.t.sf(y, nu, scale=sigma)), -np.inf
    ),
    logsf=lambda y, nu, sigma: np.where(
        y > 0, np.log(2) + stats.t.logsf(y, nu, scale=sigma), 0.0
    ),
    mean=lambda nu, sigma: np.where(
        nu > 1,
        2 * sigma * np.exp(gammaln((nu + 1) / 2) - gammaln(nu / 2)) * np.sqrt(nu / np.pi)
        / (nu - 1),
        np.inf,
    ),
    support=lambda nu, sigma: (0.0, np.inf),
    quantile=lambda p, nu, sigma: stats.t.ppf((1 + p) / 2, nu, scale=sigma),
)  # fmt: skip


# An angle from -pi to pi. SciPy's distribution function goes on beyond, around the circle.


def _turned(y: npt.ArrayLike, mu: Array, kappa: Array) -> Array:
    return np.asarray(stats.vonmises.cdf(np.clip(y, -np.pi, np.pi) - mu, kappa))


def _log_between(y: npt.ArrayLike, end: npt.ArrayLike, mu: Array, kappa: Array) -> Array:
    return np.log(np.maximum(_turned(end, mu, kappa) - _turned(y, mu, kappa), 0.0))


VON_MISES = ByHand(
    logpdf=lambda y, mu, kappa: np.where(
        np.abs(y) <= np.pi, kappa * (np.cos(y - mu) - 1) - np.log(2 * np.pi * i0e(kappa)), -np.inf
    ),
    logcdf=lambda y, mu, kappa: _log_between(-np.pi, y, mu, kappa),
    logsf=lambda y, mu, kappa: _log_between(y, np.pi, mu, kappa),
    mean=lambda mu, kappa: mu + 0 * kappa,  # the mean direction
    support=lambda mu, kappa: (-np.pi, np.pi),
)


# Counts, whose distribution functions are sums.


def _lower_sum(log_mass: Callable[..., Array], y: npt.ArrayLike, *parameters: Array) -> Array:
    """log P(Y <= y), term by term from 0 on."""
    last = np.floor(np.asarray(y, float))
    total = np.full(np.broadcast_shapes(last.shape, *map(np.shape, parameters)), -np.inf)
    for k in range(int(min(last.max(initial=-1.0), MOST_TERMS)) + 1):
        term = np.where(k <= last, log_mass(float(k), *parameters), -np.inf)
        total = np.logaddexp(total, term)
    return np.asarray(np.minimum(total, 0.0))


def _upper_sum(
    log_mass: Callable[..., Array], y: npt.ArrayLike, lowest: Array, *parameters: Array
) -> Array:
    """log P(Y > y), term by term until what is left does not count.

    Beyond its mode a term shrinks from one count to the next.
    """
    first = np.maximum(np.floor(np.asarray(y, float)) + 1, lowest)
    shape = np.broadcast_shapes(first.shape, *map(np.shape, parameters))
    total, before = np.full(shape, -np.inf), np.full(shape, -np.inf)
    for step in range(MOST_TERMS):
        term = np.broadcast_to(log_mass(first + step, *parameters), shape)
        total = np.logaddexp(total, term)
        ratio = np.exp(np.where(np.isneginf(term), -np.inf, term - before))
        rest = term + np.log(ratio / np.maximum(1 - ratio, LEFT_OUT))  # of a geometric tail
        if (np.isneginf(term) | ((ratio < 1) & (rest < total + np.log(LEFT_OUT)))).all():
            break
        before = term
    return np.asarray(np.minimum(total, 0.0))


def _counts(
    log_mass: Callable[..., Array],
    mean: Callable[..., Array],
    support: Callable[..., tuple[Array | float, Array | float]],
) -> ByHand:
    """Of each tail the sum where it is the smaller, else what the other leaves of one."""

    def log_probability(y: npt.ArrayLike, *parameters: Array) -> Array:
        values = np.asarray(y, float)
        low, high = support(*parameters)
        inside = (values == np.floor(values)) & (values >= low) & (values <= high)
        return np.where(inside, log_mass(np.where(inside, values, low), *parameters), -np.inf)

    def tails(y: npt.ArrayLike, *parameters: Array) -> tuple[Array, Array]:
        lowest = np.asarray(support(*parameters)[0], float)
        below = _lower_sum(log_probability, y, *parameters)
        above = _upper_sum(log_probability, y, lowest, *parameters)
        rest_of = np.log(-np.expm1(below)), np.log(-np.expm1(above))
        return np.where(below < above, below, rest_of[1]), np.where(
            below < above, rest_of[0], above
        )

    return ByHand(
        logpdf=log_probability,
        logcdf=lambda y, *parameters: tails(y, *parameters)[0],
        logsf=lambda y, *parameters: tails(y, *parameters)[1],
        mean=mean,
        support=support,
    )


def _beta_binomial(k: Array, n: Array, a: Array, b: Array) -> Array:
    chosen = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.asarray(chosen + betaln(k + a, n - k + b) - betaln(a, b))


BETA_BINOMIAL = _counts(
    _beta_binomial,
    mean=lambda n, a, b: n * a / (a + b),
    support=lambda n, a, b: (0.0, n),
)


def _generalized_poisson(k: Array, mu: Array, alpha: Array) -> Array:
    """Consul and Jain (1973), by mean and dispersion: Var Y = mu (1 + alpha mu)^2."""
    rate = mu * (1 + alpha * k)
    powers = xlogy(k - 1, rate) - k * np.log1p(alpha * mu)
    return np.asarray(np.log(mu) + powers - rate / (1 + alpha * mu) - gammaln(k + 1))


GENERALIZED_POISSON = _counts(
    _generalized_poisson,
    mean=lambda mu, alpha: mu + 0 * alpha,
    support=lambda mu, alpha: (0.0, np.inf),
)


def _hypergeometric(k: Array, good: Array, bad: Array, n: Array) -> Array:
    def log_ways(of: Array, chosen: Array) -> Array:
        return np.asarray(gammaln(of + 1) - gammaln(chosen + 1) - gammaln(of - chosen + 1))

    return log_ways(good, k) + log_ways(bad, n - k) - log_ways(good + bad, n)


HYPERGEOMETRIC = _counts(
    _hypergeometric,
    mean=lambda good, bad, n: n * good / (good + bad),
    support=lambda good, bad, n: (np.maximum(n - bad, 0), np.minimum(n, good)),
)

# Nakagawa and Osaki (1975): P(Y >= k) = q^(k^beta).


def _discrete_weibull_mean(q: Array, beta: Array) -> Array:
    """The sum of P(Y >= k) over k = 1, 2, ..."""
    total = np.zeros(np.broadcast_shapes(np.shape(q), np.shape(beta)))
    for k in range(1, MOST_TERMS):
        term = np.exp(k**beta * np.log(q))
        total = total + term
        if (term <= LEFT_OUT * total).all():
            break
    return np.asarray(total)


DISCRETE_WEIBULL = ByHand(
    logpdf=lambda k, q, beta: np.where(
        (k >= 0) & (k == np.floor(k)),
        k**beta * np.log(q) + np.log(-np.expm1(((k + 1) ** beta - k**beta) * np.log(q))),
        -np.inf,
    ),
    logcdf=lambda k, q, beta: np.where(
        k >= 0, np.log(-np.expm1((np.floor(k) + 1) ** beta * np.log(q))), -np.inf
    ),
    logsf=lambda k, q, beta: np.where(k >= 0, (np.floor(k) + 1) ** beta * np.log(q), 0.0),
    mean=_discrete_weibull_mean,
    support=lambda q, beta: (0.0, np.inf),
)


# Shares of which some are none and some are all: zeros and ones have a probability of their own.


def _inflated_density(y: Array, edge: Array, one: Array, a: Array, b: Array) -> Array:
    """edge: P(Y is 0 or 1). one: P(Y = 1 | Y is 0 or 1)."""
    inside = (y > 0) & (y < 1)
    within = np.log1p(-edge) + stats.beta.logpdf(np.where(inside, y, 0.5), a, b)
    at_edge = np.log(edge) + np.where(y == 1, np.log(one), np.log1p(-one))
    return np.where(inside, within, np.where((y == 0) | (y == 1), at_edge, -np.inf))


def _inflated_below(y: Array, edge: Array, one: Array, a: Array, b: Array) -> Array:
    at_zero = np.log(edge) + np.log1p(-one)
    inside = np.logaddexp(at_zero, np.log1p(-edge) + stats.beta.logcdf(y, a, b))
    return np.where(y < 0, -np.inf, np.where(y >= 1, 0.0, inside))


def _inflated_above(y: Array, edge: Array, one: Array, a: Array, b: Array) -> Array:
    at_one = np.log(edge) + np.log(one)
    inside = np.logaddexp(at_one, np.log1p(-edge) + stats.beta.logsf(y, a, b))
    return np.where(y < 0, 0.0, np.where(y >= 1, -np.inf, inside))


ZERO_ONE_INFLATED_BETA = ByHand(
    logpdf=_inflated_density,
    logcdf=_inflated_below,
    logsf=_inflated_above,
    mean=lambda edge, one, a, b: edge * one + (1 - edge) * a / (a + b),
    support=lambda edge, one, a, b: (0.0, 1.0),
)
