"""Checks within PyMC's graphs: none is lost on the way to JAX, and none makes noise."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from pytensor.link.jax.dispatch import jax_funcify
from scipy import special, stats

import workbench as wb
from tests.declarations import dataset
from workbench.problem.lowerings import for_jax


def between_limits(data):
    """Normal, censored on either side at limits of its rows' own."""
    with pm.Model() as model:
        y, lower, upper = (
            pm.Data(name, data[name], dims="row") for name in ("y", "lower", "upper")
        )
        base = pm.Normal.dist(pm.Normal("mu", 0.0, 10.0), 1.0)
        pm.Censored("outcome", base, lower=lower, upper=upper, observed=y, dims="row")
    return model


ENGINES = pytest.mark.parametrize("engine", ["jax", "pytensor"])
LIMITS = {"lower": np.array([-1.0, -1.0, 0.5]), "upper": np.array([2.0, 1.5, 3.0])}


@ENGINES
def test_limits_of_the_rows_own_bind_without_a_warning(engine):
    y = np.array([-1.0, 1.5, 0.7])
    problem = wb.bind(between_limits, dataset(y, **LIMITS), engine=engine)
    row = stats.norm(0.4, 1.0)
    censored = np.where(y == LIMITS["upper"], row.logsf(y), row.logpdf(y))
    expected = np.where(y == LIMITS["lower"], row.logcdf(y), censored)
    np.testing.assert_allclose(problem.pointwise(np.array([0.4])), expected, rtol=1e-13)


@ENGINES
def test_limits_that_cross_make_the_rows_impossible(engine):
    crossed = LIMITS | {"upper": np.array([-2.0, 1.5, 3.0])}
    problem = wb.bind(between_limits, dataset([-1.5, 1.5, 0.7], **crossed), engine=engine)
    assert problem.value_and_gradient(np.array([0.4]))[0] == np.inf


@ENGINES
def test_categories_that_are_absent_from_a_row_bind_without_a_warning(engine):
    def declared(data):
        with pm.Model() as model:
            x, absent = (
                pm.Data(name, data[name], dims=("row", "category")) for name in ("x", "absent")
            )
            y = pm.Data("y", data["y"].astype(int), dims="row")
            eta = pt.switch(absent, -np.inf, x * pm.Normal("beta", 0.0, 10.0))
            pm.Categorical("outcome", logit_p=eta, observed=y, dims="row")
        return model

    x = np.array([[0.1, 0.4, -0.2], [1.0, 0.3, 0.0], [0.5, -0.5, 0.2]])
    absent = np.array([[False, False, True], [False, False, False], [True, False, False]])
    dims = ("row", "category")
    data = xr.Dataset({"x": (dims, x), "absent": (dims, absent), "y": ("row", [1.0, 0.0, 2.0])})
    problem = wb.bind(declared, data, engine=engine)
    shares = special.log_softmax(np.where(absent, -np.inf, 0.7 * x), axis=1)
    expected = shares[np.arange(3), [1, 0, 2]]
    np.testing.assert_allclose(problem.pointwise(np.array([0.7])), expected, rtol=1e-13)
    assert np.isfinite(problem.value_and_gradient(np.array([0.7]))[1]).all()


def test_a_choice_between_two_values_of_one_function_computes_it_once():
    """switch(c, f(a), f(b)) = f(switch(c, a, b)), as deep as the two sides are alike."""
    x, y = pt.vectors("xy")
    chosen = pt.switch(x > 0, -pt.softplus(-x), -pt.softplus(y))
    graph = for_jax([x, y], [chosen])
    softplus = [node for node in graph.apply_nodes if "softplus" in str(node.op).lower()]
    assert len(softplus) == 1
    values = np.array([-2.0, 0.5, 3.0]), np.array([1.0, -7.0, 0.2])
    found = np.asarray(jax_funcify(graph)(*values)[0])
    expected = -np.logaddexp(0, np.where(values[0] > 0, -values[0], values[1]))
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_sides_of_other_functions_stay_as_they_are():
    x = pt.vector("x")
    graph = for_jax([x], [pt.switch(x > 0, pt.exp(x), pt.sin(x))])
    values = np.array([-2.0, 0.5])
    np.testing.assert_allclose(
        np.asarray(jax_funcify(graph)(values)[0]), [np.sin(-2.0), np.exp(0.5)], rtol=1e-15
    )


def test_a_skew_normals_far_side_is_finite():
    """PyMC's log(1 + erf) is -inf there, and its gradient NaN."""
    y = np.array([-4.0, -1.0, 0.5, 3.0])
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 0.0, 10.0)
        pm.SkewNormal("outcome", mu=0.0, sigma=0.5, alpha=alpha, observed=pm.Data("y", y))
    problem = wb.bind(model)
    theta = np.array([4.0])
    expected = stats.skewnorm.logpdf(y, 4.0, scale=0.5)
    np.testing.assert_allclose(problem.pointwise(theta), expected, rtol=1e-9)
    _, gradient, hessian = problem.derivatives(theta)
    step = 1e-5
    slope = [stats.skewnorm.logpdf(y, 4.0 + sign * step, scale=0.5).sum() for sign in (1, -1)]
    assert gradient[0] == pytest.approx(-(slope[0] - slope[1]) / (2 * step), rel=1e-6)
    assert np.isfinite(hessian).all()
