"""Many parameters: the way there without a Hessian, and a Hessian without more than itself."""

import jax
import numpy as np
import pymc as pm
import pytest
import xarray as xr

import workbench as wb
from models import binary, continuous, counts
from workbench.optimum.search import WIDE
from workbench.problem.blocks import NUMBERS


def design(rows, columns, rng):
    X = np.column_stack([np.ones(rows), rng.normal(size=(rows, columns - 1))])
    terms = [f"x{number}" for number in range(columns)]
    return X, lambda y: xr.Dataset(
        {"y": ("row", y), "X": (("row", "term"), X)}, coords={"term": terms}
    )


@pytest.fixture(scope="module")
def linear():
    rng = np.random.default_rng(0)
    X, data = design(1_200, WIDE + 50, rng)
    y = X @ rng.normal(size=X.shape[1]) + rng.normal(size=len(X))
    return X, y, wb.maximum_likelihood(wb.bind(continuous.normal, data(y)))


def test_least_squares_is_found_to_the_last_digits(linear):
    X, y, fit = linear
    beta, squares = np.linalg.lstsq(X, y, rcond=None)[:2]

    assert fit.status == "a minimum"
    assert [start.end.theta.shape for start in fit.optimum.starts] == [(len(beta) + 1,)] * 3
    sigma = np.sqrt(squares[0] / len(y))
    errors = sigma * np.sqrt(np.diag(np.linalg.inv(X.T @ X)))
    np.testing.assert_allclose(fit.params.to_numpy()[:-1], beta, atol=1e-9 * errors.max())
    np.testing.assert_allclose(fit.params["sigma"], sigma, rtol=1e-11)
    np.testing.assert_allclose(fit.bse.to_numpy()[:-1], errors, rtol=1e-9)


@pytest.mark.slow
def test_two_thousand_columns():
    rng = np.random.default_rng(5)
    X, data = design(4_000, 2_000, rng)
    y = X @ rng.normal(size=X.shape[1]) + rng.normal(size=len(X))
    fit = wb.maximum_likelihood(wb.bind(continuous.normal, data(y)))
    assert fit.status == "a minimum"
    beta = np.linalg.lstsq(X, y, rcond=None)[0]
    np.testing.assert_allclose(fit.params.to_numpy()[:-1], beta, atol=1e-8 * fit.bse.max())


@pytest.mark.slow
def test_a_held_coefficient_is_held_among_many(linear):
    X, y, fit = linear
    held = wb.maximum_likelihood(fit.problem, fixed={"beta[x3]": 0.5})
    others = np.delete(X, 3, axis=1)
    beta = np.linalg.lstsq(others, y - 0.5 * X[:, 3], rcond=None)[0]
    np.testing.assert_allclose(
        np.delete(held.params.to_numpy()[:-1], 3), beta, atol=1e-9 * fit.bse.max()
    )


def test_a_column_without_variation_is_named_among_many():
    rng = np.random.default_rng(1)
    X, data = design(900, WIDE + 20, rng)
    X[:, 7] = 2 * X[:, 5]
    fit = wb.maximum_likelihood(wb.bind(continuous.normal, data(rng.normal(size=len(X)))))
    assert fit.status == "not identified"
    assert "beta[x5]" in fit.optimum.verdict.advice
    assert "beta[x7]" in fit.optimum.verdict.advice


def test_a_posterior_without_a_linear_predictor_has_its_closed_form():
    """Means of groups, shrunk: the mode is sum / (count + 1 / 4)."""
    rng = np.random.default_rng(2)
    groups = rng.integers(0, WIDE + 40, 3_000)
    y = rng.normal(size=3_000) + rng.normal(size=WIDE + 40)[groups]
    with pm.Model() as model:
        mean = pm.Normal("mean", 0.0, 2.0, shape=WIDE + 40)
        code = pm.Data("code", groups)
        pm.Normal("outcome", mean[code], 1.0, observed=pm.Data("y", y))
    fit = wb.maximum_a_posteriori(wb.bind(model))

    counts = np.bincount(groups, minlength=WIDE + 40)
    sums = np.bincount(groups, weights=y, minlength=WIDE + 40)
    np.testing.assert_allclose(fit.params, sums / (counts + 0.25), atol=1e-10)
    np.testing.assert_allclose(fit.bse, 1 / np.sqrt(counts + 0.25), rtol=1e-11)


@pytest.mark.slow
def test_a_start_beyond_all_numbers_is_survived():
    """exp(X beta) overflows on most ways down from here."""
    rng = np.random.default_rng(3)
    X, data = design(1_500, WIDE + 20, rng)
    y = rng.poisson(np.exp(0.5 + X[:, 1:4].sum(axis=1) / 4)).astype(float)
    problem = wb.bind(counts.poisson, data(y))
    fit = wb.maximum_likelihood(problem, start={"beta[x0]": 30.0})
    assert fit.status == "a minimum"
    residual = y - np.exp(X @ fit.params.to_numpy())
    np.testing.assert_allclose(X.T @ residual / np.sqrt(y.sum()), 0.0, atol=1e-6)


@pytest.mark.parametrize("columns", [100, 400])
def test_no_pass_over_the_rows_takes_more_memory_than_a_few_hessians_or_blocks(columns):
    """JAX's own count of what the compiled function needs beside its arguments and results."""
    rng = np.random.default_rng(4)
    X, data = design(20_000, columns, rng)
    problem = wb.bind(binary.logit, data(rng.integers(0, 2, len(X)).astype(float)))
    block, form = problem._blocks(None)[0], problem.functions._made_by["jax"]._by_predictors
    compiled = jax.jit(form.reduced).lower(problem.start(), *block).compile()
    numbers = compiled.memory_analysis().temp_size_in_bytes / 8
    assert len(block[0]) * columns <= NUMBERS
    assert numbers < 4 * columns**2 + 4 * NUMBERS  # an array by row and column: 20,000 x columns
