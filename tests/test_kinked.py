"""Optima on kinks: quantile regressions against linear programmes, and what is said of them."""

import numpy as np
import pymc as pm
import pytest
import statsmodels.api as sm
import xarray as xr
from scipy.optimize import linprog
from statsmodels.regression.quantile_regression import QuantReg

import workbench as wb
from models import continuous
from tests.declarations import dataset
from workbench.optimum import Status

QUANTILES = [0.1, 0.5, 0.9]


def design_of(data):
    return data["X"].values


def programme(data, q, upper=np.inf):
    """The q-quantile regression as a linear programme, the last coefficient at most `upper`."""
    X, y = design_of(data), data["y"].values
    n, k = X.shape
    found = linprog(
        np.concatenate([np.zeros(k), q * np.ones(n), (1 - q) * np.ones(n)]),
        A_eq=np.hstack([X, np.eye(n), -np.eye(n)]), b_eq=y,
        bounds=[(None, None)] * (k - 1) + [(None, upper)] + [(0, None)] * (2 * n),
    )  # fmt: skip
    return found.x[:k], found.fun / n


@pytest.fixture(scope="module")
def engel():
    table = wb.read(sm.datasets.engel.load_pandas().data)
    return wb.design("foodexp ~ income", table)(table)


@pytest.fixture(scope="module")
def quantiles(engel):
    return wb.bind(continuous.asymmetric_laplace, engel)


@pytest.fixture(scope="module")
def medians(engel):
    return wb.bind(continuous.laplace, engel)


@pytest.fixture(scope="module")
def median(medians):
    return wb.maximum_likelihood(medians)


@pytest.mark.slow
@pytest.mark.parametrize("q", QUANTILES)
def test_a_quantile_regression_is_the_linear_programmes(engel, quantiles, q):
    fit = wb.maximum_likelihood(quantiles, fixed={"q": q})
    beta, scale = programme(engel, q)
    assert fit.status == Status.KINK
    np.testing.assert_allclose(fit.params.iloc[:2], beta, rtol=1e-8)
    # The mean of rho is the scale's closed form, and what is left of the likelihood.
    assert fit.params["b"] == pytest.approx(scale, rel=1e-8)
    llf = 235 * (np.log(q * (1 - q) / scale) - 1)
    assert fit.llf == pytest.approx(llf, rel=1e-12)


@pytest.mark.parametrize("q", QUANTILES)
def test_a_quantile_regression_is_statsmodels(engel, quantiles, q):
    fit = wb.maximum_likelihood(quantiles, fixed={"q": q})
    theirs = QuantReg(engel["y"].values, design_of(engel)).fit(q=q, p_tol=1e-8, max_iter=5000)
    # Its reweighted least squares stop at some 1e-6, and bound residuals below by as much.
    np.testing.assert_allclose(fit.params.iloc[:2], theirs.params, rtol=1e-5)


def test_the_stack_losses_absolute_deviations_are_quantregs():
    frame = sm.datasets.stackloss.load_pandas().data
    table = wb.read(frame)
    design = wb.design("STACKLOSS ~ AIRFLOW + WATERTEMP + ACIDCONC", table)
    fit = wb.maximum_likelihood(wb.bind(continuous.laplace, design(table)))
    assert fit.status == Status.KINK
    # R's quantreg, rq(stack.loss ~ stack.x, 0.5), as its manual prints it.
    printed = [-39.68986, 0.83188, 0.57391, -0.06087]
    np.testing.assert_allclose(fit.params.iloc[:4], printed, atol=5e-6)


def sample(n, seed=1):
    return np.random.default_rng(seed).laplace(2, 3, n)


def test_the_place_of_a_laplace_is_the_median():
    y = sample(101)
    fit = wb.fit(continuous.laplace, y)
    assert fit.status == Status.KINK
    assert fit.params["beta[Intercept]"] == pytest.approx(np.median(y), rel=1e-14)
    # A search ends within 1e-10 standard errors, of a tenth of b each.
    assert fit.params["b"] == pytest.approx(np.abs(y - np.median(y)).mean(), rel=1e-10)


def test_of_an_even_sample_any_value_between_the_middle_two_is_one():
    y = np.sort(sample(100))
    fit = wb.fit(continuous.laplace, y)
    assert fit.status == Status.NOT_IDENTIFIED
    ends = [f"{y[49]:.6g} to {y[50]:.6g}", f"{y[50]:.6g} to {y[49]:.6g}"]
    assert any(f"beta[Intercept] from {said}" in fit.optimum.verdict.advice for said in ends)
    assert fit.standard_errors("opg").isna().all()


@pytest.mark.slow
def test_weights_are_frequencies():
    y, weight = sample(31), np.random.default_rng(2).integers(1, 4, 31).astype(float)
    weight[0] += 1 - weight.sum() % 2  # an odd total, so that there is one median
    fit, repeated = wb.fit(continuous.laplace, y, weight=weight), np.repeat(y, weight.astype(int))
    assert fit.status == Status.KINK
    assert fit.params["beta[Intercept]"] == pytest.approx(np.median(repeated), rel=1e-14)
    again = wb.fit(continuous.laplace, repeated)
    assert again.status == Status.KINK
    np.testing.assert_allclose(again.params, fit.params, rtol=1e-10)
    errors = fit.standard_errors("expected")
    np.testing.assert_allclose(again.standard_errors("expected"), errors, rtol=1e-10)


@pytest.mark.slow
def test_what_is_held_leaves_the_others_on_their_kink(engel, medians):
    fit = wb.maximum_likelihood(medians, fixed={"beta[Intercept]": 100.0})
    # Least absolute deviations by one slope: the median of the ratios, weighted by |x|.
    x, y = design_of(engel)[:, 1], engel["y"].values - 100.0
    order = np.argsort(y / x)
    middle = np.searchsorted(np.cumsum(x[order]), x.sum() / 2)
    assert fit.status == Status.KINK
    assert fit.params["beta[income]"] == pytest.approx((y / x)[order[middle]], rel=1e-13)
    assert np.isnan(fit.standard_errors("opg")["beta[Intercept]"])
    assert fit.standard_errors("opg")[["beta[income]", "b"]].notna().all()


def test_a_bound_may_hold_what_stands_on_kinks_beside_it(engel, medians):
    fit = wb.maximum_likelihood(medians, bounds={"beta[income]": (None, 0.5)})
    beta, scale = programme(engel, 0.5, upper=0.5)
    assert fit.status == Status.IRREGULAR
    assert fit.at_bounds == {"beta[income]": 0.5}
    np.testing.assert_allclose(fit.params, [*beta, 2 * scale], rtol=1e-8)
    assert fit.standard_errors("opg").isna().all()
    assert "beta[income] = 0.5" in fit.optimum.verdict.advice


def test_bounds_that_hold_nothing_change_nothing(medians, median):
    fit = wb.maximum_likelihood(medians, bounds={"beta[income]": (0.0, 1.0)})
    assert fit.status == Status.KINK
    np.testing.assert_allclose(fit.params, median.params, rtol=1e-10)


# Kinks of parameters -----------------------------------------------------------------------------


def shrunk(data):
    """Means with one observation each, and a Laplace prior: thresholds in closed form."""
    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        mean = pm.Laplace("mean", 0.0, 1.0, shape=data.sizes["row"], initval=np.full(4, 0.3))
        pm.Normal("outcome", mean, 1.0, observed=y, dims="row")
    return model


def test_a_laplace_prior_is_a_soft_threshold():
    y = np.array([2.5, -0.4, 0.9, -3.0])
    fit = wb.maximum_a_posteriori(wb.bind(shrunk, dataset(y)))
    assert fit.status == Status.KINK
    np.testing.assert_allclose(fit.params, np.sign(y) * np.maximum(np.abs(y) - 1, 0), atol=1e-12)
    assert "mean[1], mean[2]," in fit.optimum.verdict.advice


def test_no_error_is_given_on_a_kink_that_is_no_rows_own():
    """All rows have it at one place, so the likelihood is not differentiable there at all."""
    fit = wb.maximum_a_posteriori(wb.bind(shrunk, dataset([2.5, -0.4, 0.9, -3.0])))
    assert not fit.optimum.verdict.normal
    for kind in ("observed", "expected", "opg", "sandwich"):
        assert fit.standard_errors(kind).isna().all()
    assert "kind=" not in fit.optimum.verdict.advice
    with pytest.raises(wb.ModelError, match="mode stands on a kink, and a normal has none"):
        fit.laplace()


def folded(data, bound=0.0, through=abs):
    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        mean = pm.Normal("mean", 0.0, 10.0, initval=bound)
        pm.Normal("outcome", through(mean), 1.0, observed=y, dims="row")
    return model


def test_a_kink_that_bends_the_likelihood_upwards_is_left():
    """At zero the slopes lead away to both sides; the search begins there."""
    y = np.array([0.5, 1.0, 2.4])
    fit = wb.maximum_likelihood(wb.bind(folded, dataset(y)))
    assert fit.status == Status.MINIMUM
    assert abs(fit.params["mean"]) == pytest.approx(y.mean(), rel=1e-12)
    assert fit.bse["mean"] == pytest.approx(1 / np.sqrt(3), rel=1e-12)


def test_a_parameter_held_on_a_kink_has_no_error_by_the_scores():
    fit = wb.maximum_likelihood(wb.bind(folded, dataset([-0.5, -1.0, -2.4])))
    assert fit.status == Status.KINK
    assert fit.params["mean"] == pytest.approx(0.0, abs=1e-12)
    assert fit.standard_errors("opg").isna().all()


def capped(data):
    return folded(data, 0.3, lambda mean: pm.math.clip(mean, -5.0, 5.0))


def test_beside_its_kinks_a_model_is_as_any_other():
    y = np.array([0.5, 1.0, 2.4, 0.1])
    fit = wb.maximum_likelihood(wb.bind(capped, dataset(y)))
    assert fit.problem.kinked
    assert fit.status == Status.MINIMUM
    assert fit.params["mean"] == pytest.approx(y.mean(), rel=1e-12)
    assert fit.bse["mean"] == pytest.approx(0.5, rel=1e-12)
    limits = y.mean() + np.array([-1, 1]) * 1.959963984540054 / 2
    np.testing.assert_allclose(fit.profile().loc["mean", ["lower", "upper"]].astype(float), limits)


def test_beyond_its_last_kink_a_clipped_mean_is_not_identified():
    fit = wb.maximum_likelihood(wb.bind(capped, dataset([8.0, 9.0, 10.0])))
    assert fit.status in (Status.NOT_IDENTIFIED, Status.RUNNING_AWAY)
    assert fit.params["mean"] >= 5.0 - 1e-9


# Standard errors ----------------------------------------------------------------------------------


def test_errors_of_a_laplace_are_those_of_its_fisher_information(engel, median):
    b, X = median.params["b"], design_of(engel)
    of_beta = b * np.sqrt(np.diag(np.linalg.inv(X.T @ X)))
    expected = [*of_beta, b / np.sqrt(len(X))]
    np.testing.assert_allclose(median.standard_errors("expected"), expected, rtol=1e-9)


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_errors_of_a_quantile_regression_are_those_of_its_fisher_information(engel, quantiles, q):
    """Koenker and Machado (1999): b^2 / (q (1 - q)) (X'X)^-1, where the family is the truth."""
    fit, X = wb.maximum_likelihood(quantiles, fixed={"q": q}), design_of(engel)
    b = fit.params["b"]
    of_beta = b * np.sqrt(np.diag(np.linalg.inv(X.T @ X)) / (q * (1 - q)))
    errors = fit.standard_errors("expected")
    np.testing.assert_allclose(errors[:3], [*of_beta, b / np.sqrt(len(X))], rtol=1e-9)
    assert np.isnan(errors["q"])


def test_errors_by_the_scores_are_those_of_signs():
    y = sample(101)
    fit = wb.fit(continuous.laplace, y)
    place, b = fit.params
    left = y - place
    kink = int(np.argmin(np.abs(left)))

    def covariance(side):
        signs = np.where(np.arange(101) == kink, side, np.sign(left))
        scores = np.column_stack([signs / b, (np.abs(left) / b - 1) / b])
        return np.linalg.inv(101 * np.cov(scores.T, bias=True))

    # The row on the kink counts for either side, or none, as rounding has it: the scores add up to
    # its own, which is taken off.
    ours = fit.cov_params("opg").to_numpy()
    assert any(np.allclose(ours, covariance(side), rtol=1e-8, atol=0) for side in (-1, 0, 1))
    assert len({covariance(side)[0, 1] for side in (-1, 0, 1)}) == 3


def test_curvature_gives_no_error_and_the_summary_says_what_does(median):
    for kind in (None, "observed", "sandwich"):
        assert median.standard_errors(kind).isna().all()
        with pytest.raises(wb.ModelError, match="no covariance: a minimum on a kink"):
            median.cov_params(kind)
    assert median.conf_int().isna().all(axis=None)
    assert median.conf_int("transformed").isna().all(axis=None)
    said = median.summary()
    assert "the observed information gives no standard error" in said
    assert "kind='opg' or kind='expected' gives one; the bootstrap does in any case" in said
    assert "no better point from 3 starts" in said


def test_what_goes_by_a_covariance_goes_by_the_scores(engel, median):
    errors = median.standard_errors("opg")
    derived = median.derived("2 * beta[income]", kind="opg")
    assert derived["se"].iloc[0] == pytest.approx(2 * errors["beta[income]"], rel=1e-12)
    wald = median.wald_test("beta[income] = 0.5", kind="opg")
    ratio = (median.params["beta[income]"] - 0.5) / errors["beta[income]"]
    assert wald.statistic == pytest.approx(ratio**2, rel=1e-9)
    X, covariance = design_of(engel), median.cov_params("opg").iloc[:2, :2].to_numpy()
    predicted = median.predict(kind="opg")
    of_mean = np.sqrt(np.einsum("ni,ij,nj->n", X, covariance, X))
    np.testing.assert_allclose(predicted["se"], of_mean, rtol=1e-9)
    assert median.predict()["se"].isna().all()
    with pytest.raises(wb.ModelError, match="no covariance: a minimum on a kink"):
        median.wald_test("beta[income] = 0.5")


def test_a_likelihood_ratio_is_that_of_mean_absolute_deviations(engel, medians, median):
    restricted = wb.maximum_likelihood(medians, fixed={"beta[income]": 0.5})
    test = wb.likelihood_ratio_test(restricted, median)
    ratio = restricted.params["b"] / median.params["b"]
    assert test.statistic == pytest.approx(2 * 235 * np.log(ratio), rel=1e-9)
    # Rao's, by the information b^-2 X'X: the squared sum of signs along what is free of the rest.
    X, left = design_of(engel), engel["y"].values - design_of(engel) @ restricted.params[:2]
    kink, x = int(np.argmin(np.abs(left))), X[:, 1] - X[:, 1].mean()
    signs = np.sign(left) - np.sign(left[kink]) * np.eye(235)[kink]
    scores = [x @ signs + side * x[kink] for side in (-1, 0, 1)]  # as rounding has it
    ours = restricted.score_test().statistic
    assert any(ours == pytest.approx(score**2 / (x @ x), rel=1e-8) for score in scores)
    with pytest.raises(wb.ModelError, match="no score test: a minimum on a kink"):
        restricted.score_test("observed")


def test_no_profile_is_drawn_from_a_kink(median):
    profile = median.profile()
    assert profile[["lower", "upper"]].isna().all(axis=None)
    assert (profile[["below", "above"]] == "a minimum on a kink").all(axis=None)
    with pytest.raises(wb.ModelError, match="no contour: a minimum on a kink"):
        median.contour("beta[income]", "b")


@pytest.mark.slow
def test_a_bootstrap_finds_the_median_of_each_sample_drawn():
    y = sample(61)
    fit = wb.fit(continuous.laplace, y)
    found = fit.bootstrap(40, rng=np.random.default_rng(3))
    rng = np.random.default_rng(3)
    drawn = [np.bincount(rng.integers(0, 61, 61), minlength=61) for _ in range(40)]
    medians = [np.median(np.repeat(y, times)) for times in drawn]
    assert found.failed == 0
    np.testing.assert_allclose(found.params["beta[Intercept]"], medians, rtol=1e-12)
    with pytest.raises(wb.ModelError, match="one Newton step knows of no kinks"):
        fit.bootstrap(10, way="one step")


def test_a_check_passes_what_can_be_checked_on_a_kink(median):
    outcomes = {one.code: one.outcome for one in wb.check(median)}
    assert outcomes == {
        "optimum": "pass", "starts": "pass", "sum": "pass", "total": "pass", "joint": "pass",
        "stationary": "n/a", "gradient": "n/a", "hessian": "n/a", "scores": "n/a",
        "density": "pass", "density-tails": "pass", "statsmodels": "n/a",
        "namesake-estimate": "pass", "simulator": "pass",
    }  # fmt: skip


def test_a_tree_holds_the_estimate_on_a_kink_without_a_normal(median):
    tree = median.to_datatree()
    assert isinstance(tree, xr.DataTree)
    assert np.isnan(tree["fit/covariance_matrix"]).all()
    np.testing.assert_allclose(tree["posterior/b"].values.ravel(), median.params["b"])


def test_units_do_not_matter(engel, median):
    """Kinks are told by what rounding leaves of them, not by a width in somebody's unit."""
    scaled = engel.assign(y=engel["y"] * 1e-7, X=engel["X"] * np.array([1.0, 1e6]))
    fit = wb.maximum_likelihood(wb.bind(continuous.laplace, scaled))
    assert fit.status == Status.KINK
    back = fit.params.to_numpy() / np.array([1e-7, 1e-13, 1e-7])
    np.testing.assert_allclose(back, median.params, rtol=1e-10)


@pytest.mark.slow
def test_a_scale_that_collapses_on_rows_fitted_exactly_is_no_minimum():
    data = dataset([1.0, 2.0, 3.0], np.array([[1.0], [2.0], [3.0]]))
    fit = wb.maximum_likelihood(wb.bind(continuous.laplace, data))
    assert not fit.optimum.verdict.determined
    assert "-1.00 log b" in fit.optimum.verdict.advice


def test_rows_of_groups_have_errors_by_the_bootstrap_of_groups(engel):
    rng = np.random.default_rng(0)
    grouped = engel.assign(group=("row", np.arange(235) // 5))
    fit = wb.maximum_likelihood(wb.bind(continuous.laplace, grouped))
    assert fit.status == Status.KINK
    assert fit.bse.isna().all()
    drawn = fit.bootstrap(20, rng=rng)
    assert (drawn.unit, drawn.failed) == ("groups", 0)
    assert (drawn.bse > 0).all()
