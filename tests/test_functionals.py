"""Quantiles, supports, and the slopes of means and probabilities by a distribution's parameters."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import digamma

from tests.marking import slow_but
from tests.test_density import (
    COUNTS,
    MU,
    REALS,
    SHARES,
    TIMES,
    bounded,
    family,
    mixture,
    point,
)
from workbench import density
from workbench.density import Distribution, distribution_function, mean
from workbench.errors import ModelError
from workbench.functionals import (
    distribution_slopes,
    further_axes,
    mean_slopes,
    quantile,
    steepness,
    support,
)
from workbench.functionals.families import OF_DISTRIBUTION, OF_MEAN
from workbench.functionals.slopes import COMPOSITES

BY_ROW = np.array([[0.9, 0.1], [0.75, 0.25], [0.5, 0.5], [0.2, 0.8], [0.05, 0.95]])
# Parameters of ordinary size, and outcomes; limits and numbers of trials stay as they are.
KNOWN = {
    "AsymmetricLaplace": (family("AsymmetricLaplace", 0.7, MU, 0.5), REALS + 0.1),
    "BetaBinomial": (family("BetaBinomial", 50, MU, 2.5), COUNTS),
    "Cauchy": (family("Cauchy", 1, MU), REALS),
    "DiscreteUniform": (family("DiscreteUniform", 0, 50), COUNTS),
    "DiscreteWeibull": (family("DiscreteWeibull", SHARES[1:4], 1.4), np.array([0.0, 1, 5])),
    "ExGaussian": (family("ExGaussian", 0.3, 1.5, MU), REALS),
    "GeneralizedPareto": (
        family("GeneralizedPareto", MU, [-0.3, 1e-5, 0.1, 0.4, 0.7]),
        TIMES / 100,
    ),
    "GeneralizedPoisson": (family("GeneralizedPoisson", MU, 0.1), COUNTS),
    "Gumbel": (family("Gumbel", 1, MU), REALS),
    "HalfCauchy": (family("HalfCauchy", MU), TIMES),
    "HalfStudentT": (family("HalfStudentT", 4.5, MU), TIMES),
    "HyperGeometric": (family("HyperGeometric", 60, 30, 45), COUNTS),
    "InverseGamma": (family("InverseGamma", 3.5, MU), TIMES),
    "Kumaraswamy": (family("Kumaraswamy", MU, 1.7), SHARES),
    "LogitNormal": (family("LogitNormal", 0.4, MU / 10), SHARES),
    "Moyal": (family("Moyal", 1, MU), REALS),
    "Pareto": (family("Pareto", [1.3, 2, 3, 4, 5], 0.4), TIMES + 0.5),
    "Rice": (family("Rice", MU, 2), TIMES),
    "SkewNormal": (family("SkewNormal", 0.3, MU, 1.5), REALS),
    "SkewStudentT": (family("SkewStudentT", 2.5, MU + 1, 0.3, 2), REALS),
    "Triangular": (family("Triangular", 0.5, 3, 70), TIMES + 0.6),
    "VonMises": (family("VonMises", 0.7, MU), np.array([-3.0, -1, 0.2, 0.9, 2.5])),
    "Wald": (family("Wald", MU, 2.5, 0.1), TIMES + 0.2),
    "ZeroOneInflatedBeta": (
        family("ZeroOneInflatedBeta", SHARES[1:4], 0.3, 2.5, 2),
        np.array([0, 0.4, 0.9]),
    ),
    "Bernoulli": (family("Bernoulli", SHARES[1:4]), np.array([0.0, 1, 0])),
    "Beta": (family("Beta", MU, MU[::-1]), SHARES),
    "Binomial": (family("Binomial", 50, SHARES[1:4]), np.array([3.0, 25, 49])),
    "Categorical": (family("Categorical", [0.2, 0.5, 0.3]), np.array([0.0, 1, 2])),
    "Exponential": (family("Exponential", MU), TIMES),
    "Gamma": (family("Gamma", MU, 1.3), TIMES),
    "Geometric": (family("Geometric", SHARES[1:4]), np.array([1.0, 2, 3])),
    "HalfNormal": (family("HalfNormal", 0.1, MU), TIMES + 0.2),
    "Laplace": (family("Laplace", 1, MU), REALS + 0.1),
    "LogNormal": (family("LogNormal", REALS / 10, 0.8), TIMES),
    "Logistic": (family("Logistic", 1, MU), REALS),
    "NegativeBinomial": (family("NegativeBinomial", 1.7, 1.7 / (1.7 + MU)), COUNTS),
    "Normal": (family("Normal", MU, 2), MU + np.array([-4.0, -1, 0, 1, 7])),
    "Poisson": (family("Poisson", MU), COUNTS),
    "StudentT": (family("StudentT", 4.5, MU, 2), REALS),
    "TruncatedNormal": (family("TruncatedNormal", MU, 2, 0, 50), TIMES),
    "Uniform": (family("Uniform", -MU, 70), TIMES),
    "Weibull": (family("Weibull", 1.4, MU), TIMES),
    "zero-inflated": (mixture(BY_ROW, point(0), family("Poisson", MU)), COUNTS),
    "hurdle": (
        mixture(
            BY_ROW,
            point(0),
            bounded("Truncated", family("NegativeBinomial", 1.7, 1.7 / (1.7 + MU)), 1, np.inf),
            name="Hurdle",
        ),
        COUNTS,
    ),
    "hurdle gamma": (
        mixture([0.3, 0.7], point(0), family("Gamma", MU, 2), name="Hurdle"),
        np.array([0, 0.5, 0, 4, 60]),
    ),
    "truncated Poisson": (bounded("Truncated", family("Poisson", MU), 2, 30), COUNTS),
    "truncated Student": (bounded("Truncated", family("StudentT", 4, MU, 2), 0, np.inf), REALS),
    "truncated gamma": (bounded("Truncated", family("Gamma", MU, 1.5), -np.inf, 4), TIMES),
    "censored normal": (bounded("Censored", family("Normal", MU, 9), -1.2, 25), REALS),
    "censored counts": (
        bounded("Censored", family("NegativeBinomial", 2.5, 1 / (1 + MU)), 2, 7),
        COUNTS,
    ),
    "stacked": (mixture([0.3, 0.1, 0.6], family("Normal", [0, 1, 4], 2.0)), REALS),
    "two kinds": (mixture([0.3, 0.7], family("Normal", MU, 2), family("Laplace", 1, MU)), REALS),
    "mixture in a mixture": (
        mixture(
            [0.3, 0.7],
            family("Normal", MU, 2),
            mixture([0.4, 0.6], family("Normal", 0, 1), family("Normal", MU, 3)),
        ),
        REALS,
    ),
}


def leaves(distribution):
    below = [leaf for part in distribution.components for leaf in leaves(part)]
    return [np.asarray(value, float) for value in distribution.parameters] + below


def rebuilt(distribution, values):
    parameters = tuple(next(values) for _ in distribution.parameters)
    parts = tuple(rebuilt(part, values) for part in distribution.components)
    return Distribution(distribution.name, parameters, parts)


def richardson(function):
    """d function / d t at 0 from differences at 1, 1/2, ..., 1/32, extrapolated."""
    rows = [(function(h) - function(-h)) / (2 * h) for h in 0.5 ** np.arange(6)]
    for order in range(1, 6):
        rows = [(4**order * b - a) / (4**order - 1) for a, b in pairwise(rows)]
    return rows[0]


def moved(distribution, place, component, function):
    """The function of a distribution with one parameter moved by 2 % of it, per unit of it."""
    values = leaves(distribution)
    room = np.minimum(np.abs(values[place]), np.where(values[place] < 1, 1 - values[place], np.inf))
    by = 0.02 * np.where(room > 0, room, 1.0)
    if component is not None:
        by = np.where(np.arange(by.shape[-1]) == component, by, 0.0)

    def there(t):
        changed = [*values[:place], values[place] + t * by, *values[place + 1 :]]
        return function(rebuilt(distribution, iter(changed)))

    return richardson(there) / (by if component is None else by[..., component])


def test_all_distributions_that_are_known_have_slopes():
    assert set(density.FAMILIES) | set(density.COMPOSITES) == set(OF_DISTRIBUTION) | set(COMPOSITES)
    assert set(OF_DISTRIBUTION) == set(OF_MEAN)
    assert set(OF_DISTRIBUTION) <= set(KNOWN)


# Their parameters are whole numbers.
LONG = {"GeneralizedPoisson", "truncated Student", "truncated gamma"}  # to compile
IN_STEPS = {"DiscreteUniform", "HyperGeometric"}


@pytest.mark.parametrize(
    "key", slow_but(KNOWN.keys() - LONG, [key for key in KNOWN if key not in IN_STEPS])
)
def test_slopes_are_differences(key):
    distribution, y = KNOWN[key]
    asked = [(lambda one: distribution_function(one, y), distribution_slopes(distribution, y))]
    asked.append((mean, mean_slopes(distribution)))
    compared = 0
    for function, slopes in asked:
        each = enumerate(zip(leaves(distribution), slopes, further_axes(distribution), strict=True))
        for place, (values, slope, axes) in each:
            if np.isnan(slope).all():
                continue
            spread = axes and values.ndim > 0
            ours = slope.sum(axis=-1) if axes and not spread else slope
            for component in range(values.shape[-1]) if spread else [None]:
                mine = ours if component is None else ours[..., component]
                theirs = moved(distribution, place, component, function)
                # Extrapolated differences leave 1e-12 of the function over a step of 2 %.
                np.testing.assert_allclose(mine + 0 * theirs, theirs, rtol=1e-7, atol=1e-9)
                compared += 1
    assert compared


def of_gamma(y, a):
    """∫ f (log t - ψ(a)) over the smaller side, in log t."""

    def term(u):
        return np.exp(stats.gamma.logpdf(np.exp(u), a) + u) * (u - digamma(a))

    below = stats.gamma.cdf(y, a) < 0.5
    ends = (
        (np.log(y) - 60 / min(a, np.sqrt(a)), np.log(y)) if below else (np.log(y), np.log(y + 400))
    )
    return (1 if below else -1) * integrate.quad_vec(term, *ends, epsabs=0, epsrel=1e-11)[0]


@pytest.mark.parametrize("shape", [0.2, 0.7, 30.0, 2000.0])
@pytest.mark.parametrize("p", [1e-12, 0.01, 0.6, 1 - 1e-9])
def test_a_gammas_shape_is_differenced_to_nine_digits_in_both_tails(shape, p):
    y = stats.gamma.ppf(p, shape)
    slope = distribution_slopes(family("Gamma", shape, 1.0), y)[0]
    assert float(slope) == pytest.approx(of_gamma(y, shape), rel=1e-9)


@pytest.mark.parametrize("size", [0.05, 2.0, 1000.0, 1e5])
@pytest.mark.parametrize("p", [1e-10, 0.3, 0.9, 1 - 1e-9])
def test_a_negative_binomials_size_is_differenced_to_eight_digits(size, p):
    """The sum over the counts of the smaller side of p times the score."""
    probability = size / (size + 30)
    k = stats.nbinom.ppf(p, size, probability)
    lower = stats.nbinom.cdf(k, size, probability) < 0.5
    j = np.arange(k + 1) if lower else np.arange(k + 1, k + 30 * 30 / probability**0.5)
    terms = np.exp(stats.nbinom.logpmf(j, size, probability))
    score = digamma(size + j) - digamma(size) + np.log(probability)
    expected = (1 if lower else -1) * (terms @ score)
    slope = distribution_slopes(family("NegativeBinomial", size, probability), k)[0]
    assert float(slope) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.77, 0.999])
@pytest.mark.parametrize("key", slow_but(KNOWN.keys() - LONG, KNOWN))
def test_a_quantile_is_the_first_outcome_that_reaches_its_probability(key, p):
    distribution, _ = KNOWN[key]
    q = quantile(distribution, p)
    below = q - 1 if density.is_discrete(distribution) else q - 1e-9 * (1 + np.abs(q))
    assert (distribution_function(distribution, q) >= p * (1 - 1e-12)).all()
    assert (distribution_function(distribution, below) < p).all()


def test_bisection_arrives_where_scipy_does():
    """A truncation that takes nothing away leaves SciPy's quantiles, of all sizes."""
    for plain in (family("Normal", REALS, 2), family("Gamma", 0.1, 1.0), family("Poisson", MU)):
        whole = bounded("Truncated", plain, -np.inf, np.inf)
        for p in (1e-6, 0.3, 0.5, 1 - 1e-9):
            np.testing.assert_allclose(
                quantile(whole, p), quantile(plain, p), rtol=1e-11, atol=1e-12
            )
    apart = mixture([0.4, 0.6], point(0.5), family("Poisson", 2.0))
    assert quantile(apart, 0.4) == 0.5  # 0.6 exp(-2) at 0, and 0.4 here
    nowhere = bounded("Truncated", family("Uniform", 0, 1), 2, 3)
    assert np.isnan(quantile(nowhere, 0.5))


def test_a_quantile_moves_with_location_and_scale():
    """q = mu + sigma z: slopes 1 and z."""
    distribution = family("Normal", MU, 2)
    q = quantile(distribution, 0.9)
    rising = distribution_slopes(distribution, q)
    moves = [-slope / steepness(distribution, q) for slope in rising]
    np.testing.assert_allclose(moves[0], 1, rtol=1e-12)
    np.testing.assert_allclose(moves[1], stats.norm.ppf(0.9), rtol=1e-12)


def test_a_quantile_on_an_atom_moves_in_steps():
    hurdle = KNOWN["hurdle gamma"][0]
    assert np.isnan(steepness(hurdle, quantile(hurdle, 0.2))).all()
    assert np.isfinite(steepness(hurdle, quantile(hurdle, 0.7))).all()
    censored = KNOWN["censored normal"][0]
    assert np.isnan(steepness(censored, np.array(25.0))).all()


@pytest.mark.parametrize(
    ("distribution", "ends"),
    [
        (family("Normal", 0, 1), (-np.inf, np.inf)),
        (family("Poisson", 2), (0, np.inf)),
        (family("Geometric", 0.2), (1, np.inf)),
        (family("Binomial", 7, 0.2), (0, 7)),
        (family("Categorical", [0.5, 0.2, 0.3]), (0, 2)),
        (family("Uniform", -3, 4), (-3, 4)),
        (KNOWN["zero-inflated"][0], (0, np.inf)),
        (KNOWN["hurdle gamma"][0], (0, np.inf)),
        (KNOWN["truncated Student"][0], (0, np.inf)),
        (KNOWN["truncated gamma"][0], (0, 4)),
        (KNOWN["censored counts"][0], (2, 7)),
        (KNOWN["stacked"][0], (-np.inf, np.inf)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_supports_are_known(distribution, ends):
    lower, upper = support(distribution)
    assert (np.asarray(lower) == ends[0]).all()
    assert (np.asarray(upper) == ends[1]).all()


def test_categories_are_counted_from_zero():
    p = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
    distribution = family("Categorical", p)
    np.testing.assert_allclose(
        np.exp(density.log_density(distribution, np.array([2, 1]))), [0.3, 0.1]
    )
    np.testing.assert_allclose(distribution_function(distribution, np.ones(2)), [0.7, 0.7])
    np.testing.assert_allclose(density.survival_function(distribution, np.zeros(2)), [0.8, 0.4])
    np.testing.assert_allclose(mean(distribution), [1.1, 0.7])
    assert density.is_discrete(distribution)


def test_what_has_no_slopes_is_named():
    with pytest.raises(ModelError, match="no derivatives of 'PG' by its parameters yet; known"):
        distribution_slopes(family("PG", 1, 1), 1.0)
    stacked = mixture(
        [0.5, 0.5], mixture([[0.2, 0.8], [0.5, 0.5]], family("Normal", 0, 1), point(0))
    )
    with pytest.raises(ModelError, match="declare its components as a list"):
        mean_slopes(stacked)
