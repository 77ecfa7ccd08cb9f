"""Rows in blocks: sums that do not depend on how they were cut, and samples that stand for all."""

import numpy as np
import pymc as pm
import pytest
from scipy import stats

import workbench as wb
from models import counts
from tests.declarations import dataset
from workbench.problem import blocks

ROWS = 230


def regression(weights=None):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(ROWS, 2))
    y = rng.negative_binomial(2.0, 2.0 / (2.0 + np.exp(0.3 + X @ [0.5, -0.2])))
    columns = {} if weights is None else {"weight": weights}
    return dataset(y, X, **columns)


def lognormal(data):
    """Positive outcomes: another has no density."""
    with pm.Model() as model:
        mu, sigma = pm.Normal("mu", 0.0, 5.0), pm.HalfNormal("sigma", 5.0)
        pm.LogNormal("outcome", mu, sigma, observed=pm.Data("y", data["y"], dims="row"))
    return model


@pytest.fixture
def short_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "LONGEST", 32)
    monkeypatch.setattr(blocks, "SHORTEST", 32)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["jax", pytest.param("pytensor", marks=pytest.mark.slow)])
def test_sums_do_not_depend_on_the_blocks(engine, monkeypatch):
    weights = np.random.default_rng(0).integers(0, 3, ROWS).astype(float)
    problem = wb.bind(counts.negative_binomial, regression(weights), engine=engine)
    whole, theta = problem.derivatives(problem.start(), 1.0), problem.start()
    product = problem.hessian_product(theta, np.arange(4.0))
    values = problem.values(theta + np.linspace(0, 1, 3)[:, None])
    monkeypatch.setattr(blocks, "LONGEST", 32)
    monkeypatch.setattr(blocks, "SHORTEST", 32)
    again = wb.bind(counts.negative_binomial, regression(weights), engine=engine)
    assert {len(block[0]) for block in again._blocks(None)} == {32}
    for one, other in zip(again.derivatives(theta, 1.0), whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)  # the same terms in another order
    np.testing.assert_allclose(again.hessian_product(theta, np.arange(4.0)), product, rtol=1e-12)
    np.testing.assert_allclose(
        again.values(theta + np.linspace(0, 1, 3)[:, None]), values, rtol=1e-13
    )
    value, gradient = again.value_and_gradient(theta, 1.0)
    np.testing.assert_allclose(value, whole[0], rtol=1e-13)
    np.testing.assert_allclose(gradient, whole[1], rtol=1e-12)


def test_other_numbers_of_rows_need_no_new_functions(short_blocks):
    data = regression()
    problem = wb.bind(counts.poisson, data.isel(row=slice(0, 100)))
    theta = problem.start()
    problem.derivatives(theta)
    other = problem.on(data)
    assert {len(block[0]) for block in other._blocks(None)} == {32}
    terms = stats.poisson.logpmf(data["y"], np.exp(data["X"].values @ theta))
    assert other.derivatives(theta)[0] == pytest.approx(-terms.sum(), rel=1e-13)


def test_a_row_of_weight_zero_is_read_in_no_block(short_blocks):
    """Its outcome has no density: the other rows' sum is untouched, and so is its gradient."""
    rng = np.random.default_rng(1)
    y, weights = rng.lognormal(size=100), np.ones(100)
    y[[5, 40, 99]], weights[[5, 40, 99]] = -1.0, 0.0
    problem = wb.bind(lognormal, dataset(y, weight=weights))
    value, gradient, hessian = problem.derivatives(problem.start())
    counted = wb.bind(lognormal, dataset(y[weights > 0]))
    expected = counted.derivatives(problem.start())
    for one, other in zip((value, gradient, hessian), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)


def test_a_prior_that_reads_the_rows_keeps_them_together(short_blocks):
    y = np.linspace(1.0, 9.0, 90)
    with pm.Model() as model:
        data = pm.Data("y", y)
        top = pm.Uniform("top", 0.0, data.max() + 1.0)
        pm.Normal("outcome", top, 1.0, observed=data)
    problem = wb.bind(model)
    assert len(problem._blocks(None)) == 1
    assert problem.sample(np.random.default_rng(0)) is None
    fit = wb.maximum_likelihood(problem)
    assert fit.params["top"] == pytest.approx(y.mean(), rel=1e-12)


def test_a_sample_stands_for_all_rows(short_blocks):
    weights = np.random.default_rng(0).integers(0, 3, ROWS).astype(float)
    problem = wb.bind(counts.poisson, regression(weights))
    sample = problem.sample(np.random.default_rng(1))
    assert sample.rows.count == 32
    assert sample.rows.weights.sum() == pytest.approx(weights.sum(), rel=1e-14)
    assert (sample.rows.weights > 0).all()
    assert set(sample.rows.labels) <= set(problem.rows.labels[weights > 0])
    # Of many samples the mean is the sum over all rows, for weights all alike.
    alike = wb.bind(counts.poisson, regression())
    theta = alike.start()
    rng = np.random.default_rng(2)
    drawn = [alike.sample(rng).derivatives(theta)[0] for _ in range(300)]
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert abs(np.mean(drawn) - alike.derivatives(theta)[0]) < 4 * error


def test_few_rows_have_no_sample():
    assert wb.bind(counts.poisson, regression()).sample(np.random.default_rng(0)) is None


# ---- what is found by way of a sample


def fitted(data, definition=counts.negative_binomial, **options):
    return wb.maximum_likelihood(wb.bind(definition, data), **options)


def same(fit, other):
    np.testing.assert_allclose(fit.params, other.params, atol=1e-9 * other.bse.max())
    np.testing.assert_allclose(fit.bse, other.bse, rtol=1e-9)
    assert fit.llf == pytest.approx(other.llf, rel=1e-13)
    assert fit.status == other.status


@pytest.mark.slow
def test_the_optimum_is_that_of_all_rows(monkeypatch):
    data = regression(np.random.default_rng(0).integers(0, 3, ROWS).astype(float))
    direct = fitted(data)
    monkeypatch.setattr(blocks, "LONGEST", 40)
    monkeypatch.setattr(blocks, "SHORTEST", 40)
    fit = fitted(data)
    assert fit.problem.sample(np.random.default_rng(0)) is not None
    same(fit, direct)
    assert [one.name for one in fit.optimum.starts] == [one.name for one in direct.optimum.starts]
    initial = fit.optimum.starts[0]
    np.testing.assert_array_equal(initial.begin, fit.problem.start())
    # The way is told by values of all rows, from where the search began.
    assert initial.values[0] == pytest.approx(fit.problem.derivatives(initial.begin)[0], rel=1e-13)
    assert list(initial.values) == sorted(initial.values, reverse=True)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"fixed": {"beta[x2]": -0.3}},
                                     {"bounds": {"alpha": (2.5, 9.0)}}])  # fmt: skip
def test_held_and_bounded_parameters_stay_so(options, monkeypatch):
    direct = fitted(regression(), **options)
    monkeypatch.setattr(blocks, "LONGEST", 40)
    monkeypatch.setattr(blocks, "SHORTEST", 40)
    fit = fitted(regression(), **options)
    np.testing.assert_allclose(fit.params, direct.params, rtol=1e-8)
    assert fit.status == direct.status


@pytest.mark.slow
def test_a_level_that_the_sample_lacks_is_found_on_all_rows(monkeypatch):
    """Two rows of a kind of their own: most samples have none, and their coefficient runs away."""
    data = regression()
    X = np.column_stack([data["X"].values, np.isin(np.arange(ROWS), [17, 90])])
    y = data["y"].values.copy()
    y[[17, 90]] = 3, 5
    rare = dataset(y, X[:, 1:])
    direct = fitted(rare, counts.poisson)
    monkeypatch.setattr(blocks, "LONGEST", 40)
    monkeypatch.setattr(blocks, "SHORTEST", 40)
    for seed in range(5):
        same(fitted(rare, counts.poisson, rng=np.random.default_rng(seed)), direct)
    assert direct.status == "a minimum"


def test_draws_of_rows_share_the_arrays(short_blocks):
    problem = wb.bind(counts.poisson, regression())
    weights = np.random.default_rng(0).multinomial(ROWS, np.full(ROWS, 1 / ROWS)).astype(float)
    drawn, theta = problem.redrawn(weights), problem.start()
    expected = problem.derivatives(theta, weights=weights)
    for one, other in zip(drawn.derivatives(theta), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)
    assert drawn._blocks(None)[0][1] is problem._blocks(None)[0][1]
