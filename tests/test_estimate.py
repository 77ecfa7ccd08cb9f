"""Estimates and their uncertainty against closed forms and statsmodels."""

import pickle

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import workbench as wb
from models import binary, continuous, counts
from tests import declarations
from tests.declarations import dataset
from workbench import uncertainty

RNG = np.random.default_rng(5)
N = 400
X = RNG.normal(size=(N, 2))
MU = np.exp(0.8 + 0.4 * X[:, 0] - 0.2 * X[:, 1])
Y = RNG.poisson(MU * RNG.gamma(2.0, 0.5, N))
EXOG = sm.add_constant(X)
GROUPS = np.repeat(np.arange(N // 4), 4)
SIX_DIGITS = 1e-6  # relative


def polished(model, results):
    """Newton steps from statsmodels' answer until its score is below 1e-8 per row."""
    params = np.asarray(results.params, float)
    for _ in range(20):
        params = params - np.linalg.solve(model.hessian(params), model.score(params))
    assert np.abs(model.score(params)).max() < 1e-8
    return params


@pytest.fixture(scope="module")
def poisson():
    return wb.maximum_likelihood(wb.bind(counts.poisson, dataset(Y, X)))


@pytest.fixture(scope="module")
def negative_binomial():
    return wb.maximum_likelihood(wb.bind(counts.negative_binomial, dataset(Y, X)))


def test_mle_is_least_squares():
    y = EXOG @ [1.0, 2.0, -0.5] + RNG.normal(size=N)
    fit = wb.maximum_likelihood(wb.bind(continuous.normal, dataset(y, X)))
    beta, residual, *_ = np.linalg.lstsq(EXOG, y, rcond=None)
    sigma = np.sqrt(residual[0] / N)
    np.testing.assert_allclose(fit.params, [*beta, sigma], rtol=1e-9)
    covariance = sigma**2 * np.linalg.inv(EXOG.T @ EXOG)
    expected = [*np.sqrt(np.diag(covariance)), sigma / np.sqrt(2 * N)]
    np.testing.assert_allclose(fit.bse, expected, rtol=1e-9)
    assert fit.llf == pytest.approx(-N / 2 * (np.log(2 * np.pi * sigma**2) + 1), rel=1e-12)


def test_poisson_is_statsmodels_poisson(poisson):
    theirs = sm.Poisson(Y, EXOG).fit(disp=0, tol=1e-12)
    np.testing.assert_allclose(poisson.params, theirs.params, rtol=SIX_DIGITS)
    np.testing.assert_allclose(poisson.bse, theirs.bse, rtol=SIX_DIGITS)
    assert poisson.llf == pytest.approx(theirs.llf, rel=1e-12)
    assert poisson.aic == pytest.approx(theirs.aic, rel=1e-12)
    assert poisson.bic == pytest.approx(theirs.bic, rel=1e-12)
    robust = sm.Poisson(Y, EXOG).fit(disp=0, tol=1e-12, cov_type="HC0")
    np.testing.assert_allclose(poisson.standard_errors("sandwich"), robust.bse, rtol=SIX_DIGITS)


def test_negative_binomial_is_statsmodels_once_polished(negative_binomial):
    model = sm.NegativeBinomial(Y, EXOG)
    params = polished(model, model.fit(disp=0, maxiter=500))
    ours = negative_binomial.params.to_numpy()
    theirs = counts.negative_binomial.statsmodels.parameters(params, None)
    np.testing.assert_allclose(ours[:-1], theirs["beta"], rtol=SIX_DIGITS)
    assert ours[-1] == pytest.approx(theirs["alpha"], rel=SIX_DIGITS)
    covariance = np.linalg.inv(-model.hessian(params))
    errors = np.sqrt(np.diag(covariance))
    errors[-1] /= params[-1] ** 2  # of 1 / alpha
    np.testing.assert_allclose(negative_binomial.bse, errors, rtol=SIX_DIGITS)


def test_cluster_errors_are_statsmodels_with_our_factor():
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(Y, X, group=GROUPS)))
    theirs = sm.Poisson(Y, EXOG).fit(
        disp=0, tol=1e-12, cov_type="cluster",
        cov_kwds={"groups": GROUPS, "use_correction": False},
    )  # fmt: skip
    groups = N // 4
    expected = theirs.bse * np.sqrt(groups / (groups - 1))
    np.testing.assert_allclose(fit.bse, expected, rtol=SIX_DIGITS)
    assert fit.covariance_kind == "cluster"


def test_outer_products_of_scores_are_the_closed_form(poisson):
    mu = np.exp(EXOG @ poisson.params.to_numpy())
    scores = (Y - mu)[:, None] * EXOG
    expected = np.sqrt(np.diag(np.linalg.inv(scores.T @ scores)))
    np.testing.assert_allclose(poisson.standard_errors("opg"), expected, rtol=1e-8)


def test_effective_parameters_are_the_trace_by_hand(poisson):
    mu = np.exp(EXOG @ poisson.params.to_numpy())
    scores = (Y - mu)[:, None] * EXOG
    information = EXOG.T @ (mu[:, None] * EXOG)
    expected = np.trace(np.linalg.solve(information, scores.T @ scores))
    assert poisson.effective_parameters == pytest.approx(expected, rel=1e-8)


def test_scores_of_one_group_are_added_before_they_are_squared():
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(Y, X, group=GROUPS)))
    mu = np.exp(EXOG @ fit.params.to_numpy())
    sums = ((Y - mu)[:, None] * EXOG).reshape(N // 4, 4, 3).sum(axis=1)
    information = EXOG.T @ (mu[:, None] * EXOG)
    expected = np.trace(np.linalg.solve(information, sums.T @ sums))
    assert fit.effective_parameters == pytest.approx(expected, rel=1e-8)


def test_map_minimises_nll_less_the_log_prior():
    # Normal mean with known unit scale and prior N(0, 10): the mode in closed form.
    def declared(data):
        import pymc as pm

        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            pm.Normal("outcome", pm.Normal("mu", 0.0, 0.1), 1.0, observed=y, dims="row")
        return model

    y = RNG.normal(1.0, 1.0, 30)
    problem = wb.bind(declared, dataset(y))
    fit = wb.maximum_a_posteriori(problem)
    assert fit.params["mu"] == pytest.approx(y.sum() / (30 + 100), rel=1e-10)
    assert fit.optimum.value == pytest.approx(-fit.llf - problem.log_prior(fit.theta), rel=1e-12)
    with pytest.raises(wb.ModelError, match="AIC is defined for a maximum of the likelihood"):
        _ = fit.aic
    with pytest.raises(wb.ModelError, match="BIC is defined"):
        _ = fit.bic


def test_map_adds_no_jacobian():
    # Exponential prior on a rate of exponential data: mode (n) / (1 + sum y) with the density of
    # the rate itself; with the Jacobian of the log it would be (n + 1) / (1 + sum y).
    def declared(data):
        import pymc as pm

        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            pm.Exponential("outcome", pm.Exponential("rate", 1.0), observed=y, dims="row")
        return model

    y = RNG.exponential(2.0, 25)
    fit = wb.maximum_a_posteriori(wb.bind(declared, dataset(y)))
    assert fit.params["rate"] == pytest.approx(25 / (1 + y.sum()), rel=1e-9)


def test_standard_errors_of_a_positive_parameter_are_natural(negative_binomial):
    theta = negative_binomial.theta
    covariance = np.linalg.inv(negative_binomial.problem.hessian(theta))
    expected = np.exp(theta[-1]) * np.sqrt(covariance[-1, -1])
    assert negative_binomial.bse["alpha"] == pytest.approx(expected, rel=1e-9)


def test_a_simplex_has_the_multinomial_covariance():
    y = np.repeat([0, 1, 2], [5, 3, 2])
    fit = wb.maximum_likelihood(wb.bind(declarations.simplex, dataset(y)))
    p = np.array([0.5, 0.3, 0.2])
    np.testing.assert_allclose(fit.params, p, rtol=1e-8)
    expected = (np.diag(p) - np.outer(p, p)) / 10
    np.testing.assert_allclose(fit.cov_params(), expected, rtol=1e-7, atol=1e-10)
    assert fit.k == 2


def test_results_are_labelled_by_coordinate(poisson):
    labels = ["beta[Intercept]", "beta[x1]", "beta[x2]"]
    assert list(poisson.params.index) == labels
    assert list(poisson.cov_params().columns) == labels
    limits = poisson.conf_int()
    assert list(limits.columns) == ["lower", "upper"]
    half = 1.959963984540054 * poisson.bse
    np.testing.assert_allclose(limits["upper"] - poisson.params, half, rtol=1e-12)


def test_transformed_limits_are_those_of_the_logarithm(negative_binomial):
    limits = negative_binomial.conf_int("transformed").loc["alpha"]
    alpha, error = negative_binomial.params["alpha"], negative_binomial.bse["alpha"]
    half = 1.959963984540054 * error / alpha  # of log alpha, by the delta method
    np.testing.assert_allclose(limits, [alpha * np.exp(-half), alpha * np.exp(half)], rtol=1e-9)
    plain = negative_binomial.conf_int().drop("alpha")
    np.testing.assert_allclose(
        negative_binomial.conf_int("transformed").drop("alpha"), plain, rtol=1e-9
    )


def test_a_simplex_has_no_transformed_limits_of_its_parts():
    fit = wb.maximum_likelihood(wb.bind(declarations.simplex, dataset([0, 0, 1, 2, 2, 2])))
    assert fit.conf_int("transformed").isna().all(axis=None)
    assert fit.conf_int().notna().all(axis=None)


def test_unknown_kinds_are_named(poisson):
    with pytest.raises(wb.ModelError, match="not 'walt'"):
        poisson.conf_int("walt")
    with pytest.raises(wb.ModelError, match="'observed', 'expected', 'opg', 'sandwich'"):
        poisson.cov_params("hc3")
    with pytest.raises(wb.ModelError, match="needs a declared group"):
        poisson.cov_params("cluster")
    with pytest.raises(wb.ModelError, match="level lies between 0 and 1"):
        poisson.conf_int(level=95)


def test_prediction_is_the_expected_outcome(poisson):
    expected = np.exp(EXOG @ poisson.params.to_numpy())
    np.testing.assert_allclose(poisson.predict()["estimate"], expected, rtol=1e-12)
    some = poisson.predict(dataset(Y[:7], X[:7]))
    assert isinstance(some, pd.DataFrame)
    np.testing.assert_allclose(some["estimate"], expected[:7], rtol=1e-12)


@pytest.mark.slow
def test_hurdle_and_zero_inflated_predictions_are_their_closed_forms():
    data = dataset(Y, X)
    for definition in (counts.zero_inflated_poisson, counts.hurdle_negative_binomial):
        fit = wb.maximum_likelihood(wb.bind(definition, data))
        params = fit.params.to_numpy()
        mu, zero = np.exp(EXOG @ params[:3]), 1 / (1 + np.exp(-EXOG @ params[-3:]))
        expected = (1 - zero) * mu
        if "alpha" in fit.params:
            alpha = fit.params["alpha"]
            expected = expected / (1 - (alpha / (alpha + mu)) ** alpha)
        np.testing.assert_allclose(fit.predict()["estimate"], expected, rtol=1e-9)


def test_the_summary_tells_estimate_error_and_verdict(poisson):
    text = poisson.summary()
    for words in ("beta[x1]", "a minimum", "no better point from 3 starts", "observed information"):
        assert words in text


def test_a_failed_fit_says_why_in_its_summary():
    x = np.linspace(-1, 1, 20)
    fit = wb.maximum_likelihood(wb.bind(binary.logit, dataset(x > 0, x[:, None])))
    assert "running away" in fit.summary()
    assert fit.bse.isna().all()


def test_an_estimate_travels(poisson):
    arrived = pickle.loads(pickle.dumps(poisson))
    assert arrived.llf == poisson.llf
    pd.testing.assert_series_equal(arrived.params, poisson.params)


def test_bic_counts_groups_where_they_are_declared(poisson):
    grouped = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(Y, X, group=GROUPS)))
    assert poisson.bic - grouped.bic == pytest.approx(3 * np.log(4), rel=1e-9)


def test_the_inverse_refuses_what_is_not_positive_definite():
    with pytest.raises(np.linalg.LinAlgError):
        uncertainty.inverse(np.array([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(np.linalg.LinAlgError):
        uncertainty.inverse(np.diag([1.0, -1.0]))


def test_one_group_has_no_cluster_error():
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(Y, X, group=np.zeros(N, int))))
    assert fit.bse.isna().all()


def test_frequency_weights_are_repeated_rows():
    weights = RNG.integers(1, 4, N)
    weighted = wb.maximum_likelihood(
        wb.bind(counts.poisson, dataset(Y, X, weight=weights.astype(float)))
    )
    repeated = wb.maximum_likelihood(
        wb.bind(counts.poisson, dataset(np.repeat(Y, weights), np.repeat(X, weights, axis=0)))
    )
    np.testing.assert_allclose(weighted.params, repeated.params, rtol=1e-9)
    for kind in ("observed", "opg", "sandwich"):
        np.testing.assert_allclose(
            weighted.standard_errors(kind), repeated.standard_errors(kind), rtol=1e-8
        )
    assert weighted.nobs == repeated.nobs
    assert weighted.effective_parameters == pytest.approx(repeated.effective_parameters, rel=1e-8)


def test_groups_fewer_than_parameters_have_no_errors_and_say_so():
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(Y, X, group=np.arange(N) % 3)))
    assert fit.bse.isna().all()
    assert np.isnan(fit.effective_parameters)
    assert "3 groups cannot tell those of 3 parameters apart" in fit.summary()
    assert fit.standard_errors("observed").notna().all()


def test_few_groups_take_students_t():
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(Y, X, group=np.arange(N) % 10)))
    half = 2.2621571628 * fit.bse  # of 9 degrees of freedom
    np.testing.assert_allclose(fit.conf_int()["upper"] - fit.params, half, rtol=1e-9)


def test_profile_limits_are_natural_and_told_side_by_side(negative_binomial):
    found = negative_binomial.profile()
    assert (found[["below", "above"]] == "valid").all(axis=None)
    np.testing.assert_array_equal(negative_binomial.conf_int("profile"), found[["lower", "upper"]])
    # At a limit, with the others at their best, the deviance is the quantile: chi squared's .95.
    held = wb.maximum_likelihood(
        negative_binomial.problem, fixed={"alpha": found.loc["alpha", "upper"]}
    )
    deviance = 2 * (negative_binomial.llf - held.llf)
    assert deviance == pytest.approx(3.841458820694124, rel=1e-6)
    limits = found.loc["alpha", ["lower", "upper"]].astype(float)
    assert limits["lower"] < negative_binomial.params["alpha"] < limits["upper"]


def test_an_open_side_reaches_to_the_end_of_the_support():
    # Counts hardly more spread than Poisson's: how large alpha is, nothing tells.
    y = np.random.default_rng(3).negative_binomial(30, 30 / 34, 150)
    fit = wb.maximum_likelihood(wb.bind(counts.negative_binomial, dataset(y)))
    assert fit.status == "a minimum"
    found = fit.profile().loc["alpha"]
    assert found["above"] == "open"
    assert found["upper"] == np.inf
    assert found["below"] == "valid"


def test_a_contour_goes_round_the_estimate(negative_binomial):
    first, second = "beta[x1]", "alpha"
    found = negative_binomial.contour(first, second, points=16)
    assert found.notna().all(axis=None)
    for label in (first, second):
        assert found[label].min() < negative_binomial.params[label] < found[label].max()
    one = found.iloc[3].to_dict()
    held = wb.maximum_likelihood(negative_binomial.problem, fixed=one)
    # Of two degrees of freedom: -2 log(0.05).
    assert 2 * (negative_binomial.llf - held.llf) == pytest.approx(-2 * np.log(0.05), rel=1e-5)
    with pytest.raises(wb.ModelError, match="did you mean 'alpha'"):
        negative_binomial.contour("alhpa", first)


def test_profiles_of_rows_in_groups_are_refused():
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(Y, X, group=GROUPS)))
    with pytest.raises(wb.ModelError, match="belong to groups"):
        fit.profile()
