"""A kernel density estimate is a distribution like others: its entropy, and fits to it."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats

import workbench as wb
from models import continuous
from workbench import information
from workbench.errors import DataError
from workbench.information import smoothed

NUMBERS = np.array([0.0, 0.1, 0.3, 0.6, 1.0, 1.5, 2.1, 4.0])
VARIANCE = NUMBERS.var()


def cross_entropy(of, mean, sigma):
    return of.expectation(lambda x: -stats.norm(mean, sigma).logpdf(x))


def test_two_normals_have_the_known_entropy_and_cross_entropy():
    # Case 21 of the theory, at 40 digits.
    two = smoothed([-2, 3], [1, 0.5])
    assert two.entropy == pytest.approx(1.76419304004584, rel=1e-13)
    assert cross_entropy(two, 0.5, np.sqrt(6.875)) == pytest.approx(2.38288435498099, rel=1e-13)


def test_one_number_smoothed_is_a_normal():
    one = smoothed([2.0], 0.7)
    x = np.linspace(-2, 6, 12).reshape(3, 4)
    np.testing.assert_allclose(one.logpdf(x), stats.norm(2, 0.7).logpdf(x), rtol=1e-13)
    assert one.entropy == pytest.approx(stats.norm(2, 0.7).entropy(), rel=1e-13)


@pytest.mark.parametrize("bandwidth", [1.0, 0.2, 0.03])
def test_the_density_is_scipys_and_the_entropy_its_integral(bandwidth):
    of = smoothed(NUMBERS, bandwidth)
    theirs = stats.gaussian_kde(NUMBERS, bandwidth / NUMBERS.std(ddof=1))
    x = np.linspace(-0.5, 4.5, 30)
    np.testing.assert_allclose(np.exp(of.logpdf(x)), theirs(x), rtol=1e-10, atol=1e-12)

    def integrand(x):
        log_p = of.logpdf(x)
        return -np.exp(log_p) * log_p

    ends = np.unique(np.clip(np.add.outer(NUMBERS, bandwidth * np.arange(-9, 10)).ravel(), -9, 13))
    pieces = [integrate.quad(integrand, *pair, epsabs=1e-14)[0] for pair in pairwise(ends)]
    assert of.entropy == pytest.approx(sum(pieces), abs=1e-11)


def test_far_below_the_gaps_the_entropy_falls_with_the_logarithm_of_the_bandwidth():
    h = 1e-3  # a hundredth of the least gap
    told = np.log(NUMBERS.size) + 0.5 * np.log(2 * np.pi * np.e * h**2)
    assert smoothed(NUMBERS, h).entropy == pytest.approx(told, rel=1e-12)


@pytest.mark.parametrize("bandwidth", [2.0, 0.5, 0.01])
def test_rows_have_the_moments_of_the_density(bandwidth):
    values, weights = smoothed(NUMBERS, bandwidth).rows()
    assert weights.sum() == pytest.approx(NUMBERS.size, rel=1e-13)
    mean, square = np.average(values, weights=weights), np.average(values**2, weights=weights)
    assert mean == pytest.approx(NUMBERS.mean(), rel=1e-12)
    assert square - mean**2 == pytest.approx(VARIANCE + bandwidth**2, rel=1e-12)


@pytest.mark.parametrize("bandwidth", [1.0, 0.25])
def test_sixty_nodes_and_the_grid_find_the_same_cross_entropy(bandwidth):
    of = smoothed(NUMBERS, bandwidth)
    values, weights = of.rows()
    by_nodes = np.average(-stats.norm(1, 1.5).logpdf(values), weights=weights)
    assert cross_entropy(of, 1, 1.5) == pytest.approx(by_nodes, rel=1e-12)


def test_a_fit_to_the_rows_is_the_mle_with_the_bandwidth_added_to_its_variance():
    values, weights = smoothed(NUMBERS, 0.5).rows()
    fit = wb.fit(continuous.normal, values, weight=weights)
    assert fit.params["beta[Intercept]"] == pytest.approx(NUMBERS.mean(), rel=1e-10)
    assert fit.params["sigma"] ** 2 == pytest.approx(VARIANCE + 0.25, rel=1e-10)


def test_a_fit_to_the_quantiles_of_a_truth_is_its_closest_model():
    # The normal nearest to Gamma(2, 1) has its mean and variance; tr(J^-1 K) = 1 + (kurt - 1) / 2,
    # and the kurtosis is 3 + 6 / 2.
    values, weights = information.quantile_nodes(stats.gamma(2))
    fit = wb.fit(continuous.normal, values, weight=weights)
    assert fit.params["beta[Intercept]"] == pytest.approx(2, rel=1e-10)
    assert fit.params["sigma"] ** 2 == pytest.approx(2, rel=1e-10)
    assert fit.effective_parameters == pytest.approx(3.5, rel=1e-8)


def test_a_function_that_bends_more_sharply_asks_for_more_points():
    narrow, wide = stats.norm(0.3, 0.2), smoothed([0.0], 3.0)
    x = np.linspace(-27, 27, 2_000_001)

    def log_mixture(x):
        return np.logaddexp(narrow.logpdf(x), stats.norm(2, 1).logpdf(x)) - np.log(2)

    exact = integrate.trapezoid(stats.norm.pdf(x, scale=3) * log_mixture(x), x)
    assert wide.expectation(log_mixture, bend=0.2) == pytest.approx(exact, rel=1e-11)
    assert wide.expectation(log_mixture) != pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(
    ("x", "bandwidth", "said"),
    [
        ([], 1.0, "one finite number a row"),
        ([[1.0, 2.0]], 1.0, "one finite number a row"),
        ([1.0, np.nan], 1.0, "one finite number a row"),
        ([1.0, 2.0], 0.0, "must be above 0"),
        ([1.0, 2.0], [1.0, np.inf], "must be above 0"),
        ([1.0, 2.0], [1.0, 1.0, 1.0], "3 bandwidths for 2 numbers"),
    ],
)
def test_what_has_no_density_is_refused(x, bandwidth, said):
    with pytest.raises(DataError, match=said):
        smoothed(x, bandwidth)


def test_a_bandwidth_too_small_for_a_grid_is_refused():
    with pytest.raises(DataError, match=r"1e-09 is too small beside numbers that spread over 4"):
        _ = smoothed(NUMBERS, 1e-9).entropy
