"""Recalibrating a binary outcome's probabilities: what it gains, less what it gains by chance."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from workbench import information
from workbench.errors import DataError

WAYS = [information.isotonic_divergence, information.recalibration_divergence]


@pytest.fixture
def rng():
    return np.random.default_rng(20261123)


def drawn(rng, m, factor=1.0):
    """Outcomes of logit⁻¹(η), η standard normal, under logit⁻¹(factor η)."""
    eta = rng.standard_normal(m)
    return (rng.random(m) < expit(eta)).astype(float), expit(factor * eta)


def overconfidence(factor):
    """KL of logit⁻¹(η) from logit⁻¹(factor η), averaged over η."""
    eta, weights = np.polynomial.hermite_e.hermegauss(60)
    each = [
        information.known_divergence(stats.bernoulli(expit(e)), stats.bernoulli(expit(factor * e)))
        for e in eta
    ]
    return information.conditional_divergence(each, weights).divergence


@pytest.mark.parametrize("way", WAYS)
def test_overconfidence_is_found(way, rng):
    truth = overconfidence(1.5)
    assert truth == pytest.approx(0.0157, abs=1e-4)  # as published simulations have it
    found = way(*drawn(rng, 4000, 1.5))
    assert found.mean.value == pytest.approx(truth, abs=4 * found.mean.se)
    assert found.mean.se < truth / 3
    assert found.resolved
    assert found.label == "calibration KL, a lower bound"


@pytest.mark.parametrize("way", WAYS)
def test_perfect_probabilities_gain_nothing(way, rng):
    found = [way(*drawn(rng, 200)) for _ in range(60)]
    values = np.array([one.mean.value for one in found])
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(60)
    assert np.mean([one.p_value < 0.05 for one in found]) < 0.05 + 4 * math.sqrt(0.0475 / 60)
    # The error is conservative near zero, where the spread of the gain is below its second order.
    assert np.mean([one.mean.se for one in found]) > values.std()


@pytest.mark.parametrize("way", WAYS)
def test_a_missed_predictor_is_invisible(way, rng):
    """Grouping loss: probabilities averaged over what is missing are perfectly calibrated."""
    x, missing = rng.standard_normal(3000), rng.choice([-1.0, 1.0], 3000)
    y = (rng.random(3000) < expit(x + missing)).astype(float)
    found = way(y, (expit(x + 1) + expit(x - 1)) / 2)
    assert abs(found.mean.value) < 4 * found.mean.se


def test_the_isotonic_gain_is_that_of_pooled_violators():
    """By hand: of 0, 1 at .2, .4 nothing is pooled; of 1, 0 at .6, .8 both become a half."""
    y, q = np.tile([0.0, 1, 1, 0], 20), np.tile([0.2, 0.4, 0.6, 0.8], 20)
    # Means 0, 1, 1, 0 are pooled to 0, 2/3, 2/3, 2/3.
    better = np.array([0, 2 / 3, 2 / 3, 2 / 3])
    by_hand = (stats.bernoulli.logpmf(y[:4], better) - stats.bernoulli.logpmf(y[:4], q[:4])).mean()
    found = information.isotonic_divergence(y, q)
    rng = np.random.default_rng([20130606, 80])
    assert found.mean.value < by_hand  # the null mean is off
    raw = found.mean.value + np.mean([_raw(rng, q) for _ in range(200)])
    assert raw == pytest.approx(by_hand, rel=1e-12)


def _raw(rng, q):
    """The gain of four probabilities' pooled means, by the pool-adjacent-violators definition."""
    y = (rng.random(q.size) < q).reshape(-1, 4)
    means = y.mean(axis=0)
    # max over starts of min over ends of the mean between: the isotonic fit in closed form.
    pooled = [
        max(min(means[i : j + 1].mean() for j in range(k, 4)) for i in range(k + 1))
        for k in range(4)
    ]
    better = np.tile(np.clip(pooled, 0, 1), len(y))
    flat = y.ravel().astype(float)
    return (stats.bernoulli.logpmf(flat, better) - stats.bernoulli.logpmf(flat, q)).mean()


def test_coxs_recalibration_is_at_the_maximum(rng):
    from scipy.optimize import minimize

    y, q = drawn(rng, 300, 1.4)
    score = np.log(q / (1 - q))

    def loss(theta):
        return -stats.bernoulli.logpmf(y, expit(theta[0] + theta[1] * score)).mean()

    best = minimize(loss, [0.0, 1.0], method="BFGS", options={"gtol": 1e-9})
    gain = loss([0.0, 1.0]) - best.fun
    found = information.recalibration_divergence(y, q)
    assert found.mean.value == pytest.approx(gain - 2 / 600, rel=1e-6)
    assert found.p_value == pytest.approx(stats.chi2.sf(600 * gain, 2), rel=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_grouped_rows_have_no_p_value(way, rng):
    y, q = drawn(rng, 400)
    found = way(y, q, groups=np.repeat(np.arange(100), 4))
    assert found.p_value is None
    assert "not independent" in found.reason
    assert found.mean.clusters == 100
    assert found.floor > way(y, q).floor


@pytest.mark.parametrize("way", WAYS)
def test_impossible_outcomes_and_few_rows_are_told(way, rng):
    y, q = drawn(rng, 100)
    q[np.argmax(y)] = 0.0
    found = way(y, q)
    assert found.mean.value == math.inf
    assert found.reason.startswith("1 of 100 outcomes have probability 0")
    assert (
        "49 independent rows, groups or blocks are fewer than the 50" in way(y[:49], q[:49]).reason
    )


def test_probabilities_that_separate_the_outcomes_gain_all_of_their_loss(rng):
    q = rng.uniform(0.1, 0.9, 100)
    y = (q > 0.5).astype(float)
    found = information.recalibration_divergence(y, q)
    loss = -stats.bernoulli.logpmf(y, q).mean()
    assert found.mean.value == pytest.approx(loss - 2 / 200, abs=1e-8)


def test_equal_probabilities_are_shifted_alone(rng):
    y = (rng.random(400) < 0.3).astype(float)
    found = information.recalibration_divergence(y, np.full(400, 0.2))
    mean = y.mean()
    gain = mean * math.log(mean / 0.2) + (1 - mean) * math.log((1 - mean) / 0.8)
    assert found.mean.value == pytest.approx(gain - 2 / 800, rel=1e-8)


def test_what_is_not_binary_is_refused():
    for way in WAYS:
        with pytest.raises(DataError, match="0 or 1, with one probability a row"):
            way([0, 2], [0.5, 0.5])
        with pytest.raises(DataError, match="between 0 and 1"):
            way([0, 1], [0.5, 1.5])
