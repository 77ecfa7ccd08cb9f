"""Distributions without regressors: as easy to ask for as scipy.stats.fit."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import workbench as wb
from models import binary, compositions, counts, multivariate, positive, proportions

RNG = np.random.default_rng(5)
TIMES = stats.gamma.rvs(2.5, scale=3.0, size=300, random_state=1)


def test_a_gamma_is_scipys():
    fit = wb.fit(positive.gamma, TIMES)
    shape, _, scale = stats.gamma.fit(TIMES, floc=0)
    assert fit.status == "a minimum"
    assert fit.params["alpha"] == pytest.approx(shape, rel=1e-6)  # SciPy's search stops there
    mean = fit.derived("exp(beta[Intercept])")["estimate"].iloc[0]
    assert mean == pytest.approx(TIMES.mean(), rel=1e-12)  # the likelihood equation's own answer
    assert fit.llf >= stats.gamma.logpdf(TIMES, shape, scale=scale).sum() - 1e-9


def test_every_predictor_has_its_intercept():
    shares = np.where(RNG.uniform(size=400) < 0.25, 0.0, RNG.beta(2.0, 3.0, 400))
    shares[:40] = 1.0
    fit = wb.fit(proportions.zero_one_inflated_beta, shares)
    at_edge = (shares == 0) | (shares == 1)
    edge = fit.derived("expit(gamma[Intercept])", "expit(delta[Intercept])")["estimate"]
    np.testing.assert_allclose(
        edge, [at_edge.mean(), (shares == 1).sum() / at_edge.sum()], rtol=1e-9
    )


def test_a_series_gives_the_rows_their_labels():
    y = pd.Series([3.0, 1.0, 4.0], index=["a", "b", "c"])
    fit = wb.fit(counts.poisson, y, exposure=[1.0, 2.0, 1.0])
    assert list(fit.problem.rows.labels) == ["a", "b", "c"]
    rate = fit.derived("exp(beta[Intercept])")["estimate"].iloc[0]
    assert rate == pytest.approx(8.0 / 4.0, rel=1e-12)


def test_weights_trials_and_held_parameters_are_welcome():
    y, trials, weight = np.array([1.0, 3.0, 2.0]), np.array([4.0, 5.0, 6.0]), [2.0, 1.0, 3.0]
    fit = wb.fit(binary.logit, y, trials=trials, weight=weight)
    p = fit.derived("expit(beta[Intercept])")["estimate"].iloc[0]
    assert p == pytest.approx(np.dot(weight, y) / np.dot(weight, trials), rel=1e-12)
    held = wb.fit(positive.gamma, TIMES, fixed={"alpha": 1.0})
    exponential = wb.fit(positive.exponential, TIMES)
    assert held.llf == pytest.approx(exponential.llf, rel=1e-13)


def test_groups_make_the_errors_theirs():
    groups = np.repeat(np.arange(60), 5)
    fit = wb.fit(positive.lognormal, TIMES, group=groups)
    assert fit.covariance_kind == "cluster"


def test_several_numbers_a_row_are_named_by_their_columns():
    frame = pd.DataFrame(RNG.normal(size=(50, 2)) @ [[1.0, 0.5], [0.0, 2.0]], columns=["u", "v"])
    fit = wb.fit(multivariate.normal, frame)
    np.testing.assert_allclose(
        fit.params[["beta[u, Intercept]", "beta[v, Intercept]"]], frame.mean(), atol=1e-10
    )
    covariance = fit.deterministics("covariance")["estimate"].to_numpy().reshape(2, 2)
    np.testing.assert_allclose(covariance, frame.cov(ddof=0), rtol=1e-9)


def test_shares_of_several_kinds():
    counted = RNG.multinomial(40, [0.2, 0.5, 0.3], size=30).astype(float)
    fit = wb.fit(compositions.multinomial, pd.DataFrame(counted, columns=list("abc")))
    share = counted.sum(axis=0) / counted.sum()
    against = fit.derived("exp(beta[b, Intercept])", "exp(beta[c, Intercept])")["estimate"]
    np.testing.assert_allclose(against, share[1:] / share[0], rtol=1e-9)


@pytest.mark.parametrize(
    ("y", "columns", "sentence"),
    [
        ([], {}, r"outcomes come as \(rows,\) or \(rows, outcomes\), not as \(0,\)"),
        (3.0, {}, r"not as \(\)"),
        ([1.0, 2.0], {"exposure": [1.0]}, "exposure needs one value for each of the 2 outcomes"),
    ],
)
def test_what_is_no_sample_is_refused(y, columns, sentence):
    with pytest.raises(wb.DataError, match=sentence):
        wb.fit(counts.poisson, y, **columns)


@pytest.mark.parametrize("kind", [list, tuple])
def test_numbers_come_in_a_list_too(kind):
    fit = wb.fit(counts.poisson, kind([3, 0, 2]))
    assert fit.params["beta[Intercept]"] == pytest.approx(np.log(5 / 3), rel=1e-10)
