"""The consistency test: healthy models give no alarm, a simulator of another model does."""

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy import stats
from statsmodels.stats.multivariate import test_mvmean as hotelling

import workbench as wb
from models import binary, continuous, counts
from models.definition import definition
from tests import declarations
from tests.declarations import dataset
from workbench.estimate import consistency

RNG = np.random.default_rng(31)
N = 200
X = RNG.normal(size=(N, 1))
MEAN = np.exp(0.8 + 0.3 * X[:, 0])
NB2 = RNG.negative_binomial(2.0, 2.0 / (2.0 + MEAN))
NORMAL = 0.8 + 0.3 * X[:, 0] + RNG.normal(size=N)
PARTS = np.where(RNG.random(N) < 0.3, RNG.normal(0, 1, N), RNG.normal(4, 1.5, N))
HEALTHY = [
    (counts.poisson, RNG.poisson(MEAN)),
    (counts.negative_binomial, NB2),
    (counts.zero_inflated_poisson, RNG.poisson(MEAN) * (RNG.random(N) < 0.7)),
    (counts.hurdle_negative_binomial, NB2 * (RNG.random(N) < 0.8)),
    (continuous.student_t, 0.8 + RNG.standard_t(4, N)),
    (declarations.tobit, np.maximum(NORMAL, 0.0)),
    (declarations.gamma, RNG.gamma(2.0, MEAN / 2)),
    (declarations.beta_binomial, RNG.binomial(10, RNG.beta(2, 2, N))),
    (declarations.two_normals((0.0, 1.0), (4.0, 1.5)), PARTS),
]


def bare(y):
    return xr.Dataset({"y": ("row", np.asarray(y, float))})


def custom(data, drawn_scale, drawn_shift=0.0):
    """Normal regression whose random draw may be another than its density."""

    def logp(value, mu, sigma):
        return pm.logp(pm.Normal.dist(mu, sigma), value)

    def random(mu, sigma, rng, size):
        return rng.normal(mu + drawn_shift, drawn_scale * sigma, size=size)

    def outcome(mu, y):
        sigma = pm.HalfNormal("sigma", 10.0)
        pm.CustomDist("outcome", mu, sigma, logp=logp, random=random, observed=y)

    return declarations._regression(data, outcome)


def fitted(declared, data):
    return wb.maximum_likelihood(wb.bind(declared, data))


@pytest.fixture(scope="module")
def normal():
    return fitted(continuous.normal, dataset(NORMAL, X))


@pytest.mark.parametrize(
    ("declared", "y"),
    # The check asks the same of every definition; one of them here.
    [pytest.param(*one, marks=[pytest.mark.slow] * (place > 0), id=one[0].__name__)
     for place, one in enumerate(HEALTHY)],
)  # fmt: skip
def test_healthy_families_give_no_alarm(declared, y):
    mixture = declared.__name__ == "declared"
    fit = fitted(declared, bare(y) if mixture else dataset(y, X))
    assert fit.status == "a minimum"
    # Nine tests with one false alarm in a thousand each; the seed is fixed.
    test = fit.consistency_test(100, rng=np.random.default_rng(len(y) + fit.k))
    assert test.agrees, str(test)
    assert test.df == fit.k
    assert str(test).startswith("the simulator and the likelihood agree: ")


def test_a_scale_wrong_by_five_per_cent_is_caught_and_named():
    fit = fitted(lambda data: custom(data, 1.05), dataset(NORMAL, X))
    test = fit.consistency_test()
    assert not test.agrees
    assert test.off == ["log sigma"]
    # d/d log sigma of a row is (r / sigma)^2 - 1, of mean 1.05^2 - 1 and variance 2 x 1.05^4.
    expected = N * (1.05**2 - 1)
    error = np.sqrt(2 * N / 200) * 1.05**2
    assert abs(test.parameters["score"]["log sigma"] - expected) < 4.5 * error
    assert test.parameters["se"]["log sigma"] == pytest.approx(error, rel=0.25)
    said = str(test)
    assert said.startswith("the simulator and the likelihood do not match: ")
    assert "off is, in standard errors, log sigma by +" in said
    healthy = fitted(lambda data: custom(data, 1.0), dataset(NORMAL, X)).consistency_test()
    assert healthy.agrees
    assert healthy.off == []


def test_a_mean_that_is_off_names_the_coefficient():
    fit = fitted(lambda data: custom(data, 1.0, 0.05), dataset(NORMAL, X))
    assert fit.consistency_test().off[0] == "beta[Intercept]"


def test_a_definitions_own_simulator_is_tested_too():
    @definition(simulate=lambda data, values, rng: {"y": rng.poisson(1.1 * MEAN)})
    def wrong(data):
        return counts.poisson(data)

    test = fitted(wrong, dataset(RNG.poisson(MEAN), X)).consistency_test()
    assert not test.agrees


def test_the_statistic_is_hotellings_as_statsmodels_has_it(normal):
    test = normal.consistency_test(40, rng=np.random.default_rng(4))
    scores = consistency._scores(normal, 40, np.random.default_rng(4))
    expected = hotelling(scores, np.zeros(3))
    assert test.statistic == pytest.approx(expected.t2, rel=1e-9)
    assert test.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    alone = stats.ttest_1samp(scores, 0.0)
    np.testing.assert_allclose(test.parameters["z"], alone.statistic, rtol=1e-9)
    np.testing.assert_allclose(test.parameters["p_value"], alone.pvalue, rtol=1e-9)
    assert list(test.parameters.index) == ["beta[Intercept]", "beta[x1]", "log sigma"]


@pytest.mark.slow
def test_p_values_are_uniform_where_the_simulator_is_right(normal):
    found = [
        normal.consistency_test(30, rng=np.random.default_rng(seed)).p_value
        for seed in range(1000, 1080)
    ]
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_the_test_says_the_same_again(normal):
    first, second = normal.consistency_test(20), normal.consistency_test(20)
    assert first.statistic == second.statistic


def test_a_map_is_tested_by_its_likelihood_alone():
    # A prior that pulls hard: its own score at the estimate is far from zero.
    def pulled(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            pm.Normal("outcome", pm.Normal("mu", 50.0, 0.1), 1.0, observed=y, dims="row")
        return model

    fit = wb.maximum_a_posteriori(wb.bind(pulled, bare(NORMAL)))
    assert fit.consistency_test().agrees


def test_what_only_the_prior_knows_is_not_tested():
    data = dataset(NORMAL, group=np.arange(N) % 8).drop_vars("X")
    fit = wb.maximum_a_posteriori(wb.bind(declarations.hierarchical, data))
    assert fit.optimum.verdict.regular
    test = fit.consistency_test()
    assert test.df == 8
    assert np.isnan(test.parameters["z"]["log spread"])
    assert test.agrees


@pytest.mark.slow
def test_weighted_and_grouped_rows_and_held_parameters_are_welcome():
    data = dataset(NB2, X, weight=RNG.integers(0, 4, N).astype(float), group=np.arange(N) // 4)
    fit = wb.maximum_likelihood(wb.bind(counts.negative_binomial, data), fixed={"alpha": 2.0})
    test = fit.consistency_test()
    assert test.agrees
    assert list(test.parameters.index) == ["beta[Intercept]", "beta[x1]"]


def test_irregular_models_are_refused():
    fit = fitted(declarations.uniform, bare(RNG.uniform(0, 3, 50)))
    with pytest.raises(wb.ModelError, match="no consistency test: irregular"):
        fit.consistency_test()
    away = fitted(continuous.normal, dataset(np.ones(10)))
    with pytest.raises(wb.ModelError, match="no consistency test: running away"):
        away.consistency_test()


def test_too_few_replicates_are_refused(normal):
    with pytest.raises(wb.ModelError, match="3 parameters needs 13 replicates or more, not 12"):
        normal.consistency_test(12)


def outside(draw):
    """Gamma outcomes with a random draw of its own making."""

    def declared(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            pm.CustomDist(
                "outcome", pm.HalfNormal("shape", 5.0), observed=y, dims="row",
                logp=lambda value, shape: pm.logp(pm.Gamma.dist(shape, 1.0), value), random=draw,
            )  # fmt: skip
        return model

    return fitted(declared, bare(RNG.gamma(2.0, 1.0, 50)))


def test_an_impossible_draw_is_told_with_its_row():
    fit = outside(lambda shape, rng, size: np.where(np.arange(50) == 7, -1.0, 2.0))
    with pytest.raises(wb.ModelError, match=r"drew -1\.0 at row 7, where the log-likelihood is"):
        fit.consistency_test()


def test_a_simulator_without_chance_is_told():
    fit = outside(lambda shape, rng, size: np.full(size, 2.0))
    with pytest.raises(wb.ModelError, match="score of log shape is the same for all simulated"):
        fit.consistency_test()


def test_numbers_of_successes_can_be_drawn():
    """PyMC draws no binomial of trials that are no whole numbers, as columns often are."""
    rng = np.random.default_rng(5)
    trials, x = rng.integers(5, 20, 150), rng.normal(size=(150, 1))
    rows = dataset(rng.binomial(trials, 1 / (1 + np.exp(-x[:, 0]))), x, trials=trials.astype(float))
    fit = wb.maximum_likelihood(wb.bind(binary.logit, rows))
    assert fit.consistency_test(40, rng=rng).p_value > 1e-3
