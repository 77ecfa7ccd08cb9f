"""Laplace-predictive densities against closed forms, and what Jensen's inequality says of them."""

import numpy as np
import pytest
from scipy import stats

import workbench as wb
from models import binary, counts
from tests import declarations
from tests.declarations import dataset
from tests.test_leaving_out import known_spread

N = 10
DRAWS = 4000


def standardised(values, mean, square):
    """The values moved and scaled to this mean and this mean square."""
    centred = values - values.mean()
    return mean + centred * np.sqrt((square - mean**2) / np.mean(centred**2))


@pytest.fixture(scope="module")
def fit():
    """Ten rows whose mean is as far from 0 as a mean of ten is on average."""
    y = standardised(np.random.default_rng(3).normal(size=N), 1 / np.sqrt(N), 1.2)
    return wb.maximum_likelihood(wb.bind(known_spread, dataset(y)))


@pytest.fixture(scope="module")
def heldout():
    """Rows with the moments of a standard normal, so that their mean is its expectation."""
    return dataset(standardised(np.random.default_rng(4).normal(size=200), 0.0, 1.0))


def test_the_predictive_of_a_normal_mean_is_the_wider_normal(fit, heldout):
    found = wb.predictive_cross_entropy(fit, heldout, draws=DRAWS)
    y, mean = heldout["y"].values, fit.params.iloc[0]
    exact = -stats.norm.logpdf(y, mean, np.sqrt(1 + 1 / N))
    drawn = mean + stats.norm.ppf((np.arange(1000) + 0.5) / 1000) / np.sqrt(N)
    density = stats.norm.pdf(y[:, None], drawn)
    error = density.std(axis=1) / density.mean(axis=1) / np.sqrt(DRAWS)
    np.testing.assert_array_less(np.abs(found.pointwise - exact), 5 * error)
    np.testing.assert_allclose(found.plug_in.pointwise, -stats.norm.logpdf(y, mean), rtol=1e-12)


def test_the_cost_of_estimation_is_less_by_averaging(fit, heldout):
    found = wb.predictive_cross_entropy(fit, heldout, draws=DRAWS)
    entropy = 0.5 * np.log(2 * np.pi * np.e)
    # theory: .05 against .0476550899
    assert found.plug_in.cross_entropy.value - entropy == pytest.approx(1 / (2 * N), abs=1e-12)
    excess = found.cross_entropy.value - entropy
    assert abs(excess - 0.5 * np.log1p(1 / N)) < 4 * found.monte_carlo
    assert found.monte_carlo < 5e-3
    # E over draws of (y - mu)^2 / 2 exceeds the plug-in's by 1 / (2 n)
    average = found.average_cross_entropy.value - entropy
    assert abs(average - 1 / N) < 4 * np.sqrt(1.5) / N / np.sqrt(DRAWS)


def test_the_error_of_the_draws_is_their_spread_over_seeds(fit, heldout):
    found = [
        wb.predictive_cross_entropy(fit, heldout, draws=100, rng=np.random.default_rng(seed))
        for seed in range(60)
    ]
    between = np.std([one.cross_entropy.value for one in found], ddof=1)
    within = np.sqrt(np.mean([one.monte_carlo**2 for one in found]))
    assert within / between == pytest.approx(1, abs=4 / np.sqrt(2 * 60))  # of a sample's sd


@pytest.fixture(scope="module")
def few():
    """A logistic regression on as few rows as make averaging worth it."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(2050, 4))
    y = rng.random(2050) < 1 / (1 + np.exp(-X @ [0.5, -0.5, 0.5, 0.0]))
    data = dataset(y, X)
    problem = wb.bind(binary.logit, data.isel(row=slice(0, 50)))
    return problem, data.isel(row=slice(50, None))


@pytest.mark.parametrize("estimate", [wb.maximum_likelihood, wb.maximum_a_posteriori])
def test_draws_on_their_own_lose_more_than_their_average(few, estimate):
    problem, heldout = few
    found = wb.predictive_cross_entropy(estimate(problem), heldout)
    assert (found.average >= found.pointwise - 1e-12).all()  # Jensen, row by row
    assert found.gain.value > 0
    assert found.gain.value == pytest.approx(
        found.plug_in.cross_entropy.value - found.cross_entropy.value, rel=1e-9
    )
    assert found.gain.se < found.cross_entropy.se


def test_it_is_said_whose_density_is_averaged(few):
    problem, heldout = few
    likelihood = wb.predictive_cross_entropy(wb.maximum_likelihood(problem), heldout)
    posterior = wb.predictive_cross_entropy(wb.maximum_a_posteriori(problem), heldout)
    assert likelihood.label == "Laplace-predictive, around the maximum of the likelihood"
    assert posterior.label == "Laplace-predictive, of the posterior"
    assert likelihood.cross_entropy.value != posterior.cross_entropy.value


def test_held_parameters_are_not_drawn():
    rng = np.random.default_rng(6)
    data = dataset(rng.negative_binomial(2, 0.4, 80))
    problem = wb.bind(counts.negative_binomial, data.isel(row=slice(0, 40)))
    fit = wb.maximum_likelihood(problem, fixed={"alpha": 2.0})
    found = wb.predictive_cross_entropy(fit, data.isel(row=slice(40, None)), draws=DRAWS)
    beta = fit.params.iloc[0] + fit.standard_errors("observed").iloc[0] * stats.norm.ppf(
        (np.arange(1000) + 0.5) / 1000
    )
    mass = stats.nbinom.pmf(data["y"].values[40:, None], 2, 2 / (2 + np.exp(beta)))
    exact = -np.log(mass.mean(axis=1)).mean()
    assert abs(found.cross_entropy.value - exact) < 4 * found.monte_carlo


def test_without_a_regular_maximum_there_is_nothing_to_average(heldout):
    x = np.linspace(-1, 1, 20)
    separated = wb.maximum_likelihood(wb.bind(binary.logit, dataset(x > 0, x[:, None])))
    with pytest.raises(wb.ModelError, match="no predictive density: running away"):
        wb.predictive_cross_entropy(separated, dataset(x > 0, x[:, None]))
    y = np.abs(np.random.default_rng(7).normal(size=30))
    bounded = wb.maximum_likelihood(
        wb.bind(declarations.tobit, dataset(y, np.ones((30, 0)))), bounds={"sigma": (0.1, 10.0)}
    )
    with pytest.raises(wb.ModelError, match="within bounds"):
        wb.predictive_cross_entropy(bounded, dataset(y, np.ones((30, 0))))


def test_too_few_draws_are_refused(fit, heldout):
    with pytest.raises(wb.DataError, match="takes 100 of them or more, not 99"):
        wb.predictive_cross_entropy(fit, heldout, draws=99)
