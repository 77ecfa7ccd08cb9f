"""The check notices what is wrong, stays silent on what is right, and never passes on NaN."""

from dataclasses import replace

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy import stats
from statsmodels.base.model import GenericLikelihoodModelResults

import workbench as wb
from models import binary, categorical, continuous, counts, positive
from models.definition import Equivalent
from tests import declarations
from tests.declarations import dataset
from tests.marking import slow_but
from workbench import density
from workbench.agreement import Outcome
from workbench.density import Distribution

RNG = np.random.default_rng(3)
N = 300
X = RNG.normal(size=(N, 1))
ETA = 0.5 + 0.4 * X[:, 0]
MEAN = np.exp(ETA)
HEALTHY = {
    "poisson": (counts.poisson, RNG.poisson(MEAN)),
    "negative_binomial": (counts.negative_binomial, RNG.negative_binomial(2, 2 / (2 + MEAN))),
    "zero_inflated_poisson": (
        counts.zero_inflated_poisson,
        RNG.poisson(3 * MEAN) * (RNG.random(N) > 0.3),
    ),
    "hurdle_negative_binomial": (
        counts.hurdle_negative_binomial,
        RNG.negative_binomial(2, 2 / (2 + 2 * MEAN)) * (RNG.random(N) > 0.2),
    ),
    "linear": (continuous.normal, RNG.normal(ETA, 0.7)),
    "logistic": (binary.logit, RNG.random(N) < 1 / (1 + np.exp(-ETA))),
    "gamma": (declarations.gamma, RNG.gamma(2.0, MEAN)),
    "exponential": (positive.exponential, RNG.exponential(MEAN)),
    "tobit": (declarations.tobit, np.maximum(RNG.normal(ETA, 1.0), 0)),
}


class Fits(dict):
    """By name, each fitted when it is first asked for."""

    def __missing__(self, name):
        definition, y = HEALTHY[name]
        self[name] = wb.maximum_likelihood(wb.bind(definition, dataset(y, X)))
        return self[name]


@pytest.fixture(scope="module")
def fits():
    return Fits()


def outcomes(checks, code):
    return {agreement.outcome for agreement in checks if agreement.code == code}


@pytest.mark.parametrize("name", slow_but({"poisson", "linear", "tobit"}, HEALTHY))
def test_healthy_models_pass_every_check(fits, name):
    checks = wb.check(fits[name], level=1e-4 / len(HEALTHY))  # of a false alarm in any
    assert checks.outcome is Outcome.PASS, checks.to_frame()
    assert {a.code for a in checks} >= {
        "sum", "gradient", "starts", "density",
        "statsmodels-llf", "statsmodels-estimate", "statsmodels-se", "statsmodels-aic",
    }  # fmt: skip


@pytest.mark.slow
def test_digits_that_a_density_loses_are_no_disagreement():
    """A beta-binomial near the binomial: log-gammas of tens of thousands make a few nats."""
    trials = RNG.integers(400, 1200, N)
    chances = 1 / (1 + np.exp(-ETA))
    chances = RNG.beta(8e3 * chances, 8e3 * (1 - chances))
    rows = dataset(RNG.binomial(trials, chances), X, trials=trials)
    fit = wb.maximum_likelihood(wb.bind(binary.beta_binomial, rows))
    assert fit.status == "a minimum"
    assert fit.params["phi"] > 1e3
    assert outcomes(wb.check(fit, budget=0.0), "scores") == {Outcome.PASS}


def test_statsmodels_own_results_are_handed_over(fits):
    checks = wb.check(fits["poisson"])
    assert isinstance(checks.statsmodels, GenericLikelihoodModelResults)
    assert "beta[x1]" in str(checks.statsmodels.summary())
    assert len(checks.to_frame()) == len(checks)
    np.testing.assert_allclose(checks.statsmodels.t_test(np.eye(2)).sd, fits["poisson"].bse,
                               rtol=1e-6)  # fmt: skip


@pytest.mark.filterwarnings("ignore:Maximum Likelihood optimization failed")  # of no iterations
def test_statsmodels_goes_on_in_the_users_hands_without_a_deadline(fits):
    ticks = iter(range(10**9))
    checks = wb.check(fits["poisson"], budget=1e5, clock=lambda: float(next(ticks)))
    model, begin = checks.statsmodels.model, checks.statsmodels.params
    for _ in range(10**5 + 1):
        next(ticks)  # the budget is over
    robust = model.fit(start_params=begin, method="bfgs", maxiter=0, disp=0, cov_type="HC0")
    np.testing.assert_allclose(
        robust.bse, fits["poisson"].standard_errors("sandwich"), rtol=1e-5
    )  # numerical derivatives


def test_parameters_on_a_simplex_are_compared_as_they_are_searched():
    fit = wb.maximum_likelihood(wb.bind(declarations.simplex, dataset(RNG.integers(0, 3, 200))))
    checks = wb.check(fit)
    assert checks.outcome is Outcome.PASS, checks.to_frame()
    named = [one.quantity for one in checks if one.code == "statsmodels-estimate"]
    assert named == list(fit.problem.theta_labels)


def test_held_parameters_are_held_by_statsmodels_too(fits):
    problem = fits["negative_binomial"].problem
    fit = wb.maximum_likelihood(problem, fixed={"alpha": 3.0})
    checks = wb.check(fit)
    assert outcomes(checks, "statsmodels-llf") == {Outcome.PASS}
    named = [one.quantity for one in checks if one.code == "statsmodels-estimate"]
    assert named == ["beta[Intercept]", "beta[x1]"]
    assert outcomes(checks, "namesake") == {Outcome.NOT_APPLICABLE}


def test_a_large_table_is_checked_on_a_part_that_is_stated():
    rng, rows = np.random.default_rng(0), 30_000
    x = rng.normal(size=(rows, 1))
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(rng.poisson(np.exp(x[:, 0])), x)))
    checks = wb.check(fit)
    assert checks.outcome is Outcome.PASS, checks.to_frame()
    (found,) = [one for one in checks if one.code == "statsmodels-llf"]
    assert "of 10,000 of the 30,000 rows, drawn with seed 0" in found.why
    assert abs(found.ours - fit.llf / 3) < 0.1 * abs(fit.llf)
    (whole,) = [one for one in checks if one.code == "namesake-llf"]
    assert whole.ours == fit.llf  # its own class takes them all


def test_what_a_simulator_draws_and_the_likelihood_excludes_is_looked_at(fits):
    beyond = replace(positive.exponential, simulate=lambda data, values, rng: {"y": -np.ones(N)})
    checks = wb.check(wb.maximum_likelihood(wb.bind(beyond, dataset(HEALTHY["exponential"][1], X))))
    (found,) = [one for one in checks if one.code == "simulator"]
    assert found.outcome is Outcome.LOOK
    assert "the simulator drew -1.0 at row 0" in found.why


def test_a_density_that_is_too_large_is_noticed_by_the_log_likelihood(fits):
    def larger(distribution, y):
        return density.log_density(distribution, y) + np.log(1.1)

    checks = wb.check(fits["linear"], log_density=larger)
    assert outcomes(checks, "statsmodels-llf") == {Outcome.FAIL}
    assert outcomes(checks, "density") == {Outcome.FAIL}
    # A constant factor moves no estimate.
    assert outcomes(checks, "statsmodels-estimate") == {Outcome.PASS}
    llf = next(a for a in checks if a.code == "statsmodels-llf")
    assert llf.distance == pytest.approx(N * np.log(1.1), rel=1e-6)


def test_a_scale_that_is_too_large_is_noticed_by_the_estimates(fits):
    def wider(distribution, y):
        mu, sigma = distribution.parameters
        return stats.norm.logpdf(y, mu, 1.1 * sigma)

    checks = wb.check(fits["linear"], log_density=wider)
    failed = {
        a.quantity for a in checks if a.code == "statsmodels-estimate" and a.outcome == "fail"
    }
    assert failed == {"sigma"}
    assert outcomes(checks, "statsmodels-llf") == {Outcome.PASS}  # the same maximum elsewhere


def test_a_density_that_is_nan_never_passes(fits):
    checks = wb.check(fits["exponential"], log_density=lambda d, y: np.full(N, np.nan))
    assert checks.outcome is not Outcome.PASS
    assert Outcome.PASS not in outcomes(checks, "density")
    assert Outcome.PASS not in outcomes(checks, "statsmodels-estimate")


def test_out_of_time_is_look(fits):
    ticks = iter(range(10**9))
    checks = wb.check(fits["poisson"], budget=5.0, clock=lambda: float(next(ticks)))
    assert outcomes(checks, "statsmodels") == {Outcome.LOOK}
    assert checks.outcome is Outcome.LOOK
    assert checks.statsmodels is None


def test_without_a_second_density_it_is_look():
    with pm.Model() as model:
        rate = pm.HalfNormal("rate", 5.0)
        y = pm.Data("y", RNG.exponential(2.0, N))
        pm.CustomDist("outcome", rate, logp=lambda y, rate: pm.math.log(rate) - rate * y,
                      class_name="Waiting", observed=y)  # fmt: skip
    checks = wb.check(wb.maximum_likelihood(wb.bind(model)))
    (untried,) = [a for a in checks if a.code == "density"]
    assert untried.outcome is Outcome.LOOK
    assert "no second density for 'Waiting' yet" in untried.why


def test_without_a_maximum_there_is_nothing_to_agree_on():
    x = np.linspace(-1, 1, 20)
    fit = wb.maximum_likelihood(wb.bind(binary.logit, dataset(x > 0, x[:, None])))
    checks = wb.check(fit)
    assert outcomes(checks, "statsmodels") == {Outcome.NOT_APPLICABLE}
    assert outcomes(checks, "gradient") == {Outcome.NOT_APPLICABLE}
    assert outcomes(checks, "optimum") == {Outcome.FAIL}
    assert checks.outcome is Outcome.FAIL


def test_a_map_is_not_compared_with_a_maximum_of_the_likelihood():
    problem = wb.bind(counts.poisson, dataset(HEALTHY["poisson"][1], X))
    checks = wb.check(wb.maximum_a_posteriori(problem))
    assert outcomes(checks, "statsmodels") == {Outcome.NOT_APPLICABLE}
    assert outcomes(checks, "gradient") == {Outcome.PASS}


def test_single_precision_in_a_ready_model_is_look():
    import pymc as pm

    with pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 10.0)
        pm.NegativeBinomial("y", mu=pm.math.exp(mu), alpha=2.0, observed=RNG.poisson(3, 50))
    checks = wb.check(wb.maximum_likelihood(wb.bind(model)))
    assert outcomes(checks, "precision") == {Outcome.LOOK}


def test_pymc_and_scipy_name_the_same_distribution(fits):
    distribution = fits["zero_inflated_poisson"].problem.distribution(
        fits["zero_inflated_poisson"].theta
    )
    assert isinstance(distribution, Distribution)
    assert [part.name for part in distribution.components] == ["DiracDelta", "Poisson"]


def test_weights_that_are_a_parameter_are_no_component():
    """A Dirichlet is a random variable, too; but it stands in the weights' place."""

    def mixture(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            w = pm.Dirichlet("w", np.ones(2))
            mu = pm.Normal("mu", 0.0, 10.0, shape=2, initval=[-2.0, 2.0])
            pm.Mixture("outcome", w, pm.Normal.dist(mu, 1.0), observed=y, dims="row")
        return model

    y = np.where(RNG.random(N) < 0.3, RNG.normal(-2, 1, N), RNG.normal(2, 1, N))
    fit = wb.maximum_likelihood(wb.bind(mixture, dataset(y)))
    assert [one.name for one in fit.problem.distribution(fit.theta).components] == ["Normal"]
    checks = wb.check(fit)
    assert outcomes(checks, "density") == {Outcome.PASS}
    assert outcomes(checks, "statsmodels-llf") == {Outcome.PASS}


@pytest.mark.slow
def test_a_simplex_of_very_many_rows_is_checked_on_a_part(monkeypatch):
    monkeypatch.setattr("workbench.agreement.maximum.LARGE", 1_000)
    monkeypatch.setattr("workbench.agreement.maximum.PART", 500)
    fit = wb.maximum_likelihood(wb.bind(declarations.simplex, dataset(RNG.integers(0, 3, 2_000))))
    checks = wb.check(fit)
    assert outcomes(checks, "statsmodels-estimate") == {Outcome.PASS}


@pytest.mark.slow
def test_what_is_held_is_held_on_a_part_too(monkeypatch):
    monkeypatch.setattr("workbench.agreement.maximum.LARGE", 200)
    monkeypatch.setattr("workbench.agreement.maximum.PART", 150)

    def mixture(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            w = pm.Dirichlet("w", np.ones(2))
            sigma = pm.HalfNormal("sigma", 5.0)
            outer = pm.Normal.dist(np.array([-2.0, 2.0]), sigma)
            pm.Mixture("outcome", w, outer, observed=y, dims="row")
        return model

    y = np.where(RNG.random(N) < 0.3, RNG.normal(-2, 1, N), RNG.normal(2, 1, N))
    fit = wb.maximum_likelihood(wb.bind(mixture, dataset(y)), fixed={"sigma": 1.0})
    estimates = [one for one in wb.check(fit) if one.code == "statsmodels-estimate"]
    assert [one.outcome for one in estimates] == [Outcome.PASS]  # of the one free coordinate


def test_a_part_without_an_optimum_is_looked_at(monkeypatch):
    monkeypatch.setattr("workbench.agreement.maximum.LARGE", 1_000)
    monkeypatch.setattr("workbench.agreement.maximum.PART", 100)
    rare = (np.arange(2_000) % 700 == 13).astype(float)[:, None]
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(RNG.poisson(3, 2_000), rare)))
    (found,) = [one for one in wb.check(fit) if one.code == "statsmodels"]
    assert found.outcome is Outcome.LOOK
    assert "a part of the rows alone does not have the optimum" in found.why


def test_with_nothing_free_the_other_checks_pass():
    data = xr.Dataset(
        {
            "y": ("row", np.tile([1.0, 0.0, 0.0], 8)),
            "X": (("row", "term"), np.ones((24, 1))),
            "group": ("row", np.arange(24) // 3),
        },
        coords={"term": ["Intercept"], "row": np.arange(24)},
    )
    fit = wb.maximum_likelihood(wb.bind(categorical.conditional_logit, data))
    assert fit.k == 0
    assert fit.llf == pytest.approx(-8 * np.log(3), rel=1e-12)
    checks = wb.check(fit)
    assert outcomes(checks, "density") == outcomes(checks, "total") == {Outcome.PASS}
    assert outcomes(checks, "statsmodels") == outcomes(checks, "simulator") == {"n/a"}
    assert wb.leave_one_out(fit).cross_entropy.value == pytest.approx(np.log(3), rel=1e-12)


DISCRETE = "statsmodels.discrete.discrete_model"
OF_BETA = {"beta": lambda params, data: {"beta": params}}


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (Equivalent("statsmodels.nowhere.Poisson", OF_BETA["beta"]), "ModuleNotFoundError"),
        (Equivalent(f"{DISCRETE}.Poison", OF_BETA["beta"]), "AttributeError"),
        (Equivalent(f"{DISCRETE}.Logit", OF_BETA["beta"]), "ValueError"),
        (Equivalent(f"{DISCRETE}.Poisson", lambda p, data: {"bta": p}), "did you mean 'beta'"),
        (Equivalent(f"{DISCRETE}.Poisson", lambda p, data: {"beta": p[:1]}), "gives 1 values"),
        (Equivalent(f"{DISCRETE}.Poisson", lambda p, data: {}), "leaves out beta"),
    ],
)
def test_an_equivalent_that_is_none_is_told_in_a_sentence(fits, named, told):
    mistaken = replace(counts.poisson, statsmodels=named)
    fit = wb.maximum_likelihood(wb.bind(mistaken, dataset(HEALTHY["poisson"][1], X)))
    (found,) = [one for one in wb.check(fit) if one.code.startswith("namesake")]
    assert found.outcome is Outcome.LOOK
    assert told in found.why
