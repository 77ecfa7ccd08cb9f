"""Functions of the parameters with errors, and Wald and likelihood-ratio tests."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

import workbench as wb
from models import counts
from tests import declarations
from tests.declarations import dataset

RNG = np.random.default_rng(8)
N = 400
X = RNG.normal(size=(N, 3))
Y = RNG.negative_binomial(2.0, 2.0 / (2.0 + np.exp(0.5 + X @ [0.3, 0.25, 0.0])))
EXOG = sm.add_constant(X)
NAMES = ["Intercept", "x1", "x2", "x3"]


@pytest.fixture(scope="module")
def poisson():
    return wb.maximum_likelihood(wb.bind(counts.poisson, dataset(Y, X)))


@pytest.fixture(scope="module")
def theirs():
    return sm.Poisson(Y, EXOG).fit(disp=0, tol=1e-12)


def test_a_rate_ratio_has_the_error_of_the_delta_method(poisson):
    found = poisson.derived("exp(beta[x1])", "exp(beta[x1] + beta[x2])").T
    ratio = np.exp(poisson.params["beta[x1]"])
    assert found["exp(beta[x1])"]["estimate"] == pytest.approx(ratio, rel=1e-14)
    assert found["exp(beta[x1])"]["se"] == pytest.approx(ratio * poisson.bse["beta[x1]"], rel=1e-12)
    both, covariance = ["beta[x1]", "beta[x2]"], poisson.cov_params()
    total = np.exp(poisson.params[both].sum())
    error = total * np.sqrt(covariance.loc[both, both].to_numpy().sum())
    assert found["exp(beta[x1] + beta[x2])"]["se"] == pytest.approx(error, rel=1e-12)
    assert found["exp(beta[x1])"]["upper"] == pytest.approx(
        ratio * (1 + 1.959963984540054 * poisson.bse["beta[x1]"]), rel=1e-12
    )


def test_few_groups_take_students_t_here_too():
    groups = np.repeat(np.arange(20), N // 20)
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(Y, X, group=groups)))
    found = fit.derived("beta[x1]")[["lower", "upper"]]
    np.testing.assert_allclose(found.loc["beta[x1]"], fit.conf_int().loc["beta[x1]"], rtol=1e-12)
    half = stats.t.ppf(0.975, 19) * fit.bse["beta[x1]"]
    assert found["upper"].item() == pytest.approx(fit.params["beta[x1]"] + half, rel=1e-12)


@pytest.mark.parametrize(
    ("ours", "matrix", "values"),
    [
        ("beta[x1] = 0", [[0, 1, 0, 0]], [0]),
        ("beta[x1] = beta[x2], beta[x3] = 0.1", [[0, 1, -1, 0], [0, 0, 0, 1]], [0, 0.1]),
        ("beta[x1] - 2 * beta[x2] = 0.5", [[0, 1, -2, 0]], [0.5]),
    ],
)
def test_walds_test_is_statsmodels(poisson, theirs, ours, matrix, values):
    test = poisson.wald_test(ours)
    expected = theirs.wald_test((np.array(matrix, float), np.array(values, float)), scalar=True)
    assert test.statistic == pytest.approx(float(expected.statistic), rel=1e-6)
    assert test.p_value == pytest.approx(float(expected.pvalue), rel=1e-5)
    assert test.df == len(matrix)


def test_walds_test_takes_the_robust_covariance(poisson):
    robust = sm.Poisson(Y, EXOG).fit(disp=0, tol=1e-12, cov_type="HC0")
    expected = robust.wald_test(np.eye(4)[1:], scalar=True)
    test = poisson.wald_test("beta[x1] = 0, beta[x2] = 0, beta[x3] = 0", kind="sandwich")
    assert test.statistic == pytest.approx(float(expected.statistic), rel=1e-6)


def test_the_likelihood_ratio_is_statsmodels(poisson, theirs):
    problem = poisson.problem
    null = wb.maximum_likelihood(problem, fixed={"beta[x1]": 0.0, "beta[x2]": 0.0, "beta[x3]": 0.0})
    test = wb.likelihood_ratio_test(null, poisson)
    assert test.statistic == pytest.approx(theirs.llr, rel=1e-9)
    assert test.p_value == pytest.approx(theirs.llr_pvalue, rel=1e-6)
    assert test.df == 3


def test_at_a_boundary_half_of_the_null_is_a_point():
    overdispersed = wb.maximum_likelihood(wb.bind(counts.negative_binomial, dataset(Y, X)))
    equal = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(Y, X)))
    test = wb.likelihood_ratio_test(equal, overdispersed, boundary=True)
    statistic = 2 * (overdispersed.llf - equal.llf)
    assert test.statistic == pytest.approx(statistic, rel=1e-12)
    assert test.p_value == pytest.approx(stats.chi2.sf(statistic, 1) / 2, rel=1e-12)


def test_a_likelihood_ratio_refuses_what_it_cannot_compare(poisson):
    problem = poisson.problem
    null = wb.maximum_likelihood(problem, fixed={"beta[x3]": 0.0})
    with pytest.raises(wb.ModelError, match="pass the smaller model first"):
        wb.likelihood_ratio_test(poisson, null)
    with pytest.raises(wb.ModelError, match="one is a MAP"):
        wb.likelihood_ratio_test(wb.maximum_a_posteriori(problem), poisson)
    other = wb.maximum_likelihood(problem.on(dataset(Y[::-1], X)))
    with pytest.raises(wb.ModelError, match="different rows"):
        wb.likelihood_ratio_test(null, other)
    grouped = wb.bind(counts.poisson, dataset(Y, X, group=np.repeat(np.arange(N // 4), 4)))
    pair = [wb.maximum_likelihood(grouped, fixed=held) for held in ({"beta[x3]": 0.0}, {})]
    with pytest.raises(wb.ModelError, match="belong to groups"):
        wb.likelihood_ratio_test(*pair)
    linear = wb.maximum_likelihood(wb.bind(declarations.linear, dataset(Y, X)))
    with pytest.raises(wb.ModelError, match="not nested"):
        wb.likelihood_ratio_test(poisson, linear)


def test_restrictions_that_repeat_each_other_are_refused(poisson):
    with pytest.raises(wb.ModelError, match="not separate"):
        poisson.wald_test("beta[x1] = beta[x2], 2 * beta[x1] = 2 * beta[x2]")
    with pytest.raises(wb.ModelError, match="did you mean 'beta"):
        poisson.wald_test("beta[x9] = 0")


def test_a_test_reads_as_a_sentence(poisson):
    said = str(poisson.wald_test("beta[x1] = 0, beta[x2] = 0"))
    assert said.startswith("Wald test of beta[x1] = 0, beta[x2] = 0: ")
    assert "on 2 degrees of freedom, p = " in said
