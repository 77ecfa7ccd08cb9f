"""Entropies, cross-entropies and divergences of known distributions, to 1e-9 nats.

The rows are no sample: they stand where a quadrature of the truth wants them, with its weights as
frequencies. So the mean over rows is the expectation, and only rounding is left.
"""

from functools import cache

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from scipy.special import expit

import workbench as wb
from tests.published import samples
from tests.published.records import PUBLISHED
from workbench import information

ROWS = 1e15  # frequencies add up to so many, so that a rounded one is off by nothing that counts

DISCRETE = {
    "info.H_bernoulli",
    "info.H_categorical",
    "info.KL_poisson_poisson",
    "info.KL_binomial_binomial",
    "info.KL_geometric_geometric",
    "info.KL_negbin_poisson",
    "info.KL_categorical_zero_in_p",
    "info.KL_poisson_bernoulli_support",
}
CONTINUOUS = {
    "info.H_normal",
    "info.H_gamma_small_shape",
    "info.H_logistic",
    "info.H_vonmises",
    "info.H_rayleigh",
    "info.H_mvnormal3",
    "info.H_dirichlet",
    "info.KL_normal_normal",
    "info.KL_gamma_gamma",
    "info.KL_exp_exp",
    "info.KL_weibull_weibull",
    "info.KL_gumbel_gumbel",
    "info.KL_invgamma_invgamma",
    "info.KL_weibull_exp",
    "info.KL_normal_studentt",
    "info.KL_mvnormal3",
    "info.KL_dirichlet",
    "info.KL_uniform_support_mismatch",
    "info.KL_identical_normal",
    "info.CE_poisson_poisson",
}
MASSES = {
    "Bernoulli": lambda p: stats.bernoulli(p),
    "Poisson": lambda mu: stats.poisson(mu),
    "Binomial": lambda n, p: stats.binom(n, p),
    "Geometric": lambda p: stats.geom(p),
    "NegativeBinomial": lambda mu, alpha_nb2: stats.nbinom(1 / alpha_nb2, 1 / (1 + alpha_nb2 * mu)),
}


def masses(described, counts):
    """Probabilities of the counts, or of the categories."""
    described = dict(described)
    name = described.pop("dist")
    return (
        np.array(described["p"]) if name == "Categorical" else MASSES[name](**described).pmf(counts)
    )


@pytest.mark.parametrize("case", sorted(DISCRETE))
def test_a_discrete_quantity_is_the_known_one(case):
    record = PUBLISHED[case]
    support = np.arange(1000)
    counts = np.round(ROWS * masses(record["p"], support))
    value = float(record["value"])
    if record["quantity"] == "entropy":
        seen = counts[counts > 0]
        assert information.entropy_plugin(seen) == pytest.approx(value, abs=1e-12)
        assert information.entropy_chao_wang_jost(seen) == pytest.approx(value, abs=1e-12)
        return
    divergence = information.kl_discrete(counts, masses(record["q"], support))
    assert divergence.mean.value == pytest.approx(value, abs=1e-9)
    assert np.isfinite(value) or "probability 0" in divergence.reason


# The truth: where a double-exponential quadrature of its quantile function wants rows, and weights.

FINE, COARSE = np.linspace(-3.6, 3.6, 361), np.linspace(-3.6, 3.6, 91)


def spread(truth, steps=FINE):
    """Rows and weights of a distribution by its quantiles (Takahasi and Mori 1974)."""
    below = expit(np.pi * np.sinh(steps))
    rows = np.where(steps < 0, truth.ppf(below), truth.isf(expit(-np.pi * np.sinh(steps))))
    weights = np.pi * np.cosh(steps) * below * expit(-np.pi * np.sinh(steps))
    return rows, weights / weights.sum()


def around(truth):
    """The circle in equal steps, which is exact for what is periodic."""
    angles = np.linspace(-np.pi, np.pi, 200, endpoint=False)
    weights = truth.pdf(angles)
    return angles, weights / weights.sum()


def counted(truth):
    counts = np.arange(100)
    return counts.astype(float), truth.pmf(counts)


def in_space(truth):
    """Gauss and Hermite's nodes along the axes of a multivariate normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(4)
    axes = len(truth.mean)
    points = np.stack(np.meshgrid(*[nodes] * axes), axis=-1).reshape(-1, axes)
    products = np.stack(np.meshgrid(*[weights] * axes), axis=-1).reshape(-1, axes).prod(axis=1)
    return truth.mean + points @ np.linalg.cholesky(truth.cov_object.covariance).T, products


def on_simplex(truth):
    """A stick broken twice, at beta shares; what is left of it has its own digits."""
    first, second, third = truth.alpha
    grids, weights = [], []
    for a, b in ((first, second + third), (second, third)):
        share, weight = spread(stats.beta(a, b), COARSE)
        grids.append(np.stack([share, spread(stats.beta(b, a), COARSE)[0][::-1]]))
        weights.append(weight)
    (at, left), (then, last) = grids[0][:, :, None], grids[1][:, None, :]
    shares = np.broadcast_arrays(at, left * then, left * last)
    return np.stack(shares, axis=-1).reshape(-1, 3), np.outer(*weights).ravel()


# A record's distribution: SciPy's, its rows, our declaration, and that one's parameters.


def lower_triangle(cov):
    return np.linalg.cholesky(cov)[np.tril_indices(len(cov))]


KNOWN = {
    "Normal": lambda mu, sigma: (stats.norm(mu, sigma), spread, samples.normal, (mu, sigma)),
    "Gamma": lambda shape, rate: (
        stats.gamma(shape, scale=1 / rate), spread, samples.gamma, (shape, rate)),
    "Logistic": lambda mu, s: (stats.logistic(mu, s), spread, samples.logistic, (mu, s)),
    "VonMises": lambda mu, kappa: (
        stats.vonmises(kappa, mu), around, samples.von_mises, (mu, kappa)),
    "Rayleigh": lambda sigma: (
        stats.rayleigh(scale=sigma), spread, samples.weibull, (2, sigma * 2**0.5)),
    "Exponential": lambda rate: (
        stats.expon(scale=1 / rate), spread, samples.exponential, (rate,)),
    "Weibull": lambda shape, scale: (
        stats.weibull_min(shape, scale=scale), spread, samples.weibull, (shape, scale)),
    "Gumbel": lambda mu, beta: (stats.gumbel_r(mu, beta), spread, samples.gumbel, (mu, beta)),
    "InverseGamma": lambda alpha, beta: (
        stats.invgamma(alpha, scale=beta), spread, samples.inverse_gamma, (alpha, beta)),
    "StudentT": lambda nu, mu, sigma: (
        stats.t(nu, mu, sigma), spread, samples.student_t, (nu, mu, sigma)),
    "Uniform": lambda lower, upper: (
        stats.uniform(lower, upper - lower), spread, samples.uniform, (lower, upper)),
    "Poisson": lambda mu: (stats.poisson(mu), counted, samples.poisson, (mu,)),
    "MvNormal": lambda mu, cov: (
        stats.multivariate_normal(mu, cov), in_space, samples.multinormal,
        (*mu, *lower_triangle(cov))),
    "Dirichlet": lambda a: (stats.dirichlet(a), on_simplex, samples.dirichlet, a),
}  # fmt: skip


def known(described):
    parameters = {name: value for name, value in described.items() if name != "dist"}
    return KNOWN[described["dist"]](**parameters)


@cache
def first_bound(definition, axes):
    """The declaration on rows of its own kind; other rows are put in their place."""
    return wb.bind(definition, rows_of(np.full((3, axes) if axes > 1 else 3, 1 / axes)))


def rows_of(rows):
    if rows.ndim == 1:
        return xr.Dataset({"y": ("row", rows)})
    return xr.Dataset({"y": (("row", "axis"), rows)}, {"axis": np.arange(rows.shape[1])})


@pytest.mark.parametrize("case", sorted(CONTINUOUS))
def test_the_mean_of_a_declared_density_is_the_known_cross_entropy(case):
    record = PUBLISHED[case]
    truth, quadrature, *_ = known(record["p"])
    _, _, definition, parameters = known(record.get("q") or record["p"])
    rows, weights = quadrature(truth)
    problem = first_bound(definition, 1 if rows.ndim == 1 else rows.shape[1]).on(rows_of(rows))
    theta = problem.unconstrained(np.array(parameters, float))
    cross_entropy = information.mean(-problem.pointwise(theta), weights=ROWS * weights)
    entropy = truth.entropy() if record["quantity"].startswith("KL") else 0.0
    assert cross_entropy.value - entropy == pytest.approx(float(record["value"]), abs=1e-9)
