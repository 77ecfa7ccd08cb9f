"""Functions of the parameters with errors, and Wald and likelihood-ratio tests."""

import numpy as np
import pymc as pm
import pytest
import statsmodels.api as sm
from scipy import stats

import workbench as wb
from models import binary, continuous, counts
from tests import declarations
from tests.declarations import dataset
from workbench.estimate import SimulatedTest

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
    linear = wb.maximum_likelihood(wb.bind(continuous.normal, dataset(Y, X)))
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


def common_mean(data):
    """Studies with known standard errors around a common mean, without a spread of their own."""
    with pm.Model() as model:
        y, se = (pm.Data(name, data[name], dims="row") for name in ("y", "se"))
        pm.Normal("outcome", pm.Normal("mu", 0.0, 10.0), se, observed=y, dims="row")
    return model


def studies(count, variance):
    """Fits without and with a spread, of studies with unit errors and that variance."""
    y = stats.norm.ppf((np.arange(count) + 0.5) / count)
    y *= np.sqrt(variance) / y.std()
    data = dataset(y, se=np.ones(count)).drop_vars("X")
    declared = (common_mean, declarations.known_errors)
    return [wb.maximum_likelihood(wb.bind(one, data)) for one in declared]


def binomial_error(p, replicates):
    return 4 * np.sqrt(p * (1 - p) / replicates) + 1 / replicates


@pytest.mark.slow
def test_the_simulated_null_of_a_variance_at_zero_is_exact_for_few_rows():
    # With S = mean((y - mean)^2), the ratio is n (S - 1 - log S) above S = 1, else 0, and n S is
    # chi squared on n - 1: the chance of more is that of a larger S.
    n, variance = 20, 1.45
    pair = studies(n, variance)
    test = wb.likelihood_ratio_test(*pair, replicates=400, rng=np.random.default_rng(3))
    assert test.statistic == pytest.approx(n * (variance - 1 - np.log(variance)), rel=1e-6)
    exact = stats.chi2.sf(n * variance, n - 1)
    assert abs(test.p_value - exact) < binomial_error(exact, 400)
    at_zero = stats.chi2.cdf(n, n - 1)  # 0.54; half of them only for many rows
    assert abs(np.mean(test.null < 1e-3) - at_zero) < binomial_error(at_zero, 400)
    # The half-and-half null, of many rows, is seen to be another here.
    assert wb.likelihood_ratio_test(*pair, boundary=True).p_value > 1.2 * exact


@pytest.mark.slow
def test_the_simulated_null_of_many_rows_is_half_and_half():
    pair = studies(2000, 1.045)
    test = wb.likelihood_ratio_test(*pair, replicates=300, rng=np.random.default_rng(4))
    half = wb.likelihood_ratio_test(*pair, boundary=True)
    assert test.statistic == pytest.approx(half.statistic, rel=1e-9)
    assert 0.02 < half.p_value < 0.2
    # Of 2,000 rows the asymptotic null still errs by some 4 per cent of p.
    assert abs(test.p_value - half.p_value) < binomial_error(half.p_value, 300) + 0.01


def test_poisson_against_nb2_where_the_counts_vary_too_little():
    y = RNG.binomial(6, 0.5, N)
    pair = [wb.maximum_likelihood(wb.bind(model, dataset(y, X[:, :1])))
            for model in (counts.poisson, counts.negative_binomial)]  # fmt: skip
    assert pair[1].status == "running away"
    with pytest.raises(wb.ModelError, match="the free fit has no regular maximum"):
        wb.likelihood_ratio_test(*pair, boundary=True)
    test = wb.likelihood_ratio_test(*pair, replicates=30)
    assert test.failed == 0
    assert (test.statistic, test.p_value) == (0.0, 1.0)
    assert (test.null > 0.1).any()


def shifted(data):
    """Normal outcomes of known scale: the likelihood ratio is chi squared exactly."""
    with pm.Model(coords={"term": data["term"].values}) as model:
        X, y = pm.Data("X", data["X"], dims=("row", "term")), pm.Data("y", data["y"], dims="row")
        beta = pm.Normal("beta", 0.0, 10.0, dims="term")
        pm.Normal("outcome", X @ beta, 1.0, observed=y, dims="row")
    return model


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
def test_both_fits_see_the_same_simulated_outcomes(weighted):
    y, x = X[:50, 0] + RNG.normal(size=50), X[:50, 1:]
    columns = {"weight": RNG.integers(0, 4, 50).astype(float)} if weighted else {}
    free = wb.maximum_likelihood(wb.bind(shifted, dataset(y, x, **columns)))
    null = wb.maximum_likelihood(free.problem, fixed={"beta[x1]": 0.0, "beta[x2]": 0.0})
    test = wb.likelihood_ratio_test(null, free, replicates=300)
    assert stats.kstest(test.null, stats.chi2(2).cdf).pvalue > 1e-3
    wilks = wb.likelihood_ratio_test(null, free).p_value
    assert abs(test.p_value - wilks) < binomial_error(wilks, 300)


def test_a_simulated_p_value_counts_the_data_themselves():
    null = np.array([0.0, 1.0, 2.0, 3.0])
    test = SimulatedTest("likelihood-ratio", "a within b", 2.0, null, failed=1)
    assert test.p_value == pytest.approx((1 + 2) / (1 + 4))  # Davison and Hinkley 1997, 4.11
    said = "2 among those of 4 data sets simulated from the restricted fit (1 more could not be"
    assert said in str(test)


def test_a_simulated_null_refuses_what_it_cannot_tell(poisson):
    null = wb.maximum_likelihood(poisson.problem, fixed={"beta[x3]": 0.0})
    with pytest.raises(wb.ModelError, match="pass one of the two"):
        wb.likelihood_ratio_test(null, poisson, boundary=True, replicates=10)
    with pytest.raises(wb.ModelError, match="one replicate or more, not -1"):
        wb.likelihood_ratio_test(null, poisson, replicates=-1)
    with pytest.raises(wb.ModelError, match="pass the smaller model first"):
        wb.likelihood_ratio_test(poisson, null, replicates=10)
    y, x = np.array([0.0, 0, 0, 0, 1, 1, 1, 1]), np.column_stack([np.arange(8.0), X[:8, 0]])
    separated = wb.bind(binary.logit, dataset(y, x))
    pair = [wb.maximum_likelihood(separated, fixed=held) for held in ({"beta[x2]": 0.0}, {})]
    with pytest.raises(wb.ModelError, match="no null can be simulated: the restricted fit is run"):
        wb.likelihood_ratio_test(*pair, replicates=10)


def test_replicates_that_cannot_be_fitted_are_refused(monkeypatch, poisson):
    null = wb.maximum_likelihood(poisson.problem, fixed={"beta[x3]": 0.0})
    monkeypatch.setattr("workbench.estimate.likelihood_ratio._settled",
                        lambda optimum: optimum.theta is poisson.theta)  # fmt: skip
    with pytest.raises(wb.ModelError, match=r"10 of 10 data sets simulated .* could not be fitted"):
        wb.likelihood_ratio_test(null, poisson, replicates=10)
