"""Rao's score test of the values at which parameters were held."""

import numpy as np
import pymc as pm
import pytest
import statsmodels.api as sm
from scipy import stats

import workbench as wb
from models import binary, continuous, counts
from tests import declarations
from tests.declarations import dataset
from tests.marking import slow_but

RNG = np.random.default_rng(20261123)
N, G = 300, 60
X = RNG.normal(size=(N, 3))
EXOG = sm.add_constant(X)
NORMAL = EXOG @ [1.0, 0.5, 0.1, 0.0] + 2.0 * RNG.normal(size=N)
COUNTS = RNG.negative_binomial(2.0, 2.0 / (2.0 + np.exp(EXOG @ [0.4, 0.3, 0.1, 0.1])))
BINARY = RNG.binomial(1, 1 / (1 + np.exp(-EXOG @ [0.2, 0.5, 0.2, 0.0])))
GROUPS = RNG.permutation(np.repeat(np.arange(G), N // G))
WITHOUT = {"beta[x2]": 0.0, "beta[x3]": 0.0}


def held(definition, y, fixed, **columns):
    return wb.maximum_likelihood(wb.bind(definition, dataset(y, X, **columns)), fixed=fixed)


def known_spread(data):
    """Normal regression with a known standard deviation of 2."""
    return declarations._regression(
        data, lambda mu, y: pm.Normal("outcome", mu, 2.0, observed=y, dims="row")
    )


@pytest.mark.parametrize("kind", [None, "expected", "observed"])
def test_with_a_known_spread_score_wald_and_likelihood_ratio_are_one(kind):
    """The log-likelihood is a parabola."""
    fit = held(known_spread, NORMAL, {"beta[x1]": 0.4, "beta[x3]": -0.1})
    test = fit.score_test(kind)
    covariance = 4.0 * np.linalg.inv(EXOG.T @ EXOG)
    away = (np.linalg.lstsq(EXOG, NORMAL)[0] - [0, 0.4, 0, -0.1])[[1, 3]]
    statistic = away @ np.linalg.solve(covariance[np.ix_([1, 3], [1, 3])], away)
    assert test.statistic == pytest.approx(statistic, rel=1e-9)
    assert test.df == 2
    assert test.p_value == pytest.approx(stats.chi2.sf(statistic, 2), rel=1e-8)


def test_in_least_squares_it_is_the_share_of_squares_that_the_terms_take():
    """n (1 - RSS / RSS under restriction): the nR^2 of Breusch and Pagan's family of tests."""
    squares = sm.OLS(NORMAL, EXOG).fit().ssr / sm.OLS(NORMAL, EXOG[:, :2]).fit().ssr
    test = held(continuous.normal, NORMAL, WITHOUT).score_test()
    assert test.statistic == pytest.approx(N * (1 - squares), rel=1e-8)
    assert test.df == 2


@pytest.mark.parametrize(
    ("definition", "y", "family"),
    [
        (counts.poisson, COUNTS, sm.families.Poisson()),
        (binary.logit, BINARY, sm.families.Binomial()),
    ],
    ids=["poisson", "logistic"],
)
def test_nested_terms_are_statsmodels(definition, y, family):
    null = sm.GLM(y, EXOG[:, :2], family=family).fit(tol=1e-14)
    statistic, p_value, df = null.model.score_test(null.params, exog_extra=EXOG[:, 2:])
    for kind in (None, "expected", "observed"):  # the links are canonical
        test = held(definition, y, WITHOUT).score_test(kind)
        assert test.statistic == pytest.approx(float(np.squeeze(statistic)), rel=1e-7)
        assert test.p_value == pytest.approx(float(np.squeeze(p_value)), rel=1e-6)
        assert test.df == df


def test_a_link_that_is_not_canonical_tells_the_informations_apart():
    """The negative binomial with its dispersion known, of which the log is no canonical link."""

    def known_dispersion(data):
        def outcome(eta, y):
            mu = pm.math.exp(eta)
            pm.NegativeBinomial("outcome", mu=mu, alpha=2.0, observed=y, dims="row")

        return declarations._regression(data, outcome)

    family = sm.families.NegativeBinomial(alpha=0.5)
    null = sm.GLM(COUNTS, EXOG[:, :2], family=family).fit(tol=1e-14)
    fit = held(known_dispersion, COUNTS, WITHOUT)
    found = {}
    for kind in ("expected", "observed"):
        theirs = null.model.score_test(
            null.params, exog_extra=EXOG[:, 2:], observed=kind == "observed"
        )
        found[kind] = fit.score_test(kind).statistic
        assert found[kind] == pytest.approx(float(np.squeeze(theirs[0])), rel=1e-7)
    assert found["expected"] != pytest.approx(found["observed"], rel=1e-3)


def poisson_scores(columns):
    """Of each row, at the fit without the last two terms."""
    null = sm.GLM(COUNTS, EXOG[:, :2], family=sm.families.Poisson()).fit(tol=1e-14)
    return (COUNTS - null.mu)[:, None] * columns, null.mu


def test_by_outer_products_it_is_n_times_an_uncentred_r_squared():
    """Of a regression of ones on the scores."""
    scores, _ = poisson_scores(EXOG)
    explained = scores @ np.linalg.lstsq(scores, np.ones(N))[0]
    test = held(counts.poisson, COUNTS, WITHOUT).score_test("opg")
    assert test.statistic == pytest.approx(explained @ explained, rel=1e-7)


def test_the_generalised_statistic_is_statsmodels_but_for_its_centring():
    null = sm.GLM(COUNTS, EXOG[:, :2], family=sm.families.Poisson()).fit(tol=1e-14)
    theirs = float(null.score_test(exog_extra=EXOG[:, 2:], cov_type="HC0").statistic)
    # Its squares are taken about the mean score, and divided by n - 1.
    statistic = N * theirs / (N - 1 + theirs)
    test = held(counts.poisson, COUNTS, WITHOUT).score_test("sandwich")
    assert test.statistic == pytest.approx(statistic, rel=1e-7)


def test_declared_groups_add_up_their_scores():
    """Boos (1992), written out: the score less its regression on the free terms' scores."""
    scores, mu = poisson_scores(EXOG)
    free, tested = EXOG[:, :2], EXOG[:, 2:]
    slope = np.linalg.solve((free * mu[:, None]).T @ free, (free * mu[:, None]).T @ tested)
    rest = scores[:, 2:] - scores[:, :2] @ slope
    totals = np.array([rest[group == GROUPS].sum(axis=0) for group in range(G)])
    total = rest.sum(axis=0)
    statistic = total @ np.linalg.solve(totals.T @ totals, total)
    fit = held(counts.poisson, COUNTS, WITHOUT, group=GROUPS)
    assert fit.score_test().statistic == pytest.approx(statistic, rel=1e-7)
    alone = held(counts.poisson, COUNTS, WITHOUT, group=np.arange(N))
    assert alone.score_test().statistic == pytest.approx(
        fit.score_test("sandwich").statistic, rel=1e-9
    )
    # Rows taken for independent on request, as with the covariances.
    plain = held(counts.poisson, COUNTS, WITHOUT).score_test()
    assert fit.score_test("expected").statistic == pytest.approx(plain.statistic, rel=1e-9)


def common(data):
    """Normal outcomes with one mean and one spread."""
    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        mu, sigma = pm.Normal("mu", 0.0, 10.0), pm.HalfNormal("sigma", 10.0)
        pm.Normal("outcome", mu, sigma, observed=y, dims="row")
    return model


def spread_held_at(sigma):
    problem = wb.bind(common, dataset(NORMAL).drop_vars("X"))
    return wb.maximum_likelihood(problem, fixed={"sigma": sigma})


@pytest.mark.parametrize("sigma", [1.8, 2.5])
def test_the_observed_information_is_that_of_the_natural_scale(sigma):
    """score -n/s + S/s^3, information -n/s^2 + 3 S/s^4: that of log s would be 2 S/s^2."""
    squares = ((NORMAL - NORMAL.mean()) ** 2).sum()
    score = -N / sigma + squares / sigma**3
    fit = spread_held_at(sigma)
    observed = score**2 / (-N / sigma**2 + 3 * squares / sigma**4)
    assert fit.score_test("observed").statistic == pytest.approx(observed, rel=1e-9)
    expected = score**2 / (2 * N / sigma**2)
    assert fit.score_test().statistic == pytest.approx(expected, rel=1e-9)


def test_an_observed_information_without_curvature_points_to_another_kind():
    far = 1.01 * np.sqrt(3) * NORMAL.std()  # beyond sqrt(3) deviations it is negative
    with pytest.raises(wb.ModelError, match=r"not positive definite.*kind='expected'"):
        spread_held_at(far).score_test("observed")
    assert spread_held_at(far).score_test().p_value < 1e-6


def test_a_family_without_expected_information_takes_the_observed():
    y = np.maximum(NORMAL, 0.0)
    fit = held(declarations.tobit, y, WITHOUT)
    test = fit.score_test()
    assert test == fit.score_test("observed")
    assert "by the observed information" in str(test)
    with pytest.raises(wb.ModelError, match="no expected information of Censored"):
        fit.score_test("expected")
    free = wb.maximum_likelihood(fit.problem)
    ratio = wb.likelihood_ratio_test(fit, free)
    # Both are chi squared to first order; of a statistic near 2 they differ by some hundredths.
    assert test.statistic == pytest.approx(ratio.statistic, rel=0.1)


@pytest.mark.parametrize("kind", slow_but({"observed"}, ["expected", "observed"]))
def test_near_the_estimate_all_three_tests_agree(kind):
    free = wb.maximum_likelihood(wb.bind(counts.negative_binomial, dataset(COUNTS, X)))
    away = {name: free.params[name] + 0.05 * free.bse[name] for name in ("beta[x2]", "alpha")}
    restricted = wb.maximum_likelihood(free.problem, fixed=away)
    score = restricted.score_test(kind).statistic
    hypothesis = ", ".join(f"{name} = {value!r}".replace("np.float64", "")
                           for name, value in away.items())  # fmt: skip
    wald = free.wald_test(hypothesis, kind=kind).statistic
    ratio = wb.likelihood_ratio_test(restricted, free).statistic
    # A twentieth of a standard error away: cubic terms and the change of the information are
    # of that size; expected and observed information differ by their own noise, 1 / sqrt(n).
    assert score == pytest.approx(wald, rel=0.05)
    assert score == pytest.approx(ratio, rel=0.05 if kind == "observed" else 0.15)


def test_frequency_weights_are_repeated_rows():
    weights = RNG.integers(1, 4, N)
    weighted = held(counts.poisson, COUNTS, WITHOUT, weight=weights)
    rows = np.repeat(np.arange(N), weights)
    problem = wb.bind(counts.poisson, dataset(COUNTS[rows], X[rows]))
    repeated = wb.maximum_likelihood(problem, fixed=WITHOUT)
    for kind in ("expected", "observed", "opg", "sandwich"):
        assert weighted.score_test(kind).statistic == pytest.approx(
            repeated.score_test(kind).statistic, rel=1e-8
        )


def test_it_reads_as_a_sentence():
    said = str(held(counts.poisson, COUNTS, WITHOUT).score_test())
    assert said.startswith("score test of beta[x2] = 0, beta[x3] = 0 by the expected information: ")
    assert "on 2 degrees of freedom, p = " in said


def test_what_has_no_score_test_is_told():
    fit = held(counts.poisson, COUNTS, WITHOUT)
    with pytest.raises(wb.ModelError, match=r"nothing was held.*fixed=\{'beta\[Intercept\]': 0.0"):
        wb.maximum_likelihood(fit.problem).score_test()
    with pytest.raises(wb.ModelError, match="this is a MAP"):
        wb.maximum_a_posteriori(fit.problem, fixed=WITHOUT).score_test()
    with pytest.raises(wb.ModelError, match="not 'rao'"):
        fit.score_test("rao")
    with pytest.raises(wb.ModelError, match="needs a declared group"):
        fit.score_test("cluster")
    few = held(counts.poisson, COUNTS, WITHOUT, group=np.arange(N) % 4)
    with pytest.raises(wb.ModelError, match="4 groups cannot tell the scores of 4 parameters"):
        few.score_test()
    apart = dataset([0, 0, 1, 1], [[-2.0, 0.1], [-1.0, 0.3], [1.0, -0.2], [2.0, 0.4]])
    runaway = wb.maximum_likelihood(wb.bind(binary.logit, apart), fixed={"beta[x2]": 0.0})
    with pytest.raises(wb.ModelError, match="no score test: running away"):
        runaway.score_test()
