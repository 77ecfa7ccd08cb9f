"""Criteria without held-out rows, against closed forms and statsmodels."""

import numpy as np
import pymc as pm
import pytest
from statsmodels.tools.eval_measures import aicc

import workbench as wb
from models import continuous
from tests.declarations import dataset

RNG = np.random.default_rng(7)
X = RNG.normal(size=(60, 2))
SPREAD = 0.5  # of the prior


@pytest.fixture(scope="module")
def five():
    """Theory's five numbers, a normal without predictors."""
    rows = dataset([1.2, -0.7, 0.4, 2.5, 0.1])
    return wb.maximum_likelihood(wb.bind(continuous.normal, rows))


def test_criteria_of_a_normal_have_their_published_values(five):
    assert -five.llf / 5 == pytest.approx(1.50169575244346, abs=1e-12)
    assert five.aic == pytest.approx(19.0169575244346, abs=1e-10)
    assert five.effective_parameters == pytest.approx(1.54419706980753, abs=1e-6)
    assert five.tic == pytest.approx(2 * 1.54419706980753 + 10 * 1.50169575244346, abs=1e-6)
    assert five.aicc == pytest.approx(aicc(five.llf, 5, 2), rel=1e-12)
    assert five.edf == 2


def test_a_correction_for_few_rows_is_infinite_where_there_are_fewer():
    few = wb.maximum_likelihood(wb.bind(continuous.normal, dataset([1.2, -0.7, 0.4])))
    assert few.aicc == np.inf


def ridge(data):
    with pm.Model(coords={"term": data["term"].values}) as model:
        design, y = (
            pm.Data("X", data["X"], dims=("row", "term")),
            pm.Data("y", data["y"], dims="row"),
        )
        beta = pm.Normal("beta", 0.0, SPREAD, dims="term")
        pm.Normal("outcome", design @ beta, 1.0, observed=y, dims="row")
    return model


def test_a_prior_takes_parameters_away():
    """Ridge regression: edf tr (X'X + I/s^2)^-1 X'X, and Shibata's trace with centred scores."""
    data = dataset(X @ [1.0, -0.5] + RNG.normal(size=60), X)
    fit = wb.maximum_a_posteriori(wb.bind(ridge, data))
    design, y = data["X"].values, data["y"].values
    rows = design.T @ design
    penalised = rows + np.eye(3) / SPREAD**2
    beta = np.linalg.solve(penalised, design.T @ y)
    assert fit.edf == pytest.approx(np.trace(np.linalg.solve(penalised, rows)), rel=1e-9)
    scores = design * (y - design @ beta)[:, None]
    centred = scores - scores.mean(axis=0)
    trace = np.trace(np.linalg.solve(penalised, centred.T @ centred))
    assert fit.tic == pytest.approx(2 * trace - 2 * fit.llf, rel=1e-8)
    with pytest.raises(wb.ModelError, match="AICc is defined for a maximum of the likelihood"):
        _ = fit.aicc
