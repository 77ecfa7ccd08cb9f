"""KL of whitened rows: by nearest neighbours, and the lower bounds of any number of dimensions."""

import math

import numpy as np
import pytest
from scipy import stats

from workbench import information
from workbench.errors import DataError
from workbench.information.calibration import null_estimates
from workbench.information.vectors import expected_under_the_model

BOUNDS = [information.marginal_divergence, information.normal_refit_divergence]
ALL = [information.nearest_neighbour_divergence, *BOUNDS]


@pytest.fixture
def rng():
    return np.random.default_rng(20261123)


def correlated(rng, n, d, rho):
    """Rows of unit variances and equal correlations, and their KL from N(0, I)."""
    covariance = np.full((d, d), rho) + (1 - rho) * np.eye(d)
    z = rng.standard_normal((n, d)) @ np.linalg.cholesky(covariance).T
    return z, -0.5 * np.linalg.slogdet(covariance)[1]


@pytest.mark.parametrize("d", [2, 3])
def test_the_expected_estimate_of_a_perfect_model_is_that_of_simulated_ones(d, rng):
    n, estimates = 500, []
    for z in rng.standard_normal((60, n, d)):
        apart = np.sqrt(((z[:, None] - z[None]) ** 2).sum(axis=2))
        third = np.sort(apart, axis=1)[:, 3]
        ball = math.pi ** (d / 2) / math.gamma(d / 2 + 1)
        harmonic = sum(1 / j for j in range(3, n))  # psi(n) - psi(3)
        log_density = -harmonic - math.log(ball) - d * np.log(third)
        estimates.append(np.mean(log_density - stats.norm.logpdf(z).sum(axis=1)))
    error = np.std(estimates, ddof=1) / math.sqrt(60)
    assert expected_under_the_model(n, d) == pytest.approx(np.mean(estimates), abs=4 * error)


@pytest.mark.parametrize(("d", "rho"), [(2, 0.7), (3, 0.5)])
def test_missed_correlation_is_found(d, rho, rng):
    z, truth = correlated(rng, 2000, d, rho)
    found = information.nearest_neighbour_divergence(z)
    assert found.mean.value == pytest.approx(truth, abs=4 * found.mean.se)
    assert found.mean.se < 0.25 * truth
    assert (found.label, found.resolved) == ("KL", True)
    assert found.p_value == pytest.approx(1 / 401)


def test_p_values_of_perfect_vectors_are_uniform(rng):
    p = [
        information.nearest_neighbour_divergence(z).p_value
        for z in rng.standard_normal((120, 500, 2))
    ]
    # Against the law that defines them: ranks among 400 draws of the null, each as likely.
    assert stats.ks_2samp(p, np.arange(1, 402) / 401).pvalue > 1e-3


def test_the_standard_error_of_a_perfect_model_is_the_spread_of_its_estimates(rng):
    found = [
        information.nearest_neighbour_divergence(z).mean for z in rng.standard_normal((120, 500, 2))
    ]
    spread = np.std([one.value for one in found], ddof=1)
    # An sd of 120 draws has a relative error of 6.5 %; four of them.
    assert np.mean([one.se for one in found]) == pytest.approx(spread, rel=0.26)


def test_the_refitted_normal_is_the_closed_form_of_its_moments(rng):
    z = rng.standard_normal((400, 4)) @ np.diag([1.0, 1.2, 0.9, 1.0]) + 0.1
    m, s = z.mean(axis=0), np.cov(z, rowvar=False, bias=True)
    by_hand = 0.5 * (np.trace(s) + m @ m - 4 - np.log(np.linalg.det(s)))
    found = information.normal_refit_divergence(z)
    assert found.mean.value == pytest.approx(by_hand - 4 * 7 / (4 * 400), rel=1e-10)
    assert found.p_value == pytest.approx(stats.chi2.sf(800 * by_hand, 14), rel=1e-8)
    assert "lower bound" in found.label


def test_marginals_add_up_to_the_sum_of_their_own_divergences(rng):
    z = rng.standard_normal((300, 5)) * 1.2
    alone = [information.calibration_divergence(column).mean.value for column in z.T]
    found = information.marginal_divergence(z)
    assert found.mean.value == pytest.approx(sum(alone), rel=1e-12)
    assert "lower bound" in found.label


def test_the_bounds_stay_below_kl(rng):
    """Correlation is invisible to the marginals; tails are to the covariance."""
    z, truth = correlated(rng, 4000, 4, 0.5)
    marginal, refit = (bound(z) for bound in BOUNDS)
    assert marginal.mean.value < 4 * marginal.mean.se
    assert refit.mean.value == pytest.approx(truth, abs=4 * refit.mean.se)
    tails = stats.t(5).rvs((4000, 4), random_state=rng) * math.sqrt(3 / 5)
    marginal, refit = (bound(tails) for bound in BOUNDS)
    assert marginal.mean.value == pytest.approx(4 * 0.0468486726732721, abs=4 * marginal.mean.se)
    assert refit.mean.value + 4 * refit.mean.se < marginal.mean.value


@pytest.mark.parametrize("bound", BOUNDS)
def test_perfect_models_exceed_the_floor_of_a_bound_in_one_of_20_samples(bound, rng):
    found = [bound(z) for z in rng.standard_normal((300, 200, 4))]
    # Four binomial standard errors of 300 trials at .05.
    assert np.mean([one.resolved for one in found]) == pytest.approx(0.05, abs=0.05)
    assert np.mean([one.p_value < 0.05 for one in found]) == pytest.approx(0.05, abs=0.05)


@pytest.mark.parametrize("divergence", ALL)
def test_grouped_vectors_get_no_p_value_and_the_floor_of_their_groups(divergence, rng):
    groups = np.repeat(np.arange(600), 2)
    z = rng.standard_normal((1200, 2))
    found = divergence(z, groups=groups)
    assert found.p_value is None
    assert "not independent" in found.reason
    assert found.mean.clusters == 600
    assert found.floor == pytest.approx(divergence(z[:600]).floor, rel=1e-9)


def test_more_dimensions_or_fewer_rows_have_no_number(rng):
    found = information.nearest_neighbour_divergence(rng.standard_normal((600, 4)))
    assert math.isnan(found.mean.value)
    assert "no KL of 4 numbers a row" in found.reason
    found = information.nearest_neighbour_divergence(rng.standard_normal((499, 2)))
    assert math.isnan(found.mean.value)
    assert "499 independent rows, groups or blocks are fewer than the 500" in found.reason


@pytest.mark.parametrize("divergence", ALL)
def test_an_impossible_row_makes_it_infinite(divergence, rng):
    z = rng.standard_normal((600, 2))
    z[3, 1] = np.inf
    found = divergence(z)
    assert found.mean.value == math.inf
    assert found.reason.startswith("1 of 600 rows")


@pytest.mark.parametrize("divergence", ALL)
def test_vectors_that_are_none_are_refused(divergence, rng):
    z = rng.standard_normal((600, 2))
    with pytest.raises(DataError, match="1 of 601 whitened rows repeat another"):
        divergence(np.vstack([z, z[:1]]))
    for wrong in (z[:, 0], z[:, :1], np.where(z > 2, np.nan, z)):
        with pytest.raises(DataError, match="whitened rows must be"):
            divergence(wrong)


def test_marginals_have_the_null_of_independent_coordinates():
    z = np.random.default_rng(5).standard_normal((100, 3))
    floor = information.marginal_divergence(z).floor
    assert floor == pytest.approx(1.645 * math.sqrt(3) * null_estimates(100).std(), rel=0.1)
