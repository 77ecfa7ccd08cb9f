"""What is seen around an optimum, however bad the start that gave the units was."""

import numpy as np
import pymc as pm
import pytest

import workbench as wb
from tests import declarations
from tests.declarations import dataset
from workbench.optimum import Status, point
from workbench.optimum.probes import limit

RNG = np.random.default_rng(5)
NOISE, COLUMN = RNG.normal(size=(2, 100))


def linear_from_one(data):
    """Normal regression, searched from coefficients of zero and a sigma of one."""
    with pm.Model(coords={"term": data["term"].values}) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"], dims="row")
        mean = X @ pm.Normal("beta", 0.0, 10.0, dims="term")
        pm.Normal("outcome", mean, pm.HalfFlat("sigma", initval=1.0), observed=y, dims="row")
    return model


@pytest.mark.parametrize(("mean", "spread"), [(1e7, 1e6), (1e7, 1.0), (1e9, 1e3)])
def test_a_start_at_a_hopeless_scale_is_no_alarm(mean, spread):
    # At mean zero and sigma one a row seems to tell log sigma to a ten-millionth and better.
    y = mean + spread * (NOISE + 0.3 * COLUMN)
    fit = wb.maximum_likelihood(wb.bind(linear_from_one, dataset(y, COLUMN)))
    assert fit.status == Status.MINIMUM
    design = np.column_stack([np.ones(100), COLUMN])
    coefficients, squares, *_ = np.linalg.lstsq(design, y)
    # The rows' own rounding is 1e-16 of their mean, and this many of their errors.
    np.testing.assert_allclose(fit.params.iloc[:2], coefficients, atol=1e-7 * spread)
    assert fit.params["sigma"] == pytest.approx(np.sqrt(squares[0] / 100), rel=1e-6)
    assert fit.bse["sigma"] == pytest.approx(fit.params["sigma"] / np.sqrt(200), rel=1e-6)


def test_a_flat_likelihood_is_one_whatever_the_start():
    y = 1e7 + 1e6 * NOISE
    fit = wb.maximum_likelihood(
        wb.bind(linear_from_one, dataset(y, np.column_stack([COLUMN, 2 * COLUMN])))
    )
    assert fit.status == Status.NOT_IDENTIFIED


class Decaying:
    """exp(a) + b^2: a goes to minus infinity, b to zero."""

    longest = np.ones(2)
    name = "likelihood"

    def values(self, thetas):
        return np.exp(thetas[:, 0]) + thetas[:, 1] ** 2

    def derivatives(self, theta):
        rate = np.exp(theta[0])
        gradient = np.array([rate, 2 * theta[1]])
        return rate + theta[1] ** 2, gradient, np.diag([rate, 2.0])


def test_the_way_to_a_limit_is_gone_until_nothing_is_left_of_it():
    objective = Decaying()
    here = point(objective, np.array([-9.0, 0.0]))
    # The company of the main coordinate stays where it is.
    there = limit(objective, here, np.array([-1.0, 0.01]))
    assert there[1] == 0.0
    # Ten roundings of one nat, and no farther than a factor e beyond them.
    assert -35 < there[0] <= np.log(10 * np.finfo(float).eps)


def test_a_variance_of_zero_has_the_likelihood_of_the_model_without_it():
    errors = np.array([10.0, 12.0, 9.0, 11.0])
    y = np.array([3.0, 4.0, 2.0, 5.0])
    fit = wb.maximum_likelihood(wb.bind(declarations.known_errors, dataset(y, se=errors)))
    weights = errors**-2 / np.sum(errors**-2)
    pooled = weights @ y
    llf = -0.5 * np.sum(np.log(2 * np.pi * errors**2) + ((y - pooled) / errors) ** 2)
    assert fit.status == Status.IRREGULAR
    assert fit.llf == pytest.approx(llf, abs=1e-10)
    assert fit.params["tau"] < 1e-3
    assert fit.params["mu"] == pytest.approx(pooled, abs=1e-6)
