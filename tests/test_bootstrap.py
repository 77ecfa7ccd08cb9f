"""The bootstrap by row weights and by simulation: what is drawn, found again, what failed."""

from itertools import islice

import numpy as np
import pymc as pm
import pytest
import statsmodels.api as sm
import xarray as xr
from scipy import stats

import workbench as wb
from models import binary, continuous, counts
from tests.declarations import dataset
from workbench.resampling import drawn_rows

RNG = np.random.default_rng(12)
N = 200
X = RNG.normal(size=(N, 2))
Y = RNG.negative_binomial(2.0, 2.0 / (2.0 + np.exp(0.5 + X @ [0.4, -0.3])))
GROUPS = np.repeat(np.arange(N // 5), 5)


@pytest.fixture(scope="module")
def poisson():
    return wb.maximum_likelihood(wb.bind(counts.poisson, dataset(Y, X)))


def test_a_draw_has_as_many_rows_and_whole_groups():
    weights = np.array([1.0, 2.0, 3.0, 0.0])
    for draw in islice(drawn_rows(weights, None, np.random.default_rng(0)), 50):
        assert draw.sum() == 6
        assert draw[3] == 0
    for draw in islice(drawn_rows(np.ones(N), GROUPS, np.random.default_rng(0)), 50):
        assert draw.sum() == N
        assert (draw.reshape(-1, 5) == draw[::5, None]).all()


def test_a_replicate_is_statsmodels_fit_of_the_drawn_rows(poisson):
    found = poisson.bootstrap(5, rng=np.random.default_rng(1))
    draws = islice(drawn_rows(np.ones(N), None, np.random.default_rng(1)), 5)
    for weights, params in zip(draws, found.params.to_numpy(), strict=True):
        again = np.repeat(np.arange(N), weights.astype(int))
        theirs = sm.Poisson(Y[again], sm.add_constant(X[again])).fit(disp=0, tol=1e-12)
        np.testing.assert_allclose(params, theirs.params, rtol=1e-6)


def test_the_spread_of_replicates_is_the_sandwich(poisson):
    found = poisson.bootstrap(1000)
    assert found.failed == 0
    assert found.unit == "rows"
    # 1,000 replicates give a standard deviation to 2 per cent; n = 200 some per cent more.
    np.testing.assert_allclose(found.bse, poisson.standard_errors("sandwich"), rtol=0.15)
    limits = poisson.conf_int("bootstrap")
    np.testing.assert_allclose(limits, found.conf_int())
    np.testing.assert_allclose(limits["lower"], np.quantile(found.params, 0.025, axis=0))


def test_whole_groups_are_drawn_where_they_are_declared():
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(Y, X, group=GROUPS)))
    found = fit.bootstrap(600)
    assert found.unit == "groups"
    np.testing.assert_allclose(found.bse, fit.bse, rtol=0.2)


def test_one_step_is_near_the_refit_and_says_so(poisson):
    full, step = (poisson.bootstrap(200, way=way) for way in ("refit", "one step"))
    assert step.way == "one step"
    apart = (step.params - full.params).abs() / poisson.bse
    # What one step leaves is of second order: with 200 rows a tenth of a standard error.
    assert 1e-6 < apart.to_numpy().mean() < 0.2


def test_held_parameters_stay_where_they_are_held(poisson):
    fit = wb.maximum_likelihood(poisson.problem, fixed={"beta[x2]": -0.3})
    found = fit.bootstrap(20)
    assert (found.params["beta[x2]"] == -0.3).all()
    assert (found.params["beta[x1]"].std()) > 0


def test_failed_replicates_are_counted_or_refused():
    y = np.array([0] * 9 + [1] * 9 + [0.0])
    x = np.append(np.linspace(-2, 2, 18), 0.4)
    fit = wb.maximum_likelihood(wb.bind(binary.logit, dataset(y, x[:, None])))
    assert fit.status == "a minimum"
    # A draw without the row in the wrong place is separated: more than one in three.
    with pytest.raises(wb.ModelError, match=r"of 200 replicates found no optimum"):
        fit.bootstrap(200)


def test_progress_is_told_every_hundred(poisson):
    said = []
    poisson.bootstrap(200, way="one step", note=said.append)
    assert said == ["bootstrap: 100 of 200 replicates", "bootstrap: 200 of 200 replicates"]


def test_progress_is_shown_on_a_terminal_alone(poisson, monkeypatch, capsys):
    poisson.bootstrap(100, way="one step")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    poisson.bootstrap(100, way="one step")
    assert "bootstrap: 100 of 100 replicates" in capsys.readouterr().err


def test_what_is_no_bootstrap_is_refused(poisson):
    with pytest.raises(wb.ModelError, match="'refit', 'one step' or 'parametric', not 'wild'"):
        poisson.bootstrap(10, way="wild")
    with pytest.raises(wb.ModelError, match="two replicates or more, not 1"):
        poisson.bootstrap(1)
    failed = wb.maximum_likelihood(wb.bind(continuous.normal, dataset(np.ones(10))))
    with pytest.raises(wb.ModelError, match="no bootstrap: running away"):
        failed.bootstrap(10)


# A standard deviation of 1,000 normal replicates has a relative error of 1 / sqrt(2,000).
SPREAD = 4.5 / np.sqrt(2000)


def parametric(declared, data, replicates=1000):
    fit = wb.maximum_likelihood(wb.bind(declared, data))
    return fit, fit.bootstrap(replicates, way="parametric")


def test_simulated_outcomes_spread_least_squares_as_the_textbook_has_it():
    y = 0.5 + X @ [0.4, -0.3] + RNG.normal(size=N)
    fit, found = parametric(continuous.normal, dataset(y, X))
    assert found.failed == 0
    assert found.unit == "outcomes simulated from the fitted model"
    design, sigma = sm.add_constant(X), fit.params["sigma"]
    exact = sigma * np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    np.testing.assert_allclose(found.bse.iloc[:3], exact, rtol=SPREAD)
    # n s^2 / sigma^2 is chi squared on n - 3 degrees of freedom.
    spread, centre = stats.chi(N - 3).std() / np.sqrt(N), stats.chi(N - 3).mean() / np.sqrt(N)
    assert found.bse["sigma"] == pytest.approx(sigma * spread, rel=SPREAD)
    off = found.params["sigma"].mean() - sigma * centre
    assert abs(off) < 4.5 * sigma * spread / np.sqrt(1000)


@pytest.mark.slow
def test_simulated_outcomes_spread_a_poisson_fit_by_its_expected_information():
    # Y varies more than a Poisson: rows drawn again spread by up to half as much again.
    fit, found = parametric(counts.poisson, dataset(Y, X))
    expected = fit.standard_errors("expected")
    assert (fit.standard_errors("sandwich") > (1 + SPREAD) * expected).any()
    # The information's own error is of relative order 1 / n.
    np.testing.assert_allclose(found.bse, expected, rtol=SPREAD + 2 / N)


def known_scale(data):
    """A normal mean with a prior that counts, in closed form."""
    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        pm.Normal("outcome", pm.Normal("mu", 0.0, 0.1), 1.0, observed=y, dims="row")
    return model


def test_a_map_keeps_its_prior_in_every_replicate():
    y = 0.3 + RNG.normal(size=N)
    data = xr.Dataset({"y": ("row", y)})
    fit = wb.maximum_a_posteriori(wb.bind(known_scale, data))
    found = fit.bootstrap(1000, way="parametric")
    share = N / (N + 100)  # of the mean of the data in the mode
    assert found.bse["mu"] == pytest.approx(share / np.sqrt(N), rel=SPREAD)
    off = found.params["mu"].mean() - share * fit.params["mu"]
    assert abs(off) < 4.5 * share / np.sqrt(N) / np.sqrt(1000)


def test_a_row_of_weight_three_has_three_outcomes():
    weights = RNG.integers(0, 4, N).astype(float)
    data = xr.Dataset({"y": ("row", RNG.normal(size=N)), "weight": ("row", weights)})
    _, found = parametric(known_scale, data)
    assert found.bse["mu"] == pytest.approx(1 / np.sqrt(weights.sum()), rel=SPREAD)


def test_simulated_replicates_are_reproducible_and_hold_what_is_held(poisson):
    fit = wb.maximum_likelihood(poisson.problem, fixed={"beta[x2]": -0.3})
    first, again = (fit.bootstrap(5, way="parametric") for _ in range(2))
    np.testing.assert_array_equal(first.params, again.params)
    assert (first.params["beta[x2]"] == -0.3).all()
    other = fit.bootstrap(5, way="parametric", rng=np.random.default_rng(1))
    assert (first.params["beta[x1]"] != other.params["beta[x1]"]).all()
    assert (first.params["beta[x1]"].std()) > 0


def test_groups_have_no_parametric_bootstrap():
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(Y, X, group=GROUPS)))
    with pytest.raises(wb.ModelError, match="rows belong to groups, and the model knows of no"):
        fit.bootstrap(10, way="parametric")


def test_simulated_replicates_without_an_optimum_are_counted_or_refused():
    y, x = np.array([0.0, 0, 1, 0, 1, 0, 1, 1]), np.arange(8.0)
    fit = wb.maximum_likelihood(wb.bind(binary.logit, dataset(y, x[:, None])))
    # Eight rows are often separated.
    with pytest.raises(wb.ModelError, match=r"of 100 replicates found no optimum"):
        fit.bootstrap(100, way="parametric")
