"""What a row weighs: hat values, statsmodels' own influence, weights moved, rows deleted."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import workbench as wb
from models import binary, counts
from tests.declarations import dataset
from tests.test_leaving_out import fitted, known_spread, logistic

N = 60


@pytest.fixture(scope="module")
def lines():
    """Least squares with a known spread of 1."""
    rng = np.random.default_rng(21)
    X = rng.normal(size=(N, 2))
    return fitted(known_spread, dataset(X @ [1.0, -2.0] + rng.normal(size=N), X))


@pytest.fixture(scope="module")
def poisson():
    rng = np.random.default_rng(22)
    X = rng.normal(size=(N, 2))
    return fitted(counts.poisson, dataset(rng.poisson(np.exp(0.5 + X @ [0.5, -0.3])), X))


def test_least_squares_have_hat_values_and_cooks_distances(lines):
    found = wb.influence(lines)
    data = lines.problem.dataset
    X, y = data["X"].values, data["y"].values
    cross = np.linalg.inv(X.T @ X)
    hat, residual = np.diag(X @ cross @ X.T), y - X @ cross @ X.T @ y
    np.testing.assert_allclose(found.leverage, hat, rtol=1e-10)
    np.testing.assert_allclose(found.displacement, residual**2 * hat, rtol=1e-8)  # sigma is 1
    slopes = residual[:, None] * (X @ cross)
    np.testing.assert_allclose(found.sensitivities, slopes, rtol=1e-8, atol=1e-12)
    moved = -slopes / (1 - hat)[:, None] / np.sqrt(np.diag(cross))
    np.testing.assert_allclose(found.changes, moved, rtol=1e-8, atol=1e-11)


def test_a_deleted_row_moves_the_parameters_as_told(lines):
    found, problem = wb.influence(lines), lines.problem
    for row in (0, 17):
        without = wb.maximum_likelihood(problem.redrawn(1.0 - (np.arange(N) == row)))
        moved = (without.params - lines.params) / lines.bse
        np.testing.assert_allclose(found.changes.loc[row], moved, atol=2e-6)  # where searches end
        # twice the nats that all rows lose there, 1 / (1 - h)^2 of its first order
        lost = 2 * (lines.llf + problem.derivatives(without.theta)[0])
        left = (1 - found.leverage[row]) ** 2
        assert found.displacement[row] / left == pytest.approx(lost, rel=1e-6)


def test_glm_influence_is_statsmodels(poisson):
    found, data = wb.influence(poisson), poisson.problem.dataset
    model = sm.GLM(data["y"].values, data["X"].values, family=sm.families.Poisson())
    theirs = model.fit(tol=1e-12).get_influence()
    np.testing.assert_allclose(found.leverage, theirs.hat_matrix_diag, rtol=1e-6)
    # Pearson's residual squared times h, which statsmodels divides by k and by (1 - h)^2
    cooks = theirs.cooks_distance[0] * 3 * (1 - theirs.hat_matrix_diag) ** 2
    np.testing.assert_allclose(found.displacement, cooks, rtol=1e-5)
    one_step = theirs.d_params  # by their own one-step approximation
    errors = poisson.standard_errors("observed").to_numpy()
    np.testing.assert_allclose(-found.changes * errors, one_step, rtol=1e-5, atol=1e-9)


def test_a_weight_moves_the_parameters_by_the_sensitivity(poisson):
    found, problem, small = wb.influence(poisson), poisson.problem, 1e-3
    for row in (3, 40):
        fits = [
            wb.maximum_likelihood(problem.redrawn(1.0 + sign * small * (np.arange(N) == row)))
            for sign in (1, -1)
        ]
        moved = (fits[0].params - fits[1].params) / (2 * small)
        # a millionth of a standard error, where searches end, over the step
        allowed = 1e-6 * poisson.bse.max() / small
        np.testing.assert_allclose(found.sensitivities.loc[row], moved, atol=allowed)


def test_leverages_add_up_to_the_parameters_and_displacements_to_the_effective_ones(poisson):
    for fit in (poisson, logistic()):
        found = wb.influence(fit)
        assert found.leverage.sum() == pytest.approx(fit.k, rel=1e-9)
        assert found.displacement.sum() == pytest.approx(fit.effective_parameters, rel=1e-6)


def test_a_group_weighs_what_its_rows_do_together():
    rng = np.random.default_rng(23)
    towns = rng.permutation(np.repeat(list("abcdef"), 10))
    frame = pd.DataFrame({"x": rng.normal(size=N), "town": towns})
    frame["y"] = rng.poisson(np.exp(0.5 + 0.5 * frame["x"]))
    table = wb.read(frame, group="town")
    fit = fitted(counts.poisson, wb.design("y ~ x", table)(table))
    found = wb.influence(fit)
    assert sorted(found.labels) == list("abcdef")
    assert found.changes.index.name == "group"
    assert found.leverage.sum() == pytest.approx(2, rel=1e-9)
    assert found.displacement.sum() == pytest.approx(fit.effective_parameters, rel=1e-6)
    weights = np.where(frame["town"] == "c", 0.0, 1.0)
    without = wb.maximum_likelihood(fit.problem.redrawn(weights))
    moved = (without.params - fit.params) / fit.standard_errors("observed")
    # A Newton step leaves its square, times how the curvature changes: a tenth of it at most.
    np.testing.assert_allclose(found.changes.loc["c"], moved, atol=0.1 * max(moved.abs()) ** 2)


def test_a_weight_stands_for_rows_of_which_one_weighs():
    rng = np.random.default_rng(24)
    X, weights = rng.normal(size=(30, 1)), rng.integers(1, 4, 30)
    y = rng.poisson(np.exp(0.5 + 0.3 * X[:, 0]))
    weighted = wb.influence(fitted(counts.poisson, dataset(y, X, weight=weights.astype(float))))
    repeated = np.repeat(np.arange(30), weights)
    each = wb.influence(fitted(counts.poisson, dataset(y[repeated], X[repeated])))
    for what in ("leverage", "displacement", "changes"):
        one, other = np.asarray(getattr(weighted, what)), np.asarray(getattr(each, what))
        np.testing.assert_allclose(one[repeated], other, rtol=1e-6, atol=1e-9)


def test_the_frame_holds_all_of_it_by_row(lines):
    frame = wb.influence(lines).to_frame()
    assert frame.columns.tolist() == [
        "leverage", "displacement", "dfb_beta[Intercept]", "dfb_beta[x1]", "dfb_beta[x2]",
    ]  # fmt: skip
    assert frame.index.name == "row"
    assert len(frame) == N


def test_held_parameters_do_not_move(poisson):
    found = wb.influence(wb.maximum_likelihood(poisson.problem, fixed={"beta[x1]": 0.5}))
    assert (found.sensitivities["beta[x1]"] == 0).all()
    assert found.leverage.sum() == pytest.approx(2, rel=1e-9)


def test_without_a_regular_optimum_nothing_weighs(lines):
    x = np.linspace(-1, 1, 20)
    with pytest.raises(wb.ModelError, match="no row can leave the fit: running away"):
        wb.influence(fitted(binary.logit, dataset(x > 0, x[:, None])))
    bounded = wb.maximum_likelihood(lines.problem, bounds={"beta[x1]": (0.0, 9.0)})
    with pytest.raises(wb.ModelError, match="knows of no bounds"):
        wb.influence(bounded)
