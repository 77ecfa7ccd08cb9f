"""Held-out numbers against by-hand sums, and what may be called KL."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import workbench as wb
from models import binary, continuous, counts, multivariate
from tests import declarations
from tests.declarations import dataset

RNG = np.random.default_rng(17)
N = 1200
X = RNG.normal(size=(N, 1))
MEAN = np.exp(0.7 + 0.4 * X[:, 0])
Y = RNG.negative_binomial(2, 2 / (2 + MEAN))
GROUPS = np.repeat(np.arange(N // 4), 4)
DATA = dataset(Y, X, group=GROUPS)
TRAIN, TEST = DATA.isel(row=slice(0, 600)), DATA.isel(row=slice(600, N))


@pytest.fixture(scope="module")
def fits():
    return {
        "poisson": wb.maximum_likelihood(wb.bind(counts.poisson, TRAIN)),
        "nb2": wb.maximum_likelihood(wb.bind(counts.negative_binomial, TRAIN)),
    }


@pytest.fixture(scope="module")
def evaluations(fits):
    return {name: wb.evaluate(fit, TEST) for name, fit in fits.items()}


def test_cross_entropy_is_scipys_sum_by_hand(fits, evaluations):
    alpha = fits["nb2"].params["alpha"]
    mu = np.exp(TEST["X"].values @ fits["nb2"].params.to_numpy()[:2])
    nll = -stats.nbinom.logpmf(TEST["y"].values, alpha, alpha / (alpha + mu))
    found = evaluations["nb2"].cross_entropy
    assert found.value == pytest.approx(nll.mean(), rel=1e-12)
    assert evaluations["nb2"].nll == pytest.approx(nll.sum(), rel=1e-12)
    sums = (nll - nll.mean()).reshape(150, 4).sum(axis=1)
    expected = np.sqrt(150 / 149 * (sums**2).sum()) / 600
    assert found.se == pytest.approx(expected, rel=1e-10)
    assert found.clusters == 150


def test_training_cross_entropy_is_the_nll_over_n(fits):
    inside = wb.evaluate(fits["poisson"])
    assert inside.cross_entropy.value == pytest.approx(-fits["poisson"].llf / 600, rel=1e-12)
    assert not inside.heldout
    assert np.isnan(inside.kl.mean.value)
    assert "fitted on" in inside.kl.reason


def test_calibration_kl_is_a_lower_bound_and_says_so(evaluations):
    poisson, nb2 = evaluations["poisson"].kl, evaluations["nb2"].kl
    assert "lower bound" in poisson.label
    assert poisson.p_value is None
    assert "not independent" in poisson.reason
    assert poisson.resolved
    assert not nb2.resolved  # the truth is negative binomial


def test_the_pit_of_the_true_model_is_uniform(evaluations):
    assert stats.kstest(evaluations["nb2"].pit, "uniform").pvalue > 0.001
    assert stats.kstest(evaluations["poisson"].pit, "uniform").pvalue < 1e-6


def test_a_kl_without_predictors_is_the_kl_itself():
    rows = dataset(RNG.poisson(3.0, 2000))
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, rows.isel(row=slice(0, 1000))))
    kl = wb.evaluate(fit, rows.isel(row=slice(1000, 2000))).kl
    assert kl.label == "KL"
    assert 0 <= kl.p_value <= 1
    assert abs(kl.mean.value) < 4 * kl.floor  # the truth is Poisson


def test_the_same_seed_gives_the_same_pit(fits):
    first, second, other = (wb.evaluate(fits["nb2"], TEST, seed=s).pit for s in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_expected_frequencies_are_average_probabilities(fits, evaluations):
    mu = np.exp(TEST["X"].values @ fits["poisson"].params.to_numpy())
    expected = [stats.poisson.pmf(value, mu).mean() for value in range(4)]
    np.testing.assert_allclose(
        evaluations["poisson"].frequencies(np.arange(4)), expected, rtol=1e-12
    )


def test_the_hash_tells_rows_apart_by_label_and_outcome_only(fits, evaluations):
    same = evaluations["poisson"].rows_hash
    assert evaluations["nb2"].rows_hash == same
    reordered = wb.evaluate(fits["poisson"], TEST.isel(row=slice(None, None, -1)))
    assert reordered.rows_hash != same
    moved = TEST.assign(X=TEST["X"] + 1.0)
    assert wb.evaluate(fits["poisson"], moved).rows_hash == same


def test_a_fit_without_a_finite_optimum_cannot_be_evaluated():
    import pymc as pm

    def impossible(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            pm.Uniform("outcome", 0.0, pm.Uniform("upper", 0.0, 1.0), observed=y, dims="row")
        return model

    fit = wb.maximum_likelihood(wb.bind(impossible, dataset([2.0, 3.0])))
    assert fit.status == "not finite"
    with pytest.raises(wb.ModelError, match="no finite optimum"):
        wb.evaluate(fit, dataset([2.0, 3.0]))


@pytest.fixture(scope="module")
def pairs():
    """Two outcomes a row, fitted on half of the rows; and the other half."""
    table = wb.read(pd.DataFrame({"a": RNG.normal(size=200), "b": RNG.normal(2.0, 3.0, 200)}))
    train, test = wb.split(table, heldout=0.5)
    design = wb.design("a + b ~ 1", train)
    return wb.maximum_likelihood(wb.bind(declarations.several_normals, design(train))), design(test)


def test_several_outcomes_have_a_cross_entropy(pairs):
    fit, rows = pairs
    found = wb.evaluate(fit, rows)
    mu, sigma = fit.params.to_numpy().reshape(2, 2)
    nll = -stats.norm.logpdf(rows["y"].values, mu, sigma).sum(axis=1)
    assert found.cross_entropy.value == pytest.approx(nll.mean(), rel=1e-12)
    assert not found.discrete
    assert found.observed.shape == (100, 2)
    again = wb.evaluate(fit, rows.assign(y=rows["y"] + [0.0, 1.0]))
    assert again.rows_hash != found.rows_hash  # by the second outcome alone


def test_what_needs_a_single_outcome_says_so(pairs):
    found = wb.evaluate(*pairs)
    assert np.isnan(found.kl.mean.value)
    assert "100 independent rows, groups or blocks are fewer than the 500" in found.kl.reason
    assert "asked of one outcome a row" in found.information_left.reason
    for ask in (lambda: found.pit, lambda: found.expected, lambda: found.frequencies(np.arange(2))):
        with pytest.raises(wb.ModelError, match="rows with several outcomes have no single"):
            ask()


def test_outcomes_side_by_side_have_lower_bounds(pairs):
    marginal, refit = wb.evaluate(*pairs).further_kl
    for bound in (marginal, refit):
        assert "lower bound" in bound.label
        assert abs(bound.mean.value) < 4 * bound.mean.se  # the truth is two normals


@pytest.mark.slow
def test_a_vector_outcome_has_its_calibration_kl():
    x, noise = RNG.normal(size=1400), RNG.multivariate_normal([0, 0], [[1, 0.8], [0.8, 2]], 1400)
    frame = pd.DataFrame({"x": x, "a": x + noise[:, 0], "b": noise[:, 1] - x})
    train, test = wb.split(wb.read(frame), heldout=0.5)
    design = wb.design("a + b ~ x", train)
    right = wb.maximum_likelihood(wb.bind(multivariate.normal, design(train)))
    apart = wb.maximum_likelihood(wb.bind(declarations.several_normals, design(train)))
    right, apart = (wb.evaluate(fit, design(test)) for fit in (right, apart))
    assert right.kl.label == apart.kl.label == "calibration KL, a lower bound"
    assert abs(right.kl.mean.value) < 4 * right.kl.mean.se
    missed = -0.5 * np.log(1 - 0.8**2 / 2)  # the correlation
    assert apart.kl.mean.value == pytest.approx(missed, abs=4 * apart.kl.mean.se)
    assert apart.kl.resolved
    assert len(right.further_kl) == 2


@pytest.mark.slow
def test_what_the_predictors_still_tell_names_the_one_that_was_missed():
    x = RNG.normal(size=(1600, 2))
    y = x[:, 0] + 1.2 * (x[:, 1] ** 2 - 1) + RNG.normal(size=1600)
    rows = dataset(y, x)
    train, test = rows.isel(row=slice(0, 800)), rows.isel(row=slice(800, None))
    fit = wb.maximum_likelihood(wb.bind(continuous.normal, train))
    left = wb.evaluate(fit, test).information_left
    assert left.names == ("x1", "x2", "the expected outcome")  # never the intercept
    assert left.largest[0] == "x2"
    assert left.resolved
    assert left.p_value < 0.01
    assert left == wb.evaluate(fit, test).information_left
    assert "held out" in wb.evaluate(fit).information_left.reason


def test_a_drift_in_time_is_told_where_time_is_declared():
    """Of one row of each block of neighbours, which are to be a hundred."""
    week = np.arange(7000)
    y = RNG.normal(size=7000) + 6e-4 * week
    table = wb.read(pd.DataFrame({"week": week, "y": y}), time="week")
    train, test = wb.split(table, heldout=0.5)
    design = wb.design("y ~ 1", train)
    found = wb.evaluate(
        wb.maximum_likelihood(wb.bind(continuous.normal, design(train))), design(test)
    )
    assert found.clusters.max() > 1
    left = found.information_left
    assert left.names == ("the time",)
    assert left.rows == found.clusters.max() + 1
    assert left.resolved


def test_kl_given_factors_stands_beside_the_calibration_kl():
    """Of an interaction that the model left out, whose KL is a sum in closed form."""
    a, b = RNG.integers(0, 2, (2, 3000))
    chances = np.array([[0.3, 0.5], [0.6, 0.2]])
    frame = pd.DataFrame({"a": a, "b": b, "y": (RNG.random(3000) < chances[a, b]).astype(int)})
    train, test = wb.split(wb.read(frame), heldout=0.5)
    design = wb.design("y ~ a + b", train)
    found = wb.evaluate(wb.maximum_likelihood(wb.bind(binary.logit, design(train))), design(test))
    (given,) = found.further_kl
    p, q = chances[test.frame["a"], test.frame["b"]], found.distribution.parameters[0]
    truth = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean()
    assert given.mean.value == pytest.approx(truth, abs=4 * given.mean.se)
    assert given.resolved
    assert wb.evaluate(wb.maximum_likelihood(wb.bind(binary.logit, design(train)))).further_kl == ()


def test_weighted_rows_have_the_kl_of_repeated_ones(fits):
    """Each of the rows that a weight counts has a draw of its own."""
    weights = RNG.integers(0, 4, 600)
    alone = TEST.drop_vars("group")
    weighted = wb.evaluate(fits["poisson"], alone.assign(weight=("row", weights.astype(float))))
    repeated = wb.evaluate(fits["poisson"], alone.isel(row=np.repeat(np.arange(600), weights)))
    assert weighted.kl == repeated.kl
    assert weighted.information_left == repeated.information_left
    np.testing.assert_array_equal(weighted.unweighted.pit, repeated.pit)
    assert weighted.unweighted.cross_entropy == repeated.cross_entropy
    assert repeated.unweighted is repeated
    halves = wb.evaluate(fits["poisson"], alone.assign(weight=("row", np.full(600, 1.5))))
    assert halves.unweighted is halves
    assert "weighted rows" in halves.kl.reason
    assert "weighted rows" in halves.information_left.reason


def test_training_rows_are_not_held_out_by_another_name(fits):
    again = wb.evaluate(fits["poisson"], TRAIN.isel(row=slice(0, 100)))
    assert not again.heldout
    assert wb.evaluate(fits["poisson"], TEST).heldout


def test_repeated_outcomes_under_a_continuous_model_have_no_kl():
    rows = dataset(RNG.poisson(3.0, 400))
    fit = wb.maximum_likelihood(wb.bind(continuous.normal, rows.isel(row=slice(0, 200))))
    kl = wb.evaluate(fit, rows.isel(row=slice(200, 400))).kl
    assert np.isnan(kl.mean.value)
    assert "repeat under a continuous model" in kl.reason


def test_weighted_frequencies_are_those_of_repeated_rows(fits):
    weights = RNG.integers(1, 4, 600)
    weighted = wb.evaluate(fits["poisson"], TEST.assign(weight=("row", weights.astype(float))))
    repeated = wb.evaluate(fits["poisson"], TEST.isel(row=np.repeat(np.arange(600), weights)))
    values = np.arange(5)
    np.testing.assert_allclose(weighted.frequencies(values), repeated.frequencies(values))
    assert weighted.cross_entropy.value == pytest.approx(repeated.cross_entropy.value, rel=1e-12)
