"""Derivatives where reverse differentiation has none: choices whose other side is infinite."""

import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
import pytest
from scipy import stats

import workbench as wb
from tests.declarations import dataset
from workbench.problem import forward
from workbench.problem.jax_engine import UNSUPPORTED, _pair
from workbench.problem.second_order import packed


def censored_above(data):
    """Normal around a mean, censored where y stands at its row's limit."""
    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        limit = pm.Data("limit", data["limit"], dims="row")
        base = pm.Normal.dist(pm.Normal("mu", 0.0, 10.0), pm.HalfFlat("sigma"))
        pm.Censored("outcome", base, lower=None, upper=limit, observed=y, dims="row")
    return model


# At the start, mu = 0 and sigma = 1, these rows are up to 60 standard deviations out: PyMC's log
# distribution function has an infinite side there, which the condition does not choose.
FAR_OUT = dataset([8.0, 9.0, -12.0, 60.0, 10.0], limit=[20.0, 9.0, 20.0, 70.0, 20.0])


@pytest.fixture(scope="module")
def problem():
    return wb.bind(censored_above, FAR_OUT)


def closed_form(theta):
    (mu, log_sigma), (y, limit) = theta, (FAR_OUT[name].values for name in ("y", "limit"))
    row = stats.norm(mu, np.exp(log_sigma))
    return -np.where(y == limit, row.logsf(y), row.logpdf(y)).sum()


def differences(function, theta, step):
    return np.array([(function(theta + h) - function(theta - h)) / (2 * step)
                     for h in step * np.eye(len(theta))])  # fmt: skip


def test_rows_far_from_a_censored_mean_leave_the_derivatives_finite(problem):
    theta = problem.start()
    value, gradient, hessian = problem.derivatives(theta)
    assert value == pytest.approx(closed_form(theta), rel=1e-14)
    np.testing.assert_allclose(gradient, differences(closed_form, theta, 1e-5), rtol=1e-8)
    slope = problem.value_and_gradient(theta)[1]
    np.testing.assert_allclose(slope, gradient, rtol=1e-13)

    def gradient_at(point):
        return problem.derivatives(point)[1]

    np.testing.assert_allclose(hessian, differences(gradient_at, theta, 1e-5), rtol=1e-8)


def test_a_fit_starts_there(problem):
    fit = wb.maximum_likelihood(problem)
    assert fit.status == "a minimum"
    assert fit.llf == pytest.approx(-closed_form(fit.theta), rel=1e-13)


def never(*arguments):
    """Derivatives that nobody should ask for."""
    raise AssertionError


def as_it_is(theta, vector):
    return vector


@pytest.mark.parametrize("found", [np.array([1.0, 2.0]), np.array([np.inf, np.nan])])
def test_finite_derivatives_and_infinite_values_ask_for_no_others(found):
    reverse, forbidden = (lambda theta: found, as_it_is), (never, as_it_is)
    derivatives = forward.with_forward(reverse, forbidden, UNSUPPORTED)
    assert derivatives(np.ones(2)) is found


@pytest.mark.parametrize("order", [forward.first_order, forward.second_order])
def test_forward_derivatives_are_those_of_reverse(order):
    def objective(theta, weight):
        return weight * jnp.exp(theta[0]) * theta[1] ** 3

    theta = np.array([0.3, -1.2])
    value, slope, *curvature = order(objective)(jnp.asarray(theta), 2.0)
    assert value == objective(theta, 2.0)
    np.testing.assert_allclose(slope, jax.grad(objective)(theta, 2.0), rtol=1e-14)
    for hessian in curvature:
        np.testing.assert_allclose(hessian, jax.hessian(objective)(theta, 2.0), rtol=1e-14)


def test_what_has_no_forward_derivative_keeps_what_it_has():
    @jax.custom_vjp
    def objective(theta):
        return theta.sum()

    objective.defvjp(lambda theta: (theta.sum(), None), lambda _, slope: (jnp.full(2, jnp.nan),))

    def reverse(theta):
        return np.asarray(packed(*jax.value_and_grad(objective)(theta)))

    other = jax.jit(forward.first_order(objective))
    ways = (reverse, _pair), (lambda theta: np.asarray(packed(*other(theta))), _pair)
    value, slope = forward.with_forward(*ways, UNSUPPORTED)(np.ones(2))
    assert value == 2.0
    assert np.isnan(slope).all()
