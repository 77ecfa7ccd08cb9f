"""KL of replicated outcomes: the deviance, its exact expectation, and their difference."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from workbench import information
from workbench.errors import DataError

COUNTS, MEANS = [0, 1, 2, 5], [1, 1, 2, 3]
SUCCESSES, TRIALS, Q = [3, 7, 2], [10, 10, 5], [0.25, 0.6, 0.5]


@pytest.fixture
def rng():
    return np.random.default_rng(20261123)


def test_deviances_are_the_reference_values():
    assert information.poisson_deviances(COUNTS, MEANS).sum() == pytest.approx(
        3.10825623765991, rel=1e-13
    )
    grouped = information.binomial_deviances(SUCCESSES, TRIALS, Q)
    assert grouped.sum() == pytest.approx(0.761401358324227, rel=1e-13)
    assert grouped.sum() / (2 * 25) == pytest.approx(0.0152280271664845, rel=1e-13)


def test_half_the_deviance_is_the_cross_entropy_less_the_saturated_one():
    cross_entropy = -stats.poisson.logpmf(COUNTS, MEANS).mean()
    saturated = information.saturated_poisson(COUNTS).mean()
    assert cross_entropy == pytest.approx(1.40032077972039, rel=1e-13)
    assert saturated == pytest.approx(1.01178875001290, rel=1e-13)
    assert cross_entropy - saturated == pytest.approx(0.388532029707488, rel=1e-12)
    losses = -stats.binom.logpmf(SUCCESSES, TRIALS, Q)
    np.testing.assert_allclose(
        losses - information.saturated_binomial(SUCCESSES, TRIALS),
        information.binomial_deviances(SUCCESSES, TRIALS, Q) / 2,
        rtol=1e-12,
    )


def test_of_single_trials_the_saturated_loss_is_zero_and_the_deviance_holds_the_entropy():
    y, q = np.array([0, 1, 1]), np.array([0.2, 0.7, 0.4])
    assert (information.saturated_binomial(y, 1) == 0).all()
    np.testing.assert_allclose(
        information.binomial_deviances(y, 1, q), -2 * stats.bernoulli.logpmf(y, q), rtol=1e-14
    )


def test_what_is_taken_off_is_the_expected_deviance(rng):
    n, q = np.array([5.0, 5, 12]), np.array([0.1, 0.1, 0.6])
    draws = rng.binomial(n.astype(int), q, (20_000, 3))
    halves = information.binomial_deviances(draws, n, q).sum(axis=1) / (2 * 22)
    found = information.binomial_divergence([1, 0, 7], n, q)
    plugin = information.binomial_deviances([1, 0, 7], n, q).sum() / 44
    error = halves.std() / math.sqrt(20_000)
    assert plugin - found.mean.value == pytest.approx(halves.mean(), abs=4 * error)
    mu = np.array([0.3, 0.3, 4.0])
    halves = information.poisson_deviances(rng.poisson(mu, (20_000, 3)), mu).sum(axis=1) / 6
    found = information.poisson_divergence([1, 0, 7], mu)
    plugin = information.poisson_deviances([1, 0, 7], mu).sum() / 6
    error = halves.std() / math.sqrt(20_000)
    assert plugin - found.mean.value == pytest.approx(halves.mean(), abs=4 * error)


def test_expectations_in_pieces_are_those_of_the_whole(monkeypatch):
    y, mu = np.arange(50) % 7, np.linspace(0.1, 40, 50)
    whole = information.poisson_divergence(y, mu)
    monkeypatch.setattr("workbench.information.replicated.CELLS", 500)
    assert information.poisson_divergence(y, mu).mean.value == pytest.approx(
        whole.mean.value, rel=1e-12
    )


def test_divergence_of_groups_is_found(rng):
    p = rng.uniform(0.2, 0.8, 150)
    q = np.clip(p + 0.08, 0, 1)
    truth = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean()
    found = information.binomial_divergence(rng.binomial(40, p), 40, q)
    assert found.mean.value == pytest.approx(truth, abs=4 * found.mean.se)
    assert found.mean.se < truth / 4
    assert found.resolved
    assert found.p_value == pytest.approx(1 / 1001)
    assert found.mean.unit == "nats per trial"
    assert (found.mean.count, found.mean.clusters) == (6000, None)
    few = information.binomial_divergence(rng.binomial(5, p), 5, q)
    assert (few.mean.count, few.mean.clusters) == (750, 150)


def test_divergence_of_poisson_means_is_found(rng):
    mu = np.exp(rng.normal(1.0, 0.5, 2000))
    model = mu * 1.4 ** rng.choice([-1.0, 1.0], 2000)
    truth = (mu * np.log(mu / model) - mu + model).mean()
    found = information.poisson_divergence(rng.poisson(mu), model)
    assert found.mean.value == pytest.approx(truth, abs=4 * found.mean.se)
    assert found.mean.se < truth / 3


def test_p_values_of_perfect_groups_are_uniform(rng):
    q = rng.uniform(0.1, 0.9, 30)
    p = [information.binomial_divergence(rng.binomial(5, q), 5, q).p_value for _ in range(60)]
    assert stats.ks_2samp(p, np.arange(1, 1002) / 1001).pvalue > 1e-3


def test_few_groups_of_many_trials_tell_their_own_error(rng):
    """Whose limits are as skew as the estimate: symmetric ones held the truth in 89 %."""
    eta = stats.norm.ppf((np.arange(4) + 0.5) / 4)
    p, q = expit(eta), expit(1.5 * eta)
    truth = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean()
    held = 0
    for _ in range(300):
        low, high = information.binomial_divergence(
            rng.binomial(100, p), np.full(4, 100), q
        ).mean.interval()
        held += low <= truth <= high
    # Three binomial standard errors of 300 trials at .95.
    assert held / 300 >= 0.95 - 3 * math.sqrt(0.0475 / 300)


def test_patterns_of_categories_have_their_deviance_less_what_is_expected(rng):
    p = np.array([[0.2, 0.3, 0.5], [0.6, 0.2, 0.2]])
    q = np.array([[0.3, 0.3, 0.4], [0.5, 0.25, 0.25]])
    counts = np.array([rng.multinomial(300, p[0]), rng.multinomial(900, p[1])])
    found = information.replicated_divergence(counts, q)
    whole = sum(stats.power_divergence(c, c.sum() * row, lambda_="log-likelihood").statistic
                for c, row in zip(counts, q, strict=True))  # fmt: skip
    # Under the model 4 on average, but for what so many rows leave of the next order.
    assert found.mean.value == pytest.approx((whole - 4) / 2400, abs=0.02 / 2400)
    assert found.label == "KL given the predictors"
    truth = float(np.array([1, 3]) @ (p * np.log(p / q)).sum(axis=1)) / 4
    assert found.mean.value == pytest.approx(truth, abs=4 * found.mean.se)
    assert found.resolved
    assert found.p_value == pytest.approx(1 / 1001)


def test_two_categories_are_successes_and_failures(rng):
    n, q = np.array([30, 50, 200]), np.array([0.2, 0.5, 0.7])
    y = rng.binomial(n, q)
    found = information.replicated_divergence(
        np.column_stack([y, n - y]), np.column_stack([q, 1 - q])
    )
    assert found.mean.value == pytest.approx(
        information.binomial_divergence(y, n, q).mean.value, rel=1e-12
    )


def test_categories_that_are_hardly_expected_are_put_together(rng):
    """Else a perfect model would stand above a floor that counts only what was seen."""
    q = np.tile([0.93, *[0.01] * 7], (20, 1))
    found = [
        information.replicated_divergence(rng.multinomial(25, q[0], size=20), q) for _ in range(60)
    ]
    assert found[0].label == "KL given the predictors, a lower bound"
    values = np.array([one.mean.value for one in found])
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(60)
    # Four binomial standard errors of 60 trials at .05.
    assert np.mean([one.resolved for one in found]) < 0.05 + 4 * math.sqrt(0.0475 / 60)
    nothing = information.replicated_divergence([[20, 0]] * 5, [[0.99, 0.01]] * 5)
    assert (nothing.mean.value, nothing.mean.se, nothing.p_value) == (0.0, 0.0, 1.0)


def test_what_the_probabilities_leave_is_a_category():
    part = information.replicated_divergence([[30, 20]], [[0.5, 0.3]])
    whole = information.replicated_divergence([[30, 20, 0]], [[0.5, 0.3, 0.2]])
    assert part.mean.value == pytest.approx(whole.mean.value, rel=1e-12)


def test_a_certainty_that_holds_costs_nothing():
    assert information.binomial_deviances([0, 10], [10, 10], [0.0, 1.0]).tolist() == [0, 0]
    certain = information.binomial_divergence([10, 5, 4], [10, 10, 10], [1, 0.5, 0.5])
    assert math.isfinite(certain.mean.value)
    impossible = information.replicated_divergence([[10, 20], [9, 8]], [[0.4, 0.6], [1.0, 0.0]])
    assert (impossible.mean.value, impossible.p_value) == (math.inf, 0.0)


def test_sizes_that_differ_keep_the_coverage(rng):
    """One group of a thousand trials, and single ones that have no error of their own."""
    n, held = np.array([1000] + [1] * 49), 0
    truth = 0.5 * math.log(0.5 / 0.4) + 0.5 * math.log(0.5 / 0.6)
    for _ in range(150):
        low, high = information.binomial_divergence(rng.binomial(n, 0.5), n, 0.4).mean.interval()
        held += low <= truth <= high
    assert held / 150 >= 0.95 - 3 * math.sqrt(0.0475 / 150)


def test_impossible_outcomes_and_few_groups_are_told():
    found = information.binomial_divergence([1, 2, 3], 3, [0.0, 0.5, 0.9])
    assert found.mean.value == math.inf
    assert found.reason.startswith("1 of 3 outcomes have probability 0")
    assert math.isnan(information.binomial_divergence([1, 2, 3], 3, 0.5).mean.se)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: information.binomial_divergence([4], 3, 0.5), "from 0 up to the trials"),
        (lambda: information.binomial_divergence([1], 3, 1.5), "between 0 and 1"),
        (lambda: information.poisson_divergence([0.5], 3), "counts are whole numbers"),
        (lambda: information.poisson_divergence([1], 0), "means are finite and above 0"),
        (lambda: information.replicated_divergence([3, 4], [0.5, 0.5]), "a line for each pattern"),
        (lambda: information.replicated_divergence([[0, 0]], [[0.5, 0.5]]), "one above 0 in each"),
        (lambda: information.replicated_divergence([[3, 4]], [[0.7, 0.6]]), "no more than 1"),
    ],
)
def test_what_is_not_replicated_is_refused(ask, sentence):
    with pytest.raises(DataError, match=sentence):
        ask()
