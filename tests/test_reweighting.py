"""PSIS-LOO and WAIC against posteriors in closed form, ArviZ's own, and fits made again."""

import arviz_stats
import numpy as np
import pytest
from scipy import stats

import workbench as wb
from models import binary
from tests import declarations
from tests.declarations import dataset
from tests.test_leaving_out import known_spread

N = 25


@pytest.fixture(scope="module")
def normal():
    """A normal mean with a known spread: its posterior is the normal that is drawn from."""
    y = np.random.default_rng(31).normal(1.0, 1.0, N)
    fit = wb.maximum_a_posteriori(wb.bind(known_spread, dataset(y)))
    return wb.psis_loo(fit)


def predictive(y, kept):
    """Mean and sd of the next row, after the kept ones and a prior N(0, 10^2)."""
    precision = kept.sum() + 1 / 100
    return (kept @ y) / precision, np.sqrt(1 + 1 / precision)


def test_left_out_rows_have_the_predictive_density_of_the_others(normal):
    y = normal.laplace.fit.problem.dataset["y"].values
    exact = [-stats.norm.logpdf(y[i], *predictive(y, 1.0 - (np.arange(N) == i))) for i in range(N)]
    found = normal.cross_entropy
    assert abs(found.value - np.mean(exact)) < 4 * normal.monte_carlo
    assert normal.monte_carlo < 0.1 * (found.value - normal.training.mean())
    inside = -stats.norm.logpdf(y, *predictive(y, np.ones(N)))
    np.testing.assert_allclose(normal.training, inside, atol=0.01)  # of 4000 draws
    assert normal.laplace.k_hat == float("-inf")
    assert (normal.k_hat < normal.laplace.good_k).all()
    assert normal.advice == ""


def test_waic_adds_the_variance_of_the_log_density(normal):
    y = normal.laplace.fit.problem.dataset["y"].values
    precision = N + 1 / 100
    mean, v = y.sum() / precision, 1 / precision
    # the variance of (y - mu)^2 / 2 under mu ~ N(mean, v)
    spread = (y - mean) ** 2 * v + v**2 / 2
    error = spread * np.sqrt(2 / 4000) * 2  # of a variance of nearly normal draws, doubled
    np.testing.assert_array_less(np.abs(normal.spread - spread), 4 * error)
    assert normal.waic.value == pytest.approx((normal.training + normal.spread).mean(), rel=1e-12)
    assert normal.p_waic == pytest.approx(spread.sum(), rel=0.1)
    assert normal.p_loo == pytest.approx(normal.p_waic, rel=0.1)  # k / n is .04


@pytest.fixture(scope="module")
def rate():
    """Counts with a gamma prior: the posterior is a gamma, drawn as a normal of its logarithm."""
    y = np.array([0, 3, 1, 2, 6, 1, 0, 2, 2, 4], float)
    return wb.psis_loo(wb.maximum_a_posteriori(wb.bind(declarations.rate, dataset(y))))


def test_draws_that_are_only_near_the_posterior_are_weighed_right(rate):
    y = rate.laplace.fit.problem.dataset["y"].values
    shape, rest = 2 + y.sum() - y, 1 + len(y) - 1
    exact = -stats.nbinom.logpmf(y, shape, rest / (rest + 1))
    assert rate.laplace.k_hat > float("-inf")  # the normal is not exact
    assert abs(rate.cross_entropy.value - exact.mean()) < 4 * rate.monte_carlo
    assert rate.monte_carlo < 0.01
    all_rows = -stats.nbinom.logpmf(y, 2 + y.sum(), 11 / 12)
    np.testing.assert_allclose(rate.training, all_rows, atol=0.02)


def test_the_error_of_the_draws_is_their_spread_over_seeds(rate):
    found = [
        wb.psis_loo(rate.laplace.fit, draws=400, rng=np.random.default_rng(seed))
        for seed in range(50)
    ]
    between = np.std([one.cross_entropy.value for one in found], ddof=1)
    within = np.sqrt(np.mean([one.monte_carlo**2 for one in found]))
    assert within / between == pytest.approx(1, abs=4 / np.sqrt(2 * 50))  # of a sample's sd


def test_it_is_arvizs_own_leave_one_out(rate):
    tree = rate.laplace.fit.to_datatree()
    theirs = arviz_stats.loo_approximate_posterior(
        tree, rate.laplace.log_p, rate.laplace.log_q, pointwise=True
    )
    np.testing.assert_allclose(rate.pointwise, -theirs.elpd_i.values, rtol=1e-9)
    np.testing.assert_allclose(rate.k_hat, theirs.pareto_k.values, rtol=1e-9)


def test_it_stands_beside_the_newton_step():
    rng = np.random.default_rng(32)
    X = rng.normal(size=(80, 2))
    y = rng.random(80) < 1 / (1 + np.exp(-X @ [1.0, -0.5]))
    fit = wb.maximum_a_posteriori(wb.bind(binary.logit, dataset(y, X)))
    plug_in, found = wb.leave_one_out(fit), wb.psis_loo(fit)
    # They differ by what a predictive density gains, to second order (k / n)^2 at most.
    assert abs(found.cross_entropy.value - plug_in.cross_entropy.value) < (3 / 80) ** 2 + 4 * (
        found.monte_carlo
    )
    assert found.to_frame().columns.tolist() == ["nll", "nll_left_out", "p_waic", "k_hat"]


def test_a_group_is_left_out_whole():
    rng = np.random.default_rng(33)
    groups = np.repeat(np.arange(8), 5)
    y = rng.normal(size=40) + rng.normal(size=8)[groups]
    fit = wb.maximum_a_posteriori(wb.bind(known_spread, dataset(y, group=groups)))
    found = wb.psis_loo(fit)
    exact = [
        -stats.norm.logpdf(y[i], *predictive(y, 1.0 * (groups != groups[i]))) for i in range(40)
    ]
    assert abs(found.cross_entropy.value - np.mean(exact)) < 4 * found.monte_carlo
    assert found.cross_entropy.clusters == 8
    assert len(found.k_hat) == 8
    # p_waic is the variance of a group's log density, which its rows share
    precision = 40 + 1 / 100
    mean = y.sum() / precision
    sums = np.array([(y[groups == g] - mean).sum() for g in range(8)])
    expected = (sums**2 / precision + 25 / 2 / precision**2).sum()
    assert found.p_waic == pytest.approx(expected, rel=0.1)


def test_a_weight_stands_for_rows_of_which_one_is_left_out():
    y, weights = np.array([0.3, -1.0, 2.0, 0.7]), np.array([3.0, 1.0, 2.0, 4.0])
    fit = wb.maximum_a_posteriori(wb.bind(known_spread, dataset(y, weight=weights)))
    found = wb.psis_loo(fit)
    exact = [
        -stats.norm.logpdf(y[i], *predictive(y, weights - (np.arange(4) == i))) for i in range(4)
    ]
    expected = weights @ exact / weights.sum()
    assert abs(found.cross_entropy.value - expected) < 4 * found.monte_carlo


def test_rows_that_weights_cannot_leave_out_are_told():
    y = np.append(np.random.default_rng(34).normal(size=4), 9.0)
    found = wb.psis_loo(wb.maximum_a_posteriori(wb.bind(known_spread, dataset(y))))
    assert len(found.doubtful) >= 1
    assert 4 in found.doubtful
    assert f"{len(found.doubtful)} of 5 rows have a k-hat of 0.7 or more" in found.advice
    assert "wb.leave_one_out" in found.advice


def test_a_likelihood_alone_has_no_posterior_to_leave_rows_out_of():
    fit = wb.maximum_likelihood(wb.bind(known_spread, dataset(np.arange(5.0))))
    with pytest.raises(wb.ModelError, match="Laplace draws are of a posterior"):
        wb.psis_loo(fit)
