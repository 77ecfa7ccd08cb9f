"""Hessians put together from linear predictors, against those taken directly, number by number."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import workbench as wb
from tests.marking import slow_but
from workbench.problem import blocks, second_order

ROWS, TERMS = 60, 5


def random(seed=0):
    return np.random.default_rng(seed)


def declared(kind):
    """Declarations that read their rows through products with coefficients, in one way each."""
    rng = random()
    design, other = rng.normal(size=(ROWS, TERMS)), rng.normal(size=(ROWS, 3))
    with pm.Model() as model:
        X, Z = pm.Data("X", design), pm.Data("Z", other)
        counts = pm.Data("counts", rng.poisson(2.0, ROWS))
        y = pm.Data("y", rng.normal(size=ROWS))
        if kind == "categories, a matrix of coefficients":
            beta = pm.Normal("beta", shape=(TERMS, 2))
            linear = pt.concatenate([pt.zeros((X.shape[0], 1)), X @ beta], axis=1)
            pm.Categorical("outcome", logit_p=linear, observed=pm.Data("c", counts.eval() % 3))
            return model
        beta, gamma = pm.Normal("beta", shape=TERMS), pm.Normal("gamma", shape=3)
        alpha, sigma = pm.Normal("alpha"), pm.HalfNormal("sigma")
        match kind:
            case "one predictor and a scale":
                pm.Normal("outcome", X @ beta, sigma, observed=y)
            case "two predictors":
                pm.Normal("outcome", X @ beta, pt.exp(Z @ gamma), observed=y)
            case "two predictors and an intercept":
                pm.NegativeBinomial(
                    "outcome", mu=pt.exp(alpha + X @ beta), alpha=pt.exp(Z @ gamma), observed=counts
                )
            case "one coefficient in two predictors":
                pm.ZeroInflatedPoisson(
                    "outcome", psi=pm.math.sigmoid(X @ beta), mu=pt.exp(X @ beta + Z @ gamma),
                    observed=counts,
                )  # fmt: skip
            case "a coefficient that rows read besides":
                pm.Normal("outcome", X @ beta + pt.sin(beta[1]), pt.exp(Z @ gamma), observed=y)
            case "coefficients that are functions of theta":
                pm.Normal("outcome", X @ (beta * sigma + alpha**2), sigma, observed=y)
            case "a layer of products within another":
                layer = pt.tanh(X @ pt.stack([beta, pt.roll(beta, 1), beta**2]).T)
                pm.Normal("outcome", layer @ gamma, 1.0, observed=y)
            case "a part of the columns":
                pm.Normal("outcome", X[:, 1:] @ beta[:-1] + beta[-1] * X[:, 0], sigma, observed=y)
            case "weights on the columns":
                pm.StudentT(
                    "outcome", nu=5.0, mu=(X * np.arange(1.0, 6.0)) @ beta, sigma=sigma, observed=y
                )
    return model


KINDS = [
    "one predictor and a scale",
    "two predictors",
    "two predictors and an intercept",
    "one coefficient in two predictors",
    "a coefficient that rows read besides",
    "coefficients that are functions of theta",
    "a layer of products within another",
    "a part of the columns",
    "weights on the columns",
    "categories, a matrix of coefficients",
]


# A declaration takes seconds to compile both ways; a few stand for all where time is short.
QUICK = {
    "one predictor and a scale",
    "two predictors and an intercept",
    "coefficients that are functions of theta",
    "weights on the columns",
}


@pytest.mark.parametrize(
    "cut",
    [pytest.param(False, id="at once"), pytest.param(True, id="in blocks", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("kind", slow_but(QUICK, KINDS))
def test_the_two_ways_agree(kind, cut, monkeypatch):
    if cut:
        monkeypatch.setattr(blocks, "LONGEST", 25)
        monkeypatch.setattr(blocks, "SHORTEST", 25)
    model, weights = declared(kind), random(2).integers(0, 3, ROWS).astype(float)
    monkeypatch.setattr(second_order, "WORTH", np.inf)
    directly = wb.bind(model)
    theta = directly.start() + 0.3 * random(1).normal(size=len(directly.start()))
    expected = directly.derivatives(theta, 0.0, weights)

    used = []
    pays = second_order.Structured.pays
    monkeypatch.setattr(
        second_order.Structured, "pays", lambda *given: used.append(pays(*given)) or used[-1]
    )
    monkeypatch.setattr(second_order, "WORTH", 1)
    found = wb.bind(model).derivatives(theta, 0.0, weights)

    assert used == [True]
    for one, other in zip(found, expected, strict=True):
        # The same sums in another order: some units in the last place of the largest term.
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12 * np.abs(other).max())


def test_more_predictors_than_parameters_are_taken_directly(monkeypatch):
    monkeypatch.setattr(second_order, "WORTH", 1)
    with pm.Model() as model:
        X = pm.Data("X", random().normal(size=(ROWS, 1)))
        beta = pm.Normal("beta", shape=1)
        pm.Normal("outcome", X @ beta, 1.0, observed=pm.Data("y", random(1).normal(size=ROWS)))
    problem = wb.bind(model)
    value, gradient, hessian = problem.derivatives(np.array([0.5]))

    design, y = random().normal(size=(ROWS, 1)), random(1).normal(size=ROWS)
    np.testing.assert_allclose(hessian, design.T @ design, rtol=1e-13)
    np.testing.assert_allclose(gradient, -design.T @ (y - design[:, 0] * 0.5), rtol=1e-12)
    assert value == pytest.approx(
        0.5 * np.sum((y - design[:, 0] * 0.5) ** 2) + 0.5 * ROWS * np.log(2 * np.pi), rel=1e-13
    )


def test_many_parameters_without_a_predictor_have_the_same_second_derivatives(monkeypatch):
    """So many forward passes are made some at a time."""
    groups = random().integers(0, 30, 200)
    with pm.Model() as model:
        a = pm.Normal("a", shape=30)
        code = pm.Data("code", groups)
        pm.Normal("outcome", a[code], 1.0, observed=pm.Data("y", random(1).normal(size=200)))
    monkeypatch.setattr(second_order, "TOGETHER", 7)
    hessian = wb.bind(model).hessian(np.zeros(30))
    np.testing.assert_array_equal(hessian, np.diag(np.bincount(groups, minlength=30)))
