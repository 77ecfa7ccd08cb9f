"""Known truths put together: theory's cases to their digits, and what sampling makes of them."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from workbench import information
from workbench.errors import DataError

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)  # exact to rounding for these smooth averages
EXPONENTIALS = stats.expon(), stats.expon(scale=1 / 1.5)
NORMALS = stats.norm(), stats.norm(0.5, 1.5)
LOGNORMALS = stats.lognorm(0.8), stats.lognorm(1, scale=np.exp(0.2))

# H(p), CE, KL: mpmath at 40 digits by two routes.
CASES = {
    "hurdle": (lambda: information.hurdle_divergence(0.3, LOGNORMALS[0], 0.4, LOGNORMALS[1]),
               1.44792078937822, 1.51372212944171, 0.0658013400634934),
    "right-censored": (lambda: information.censored_divergence(*EXPONENTIALS, upper=1.0),
                       0.632120558828558, 0.691878007520022, 0.0597574486914644),
    "rounded": (lambda: information.rounded_divergence(*NORMALS, 0.5),
                2.12239535215722, 2.30197801722627, 0.179582665069055),
    "normal given x": (
        lambda: information.conditional_divergence(
            [(stats.norm(x, 1), stats.norm(x / 2, 1.2)) for x in NODES], WEIGHTS),
        1.41893853320467, 1.47741749740603, 0.058478964201362),
    "binary given x": (
        lambda: information.conditional_divergence(
            [(stats.bernoulli(expit(x)), stats.bernoulli(expit(x / 2))) for x in 2 * NODES],
            WEIGHTS),
        0.564526537666717, 0.593218668676597, 0.0286921310098802),
    "three numbers": (
        lambda: information.normal_vectors(
            (np.zeros(3), [[2, 0.5, 0], [0.5, 1, 0.3], [0, 0.3, 1.5]]),
            ([1, 0, -1], np.diag([1.0, 2.0, 3.0]))),
        4.70383816107744, 5.81936200089471, 1.11552383981728),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_put_together_has_the_known_digits(case):
    compute, *truth = CASES[case]
    found = compute()
    values = (found.entropy, found.cross_entropy, found.divergence)
    np.testing.assert_allclose(values, truth, rtol=1e-12, atol=1e-13)
    assert found.divergence >= 0
    assert found.error < 1e-12


def test_rounding_and_censoring_lose_information():
    whole = information.known_divergence(*NORMALS).divergence
    assert information.rounded_divergence(*NORMALS, 0.5).divergence < whole
    censored = information.censored_divergence(*NORMALS, lower=-1.0, upper=1.5)
    assert 0 < censored.divergence < whole
    fine = information.rounded_divergence(*NORMALS, 1e-3)
    # What is lost falls with the square of the width: .0037 at .5.
    assert fine.divergence == pytest.approx(whole, abs=1e-7)
    assert fine.entropy == pytest.approx(1.41893853320467 - np.log(1e-3), abs=1e-6)


def test_the_entropy_of_a_rounded_normal_is_near_that_of_its_density():
    found = information.rounded_divergence(*NORMALS, 0.5)
    density = stats.norm.entropy() - np.log(0.5)
    assert density == pytest.approx(2.11208571376462, rel=1e-14)
    assert found.entropy - density == pytest.approx(0.0103, abs=5e-5)


def test_no_censoring_is_the_density_alone_and_all_of_it_the_atoms():
    plain = information.known_divergence(*NORMALS)
    open_ended = information.censored_divergence(*NORMALS)
    assert open_ended.divergence == pytest.approx(plain.divergence, rel=1e-13)
    below, above = stats.norm.cdf(0.0), stats.norm.cdf(0.0)
    split = information.censored_divergence(*NORMALS, lower=-1e-9, upper=1e-9)
    q = NORMALS[1].cdf(0.0)
    # Between the limits lies a probability of 1e-9.
    by_hand = below * np.log(below / q) + above * np.log(above / (1 - q))
    assert split.divergence == pytest.approx(by_hand, abs=1e-7)


def test_far_cells_do_not_underflow():
    far = information.rounded_divergence(stats.norm(), stats.norm(50, 1), 0.5)
    # KL of the densities is 1250; rounding with such a slope inside a cell changes it by 1 %.
    assert far.divergence == pytest.approx(1250, rel=0.02)


def test_the_zeros_of_a_hurdle_alone_are_a_bernoulli():
    only = information.hurdle_divergence(1.0, LOGNORMALS[0], 0.4, LOGNORMALS[1])
    assert only.divergence == pytest.approx(-np.log(0.4), rel=1e-14)
    excluded = information.hurdle_divergence(0.3, LOGNORMALS[0], 0.0, LOGNORMALS[1])
    assert excluded.divergence == np.inf


def test_an_average_over_pairs_is_that_of_their_rows():
    pairs = [(stats.poisson(2), stats.poisson(3)), (stats.poisson(5), stats.poisson(4))]
    each = [information.known_divergence(*pair) for pair in pairs]
    found = information.conditional_divergence(each)
    assert found == information.conditional_divergence(pairs)
    assert found.divergence == pytest.approx((each[0].divergence + each[1].divergence) / 2)
    weighted = information.conditional_divergence(each, [3, 1])
    assert weighted.entropy == pytest.approx(0.75 * each[0].entropy + 0.25 * each[1].entropy)


# What a fit costs: KL of N(0, 1) from the normal fitted to n draws of it, averaged over the fits


def fitted_normals(n, spread):
    """Mean and variance of the fitted normal in quadrature, and their weights."""
    t = np.linspace(-3.4, 3.4, 69)
    share, rest = expit(np.pi * np.sinh(t)), expit(-np.pi * np.sinh(t))
    weights = np.cosh(t) * share * rest
    squares = np.where(t < 0, stats.chi2.ppf(share, n - 1), stats.chi2.isf(rest, n - 1))
    variances = squares / n
    means, of_means = np.polynomial.hermite_e.hermegauss(8)  # exact: KL is a square of the mean
    pairs = [(m / np.sqrt(n), v) for v in variances for m in means]
    fits = [spread(mean, variance) for mean, variance in pairs]
    return information.conditional_divergence(fits, np.outer(weights, of_means).ravel())


def from_standard(mean, variance):
    return information.normal_vectors(([0.0], [[1.0]]), ([mean], [[variance]]))


@pytest.mark.parametrize(
    ("n", "variance", "expected"),
    [
        (10, lambda fitted: 1.0, 0.05),
        (10, lambda fitted: 1.1, 0.0476550899021624),  # the predictive distribution
        (10, lambda fitted: fitted, 0.175430792677),
        (30, lambda fitted: fitted, 0.0396838361974621),
    ],
)
def test_a_fitted_normal_costs_what_it_is_known_to(n, variance, expected):
    found = fitted_normals(n, lambda mean, fitted: from_standard(mean, variance(fitted)))
    assert found.divergence == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("n", "expected"), [(10, 1.30865504016739), (30, 1.38454829532806)])
def test_a_normal_loses_less_on_the_rows_it_was_fitted_to(n, expected):
    """E of -log L / n = (log 2 pi s^2 + 1) / 2, where n s^2 is chi-squared of n - 1 degrees."""
    squares, weights = information.quantile_nodes(stats.chi2(n - 1))
    on_the_rows = (np.log(2 * np.pi * squares / n) + 1) / 2
    assert weights @ on_the_rows == pytest.approx(expected, rel=1e-10)
    truth = stats.norm().entropy()
    assert weights @ on_the_rows < truth  # the optimism, about k / 2n = 1 / n
    assert truth - weights @ on_the_rows == pytest.approx(1 / n, rel=0.25)


# Monte Carlo


def drawn(p, q, size=10_000, **mass):
    x = p.rvs(size, random_state=np.random.default_rng(20261123))
    return information.monte_carlo_divergence(p.logpdf(x), q.logpdf(x), **mass)


def test_the_control_makes_a_small_divergence_sharp():
    p, q = stats.norm(), stats.norm(0.02, 1)
    plain, controlled = drawn(p, q), drawn(p, q, model_mass=1.0)
    assert plain.error == pytest.approx(2e-4, rel=0.1)  # sd .02 over root 10,000
    assert controlled.error < plain.error / 30
    assert controlled.divergence == pytest.approx(2e-4, abs=4 * controlled.error)


def test_no_control_is_used_where_its_variance_is_infinite():
    """q/p of a wider normal: the sample's spread may not show it, but here it does."""
    p, q = NORMALS
    assert drawn(p, q, model_mass=1.0) == drawn(p, q)
    assert drawn(p, q).divergence == pytest.approx(0.183242885885942, abs=4 * drawn(p, q).error)


def test_the_control_takes_off_what_the_model_puts_outside_the_support():
    p, q = stats.gamma(2), stats.norm(2, np.sqrt(2))
    found = drawn(p, q, model_mass=q.sf(0))
    assert found.error < drawn(p, q).error
    assert found.divergence == pytest.approx(0.188296458583113, abs=4 * found.error)
    # Without that term it would be .1104, by 15 of these errors.
    assert abs(drawn(p, q, model_mass=1.0).divergence - 0.188296458583113) > 10 * found.error


def test_draws_that_the_model_excludes_are_infinitely_far():
    found = drawn(stats.norm(), stats.expon(), model_mass=1.0)
    assert found.divergence == found.cross_entropy == np.inf
    assert np.isnan(found.error)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: information.hurdle_divergence(1.2, LOGNORMALS[0], 0.5, LOGNORMALS[1]),
         "p_zero = 1.2 is no"),
        (lambda: information.hurdle_divergence(0.5, stats.poisson(2), 0.5, stats.poisson(2)),
         "counts that may be 0 have to be truncated"),
        (lambda: information.censored_divergence(stats.poisson(2), stats.poisson(2)),
         "of discrete outcomes"),
        (lambda: information.censored_divergence(*NORMALS, lower=1.0, upper=1.0),
         "lower = 1 is not below upper = 1"),
        (lambda: information.rounded_divergence(*NORMALS, 0.0), "a width above 0"),
        (lambda: information.rounded_divergence(*NORMALS, 1e-9), "cells of width 1e-09"),
        (lambda: information.conditional_divergence([]), "0 pairs need as many weights"),
        (lambda: information.conditional_divergence([NORMALS], [-1.0]), "1 pairs need as many"),
        (lambda: information.monte_carlo_divergence([0.0], [0.0]), "draws from p need"),
        (lambda: information.monte_carlo_divergence([0.0, 1], [0.0, np.nan]), "NaN or infinite"),
        (lambda: information.monte_carlo_divergence([0.0, 1], [0.0, 1], model_mass=2),
         "model_mass = 2 is no probability"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(ask, sentence):
    with pytest.raises(DataError, match=sentence):
        ask()
