"""Which KL may be told of which outcome: the kinds by hand, each with its label and its null."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from workbench import divergences, information
from workbench.density import Distribution
from workbench.errors import ModelError


@pytest.fixture
def rng():
    return np.random.default_rng(20261123)


def told(distribution, observed, rng, *, weights=None, groups=None, repeats=5):
    """As an evaluation asks it, with so many randomisations."""
    observed = np.asarray(observed, float)
    return divergences.divergence(
        distribution,
        observed,
        lambda: divergences.normal_scores(distribution, observed, rng, repeats),
        conditional=divergences.varies(distribution, len(observed)),
        weights=np.ones(len(observed)) if weights is None else np.asarray(weights, float),
        groups=groups,
    )


def test_counts_without_predictors_are_compared_by_their_frequencies(rng):
    y = rng.poisson(4, 500)
    found = told(Distribution("Poisson", (np.array(3.0),)), y, rng)
    values, counts = np.unique(y, return_counts=True)
    assert found == information.kl_discrete(counts, stats.poisson.pmf(values, 3.0))
    assert found.label == "KL"


def test_frequency_weights_of_counts_are_counts(rng):
    y = rng.poisson(1.0, 300)
    values, counts = np.unique(y, return_counts=True)
    of = Distribution("Poisson", (np.array(1.2),))
    assert told(of, values, rng, weights=counts) == told(of, y, rng)


def test_few_rows_a_count_are_compared_by_spacings(rng):
    y = rng.negative_binomial(2, 2 / 82, 100)  # spread over 80 and more
    found = told(Distribution("Poisson", (np.array(80.0),)), y, rng)
    truth = information.known_divergence(stats.nbinom(2, 2 / 82), stats.poisson(80)).divergence
    assert found.label == "KL"
    assert found.mean.value == pytest.approx(truth, abs=4 * found.mean.se)
    assert found.p_value == pytest.approx(1 / 201)


def test_an_impossible_category_is_named(rng):
    of = Distribution("Categorical", (np.array([0.5, 0.5, 0.0]),))
    found = told(of, [0, 1, 2, 2] * 20, rng)
    assert found.mean.value == math.inf
    assert found.reason.endswith("observed: 2")


def test_categories_are_never_ordered_for_want_of_rows(rng):
    of = Distribution("Categorical", (np.full(100, 0.01),))
    found = told(of, np.arange(100), rng)
    assert math.isnan(found.mean.value)
    assert "alone in their category" in found.reason


def test_grouped_counts_have_no_test_that_takes_rows_for_independent(rng):
    found = told(
        Distribution("Poisson", (np.array(4.0),)), rng.poisson(4, 400), rng,
        groups=np.repeat(np.arange(100), 4),
    )  # fmt: skip
    assert found.p_value is None
    assert "not independent" in found.reason


def test_binary_outcomes_with_predictors_are_recalibrated(rng):
    eta = rng.standard_normal(400)
    y = (rng.random(400) < expit(eta)).astype(float)
    found = told(Distribution("Bernoulli", (expit(2 * eta),)), y, rng)
    assert found == information.isotonic_divergence(y, expit(2 * eta))
    assert found.label == "calibration KL, a lower bound"
    two = Distribution("Categorical", (np.column_stack([1 - expit(2 * eta), expit(2 * eta)]),))
    assert told(two, y, rng).mean.value == pytest.approx(found.mean.value, rel=1e-9)


def test_rare_counts_are_no_binary_outcome(rng):
    """All counts are 0 or 1, but need not have been."""
    mu = np.full(200, 0.05) * np.exp(0.1 * rng.standard_normal(200))
    y = np.minimum(rng.poisson(mu), 1)
    found = told(Distribution("Poisson", (mu,)), y, rng)
    assert found != information.isotonic_divergence(y.astype(float), mu)
    assert found.p_value > 1e-3


def test_counts_with_predictors_have_the_null_of_their_own_randomisations(rng):
    """The mean of several randomisations spreads less than one, and so must its null."""
    mu = np.exp(0.3 * rng.standard_normal(100)) * 0.4
    of, p, resolved = Distribution("Poisson", (mu,)), [], []
    for _ in range(40):
        found = told(of, rng.poisson(mu), rng, repeats=5)
        p.append(found.p_value)
        resolved.append(found.resolved)
    assert found.floor < 0.8 * information.calibration_divergence(rng.standard_normal(100)).floor
    assert stats.ks_2samp(p, np.arange(1, 202) / 201).pvalue > 1e-3
    # Four binomial standard errors of 40 trials at .05.
    assert np.mean(resolved) <= 0.05 + 4 * math.sqrt(0.0475 / 40)


def hurdle(zero, sigma, rows):
    """0 with a probability that may differ by row, else lognormal."""
    shares = np.column_stack([np.broadcast_to(zero, rows), 1 - np.broadcast_to(zero, rows)])
    parts = (
        Distribution("DiracDelta", (np.array(0.0),)),
        Distribution("LogNormal", (np.array(0.2), np.array(sigma))),
    )
    return Distribution("Hurdle", (shares if np.ndim(zero) else shares[0],), parts)


def test_a_hurdle_without_predictors_has_its_known_divergence(rng):
    y = np.where(rng.random(3000) < 0.3, 0.0, np.exp(0.8 * rng.standard_normal(3000)))
    found = told(hurdle(0.4, 1.0, 3000), y, rng)
    assert found.label == "KL"
    assert found.mean.value == pytest.approx(0.0658013400634934, abs=4 * found.mean.se)
    assert found.resolved


def test_a_censored_outcome_has_its_known_divergence(rng):
    y = np.minimum(rng.exponential(size=3000), 1.0)
    base = Distribution("Exponential", (np.array(1 / 1.5),))
    of = Distribution("Censored", (np.array(-np.inf), np.array(1.0)), (base,))
    found = told(of, y, rng)
    assert found.mean.value == pytest.approx(0.0597574486914644, abs=4 * found.mean.se)


@pytest.mark.slow
def test_p_values_of_perfect_hurdles_are_uniform(rng):
    of, p = hurdle(0.6, 1.0, 100), []
    for _ in range(60):
        y = np.where(rng.random(100) < 0.6, 0.0, np.exp(0.2 + rng.standard_normal(100)))
        p.append(told(of, y, rng, repeats=10).p_value)
    assert stats.ks_2samp(p, np.arange(1, 202) / 201).pvalue > 1e-3


def test_counts_beyond_a_thousand_keep_the_null_of_one_randomisation(rng):
    mu = rng.uniform(4000, 5000, 100)
    y = rng.poisson(mu)
    found = told(Distribution("Poisson", (mu,)), y, rng)
    floor = information.calibration_divergence(rng.standard_normal(100)).floor
    assert found.floor == floor


# Given the predictors, of rows that share theirs


def given(distribution, observed, predictors, weights=None):
    observed = np.asarray(observed, float)
    weights = np.ones(len(observed)) if weights is None else np.asarray(weights, float)
    return divergences.given_predictors(distribution, observed, weights, predictors)


def test_binary_rows_that_share_predictors_are_trials_of_one_group(rng):
    a, b = rng.integers(0, 3, 900), rng.integers(0, 2, 900)
    p = expit(0.5 * a - b)
    y = (rng.random(900) < p).astype(float)
    q = expit(0.3 * a - b)
    found = given(Distribution("Bernoulli", (q,)), y, [a, b])
    cells = [(a == i) & (b == j) for i in range(3) for j in range(2)]
    by_hand = information.binomial_divergence(
        [y[cell].sum() for cell in cells], [cell.sum() for cell in cells],
        [q[cell][0] for cell in cells],
    )  # fmt: skip
    assert found.mean.value == pytest.approx(by_hand.mean.value, rel=1e-12)
    assert (found.mean.unit, found.label) == ("nats per row", "KL given the predictors")
    two = Distribution("Categorical", (np.column_stack([1 - q, q]),))
    assert given(two, y, [a, b]).mean.value == pytest.approx(found.mean.value, rel=1e-9)


def test_weights_of_shared_predictors_count_rows(rng):
    a = rng.integers(0, 3, 600).astype(float)
    y = rng.poisson(np.exp(0.2 * a)).astype(float)
    cells, times = np.unique(np.column_stack([a, y]), axis=0, return_counts=True)
    found = given(Distribution("Poisson", (np.exp(0.3 * a),)), y, [a])
    weighted = given(Distribution("Poisson", (np.exp(0.3 * cells[:, 0]),)), cells[:, 1],
                     [cells[:, 0]], times)  # fmt: skip
    assert weighted.mean.value == pytest.approx(found.mean.value, rel=1e-12)
    assert weighted.p_value == pytest.approx(found.p_value, rel=1e-12)


def test_what_calibration_does_not_see_is_seen_given_the_predictors(rng):
    """The model says the same of all; the truth differs by group, and is so on average."""
    a = np.repeat([0.0, 1.0], 1000)
    p = np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    y = np.concatenate([rng.choice(3, 1000, p=row) for row in p])
    q = np.tile(p.mean(axis=0), (2000, 1)) + 1e-12 * a[:, None] * [1, 0, -1]
    found = given(Distribution("Categorical", (q,)), y, [a])
    truth = (p * np.log(p / p.mean(axis=0))).sum(axis=1).mean()
    assert found.mean.value == pytest.approx(truth, abs=4 * found.mean.se)
    assert found.p_value == pytest.approx(1 / 1001)


def test_numbers_of_successes_are_groups_already(rng):
    x = rng.standard_normal(50)
    n, q = np.full(50, 30), expit(x)
    y = rng.binomial(n, q)
    found = given(Distribution("Binomial", (n, q)), y, [x])
    assert found.mean.value == pytest.approx(
        information.binomial_divergence(y, n, q).mean.value, rel=1e-12
    )
    assert found.mean.unit == "nats per trial"
    none = given(Distribution("Binomial", (np.append(n, 0), np.append(q, 0.5))), np.append(y, 0),
                 [np.append(x, 0.0)])  # fmt: skip
    assert none.mean == found.mean  # a row without trials tells nothing


@pytest.mark.parametrize(
    ("name", "weights"), [("Normal", None), ("Bernoulli", None), ("Bernoulli", np.full(60, 1.5))]
)
def test_without_replication_nothing_is_given(rng, name, weights):
    """Of densities, of rows that share no predictors, and where weights are no counts."""
    x = np.arange(60.0) if weights is None else np.zeros(60)
    of = Distribution(name, (np.full(60, 0.5), np.ones(60)) if name == "Normal" else (expit(x),))
    assert given(of, rng.integers(0, 2, 60), [x], weights) is None
    assert given(of, rng.integers(0, 2, 60), []) is None


def rounded(rng, spread, width=0.5):
    """Of N(0, spread²) rounded to multiples of a width, under N(0, 1)."""
    y = width * np.round(spread * rng.standard_normal(200) / width)

    def cell(values):
        return values - width / 2, values + width / 2

    low, high = (stats.norm.logcdf(end) for end in cell(y)), (stats.norm.logsf(e) for e in cell(y))
    low, high = tuple(low), tuple(high)
    return divergences.divergence(
        Distribution("Normal", (np.array(0.0), np.array(1.0))),
        y,
        lambda: np.array([information.normal_scores(low, high, rng) for _ in range(10)]),
        conditional=False, weights=np.ones(200), groups=None, cell=cell, width=width,
    )  # fmt: skip


def test_rounded_outcomes_have_the_null_of_their_cells(rng):
    found = [rounded(rng, 1.0) for _ in range(20)]
    assert found[0].floor < 0.9 * information.calibration_divergence(rng.random(200)).floor
    p = [one.p_value for one in found]
    assert stats.ks_2samp(p, np.arange(1, 202) / 201).pvalue > 1e-3
    wide = rounded(rng, 1.5)
    truth = information.rounded_divergence(stats.norm(0, 1.5), stats.norm(), 0.5).divergence
    assert wide.mean.value == pytest.approx(truth, abs=4 * wide.mean.se)


def test_weighted_or_rounded_rows_have_none(rng):
    of, y = Distribution("Normal", (np.array(0.0), np.array(1.0))), rng.standard_normal(100)
    assert "weighted rows" in told(of, y, rng, weights=np.full(100, 2.0), repeats=1).reason
    assert "repeat under a continuous model" in told(of, np.round(y, 1), rng, repeats=1).reason


@pytest.mark.parametrize(
    ("distribution", "differs"),
    [
        (Distribution("Normal", (np.zeros(3), np.array(1.0))), False),
        (Distribution("Normal", (np.arange(3.0), np.array(1.0))), True),
        (Distribution("Categorical", (np.array([0.2, 0.8]),)), False),
        (Distribution("Categorical", (np.array([[0.2, 0.8], [0.3, 0.7], [0.2, 0.8]]),)), True),
        (Distribution("MultivariateNormal", (np.zeros(2), np.eye(2))), False),
        (Distribution("Censored", (np.array(0.0), np.array(np.inf)),
                      (Distribution("Normal", (np.arange(3.0), np.array(1.0))),)), True),
    ],
)  # fmt: skip
def test_a_distribution_varies_if_a_parameter_differs_between_rows(distribution, differs):
    assert divergences.varies(distribution, 3) is differs


# Several numbers a row


def test_a_multivariate_normal_is_whitened_by_its_own_factor(rng):
    covariance = np.array([[2.0, 0.6], [0.6, 1.0]])
    mean = rng.standard_normal((500, 2))
    y = mean + rng.multivariate_normal([0, 0], covariance, 500)
    z = divergences.whitened(Distribution("MultivariateNormal", (mean, covariance)), y, rng)
    np.testing.assert_allclose(z @ np.linalg.cholesky(covariance).T, y - mean, atol=1e-12)
    with pytest.raises(ModelError, match="'MvStudentT' are not whitened"):
        divergences.whitened(Distribution("MvStudentT", (4.0, mean, covariance)), y, rng)


def test_outcomes_side_by_side_are_whitened_one_by_one(rng):
    y = rng.poisson([2.0, 5.0], (800, 2)).astype(float)
    z = divergences.whitened(Distribution("Poisson", (np.array([2.0, 5.0]),)), y, rng)
    neighbours, marginal, refit = divergences.vector_divergences(z, conditional=False, groups=None)
    assert neighbours.label == "KL"
    for found in (neighbours, marginal, refit):
        assert abs(found.mean.value) < 4 * found.mean.se
        assert found.p_value > 1e-3


def test_vectors_that_repeat_have_none():
    [found] = divergences.vector_divergences(np.ones((60, 2)), conditional=True, groups=None)
    assert "59 of 60 rows repeat another" in found.reason
