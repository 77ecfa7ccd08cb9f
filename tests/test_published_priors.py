"""Maxima a posteriori: penalties as priors, Jeffreys' prior, and those in closed form."""

from functools import cache

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from scipy.special import comb

import workbench as wb
from tests.marking import slow_but
from tests.published import priors
from tests.published.records import PUBLISHED, dataset
from workbench.optimum import Status


def bernoulli(eta, y):
    pm.Bernoulli("outcome", logit_p=eta, observed=y)


def poisson(eta, y):
    pm.Poisson("outcome", pm.math.exp(eta), observed=y)


PENALISED = {
    "map.glmnet_binomial_ridge_2": bernoulli,
    "map.glmnet_binomial_lasso_6": bernoulli,
    "map.glmnet_binomial_lasso_7": bernoulli,
    "map.glmnet_poisson_ridge_2": poisson,
    "map.glmnet_poisson_lasso_8": poisson,
}


def penalty(case):
    """PyMC's prior of a record's."""
    described = dict(PUBLISHED[case]["model"]["prior"])
    family = getattr(pm, described.pop("dist"))
    return lambda name, dims: family(name, **described, dims=dims)


@cache
def problem_of(case):
    return wb.bind(priors.penalised(PENALISED[case], penalty(case)), dataset(case))


def joint(fit):
    """The log posterior up to the evidence, with all constants of likelihood and prior."""
    return fit.llf + fit.problem.log_prior(fit.theta)


QUICK = {"map.glmnet_binomial_lasso_6", "map.glmnet_poisson_ridge_2"}
ON_A_KINK = {"map.glmnet_binomial_lasso_6"}  # an L1 penalty that holds a coefficient at zero


@pytest.mark.parametrize("case", slow_but(QUICK, PENALISED))
def test_a_penalty_is_a_prior(case):
    fit = wb.maximum_a_posteriori(problem_of(case))
    refined = PUBLISHED[case]["refined"]
    assert fit.status == (Status.KINK if case in ON_A_KINK else Status.MINIMUM)
    np.testing.assert_allclose(fit.params, refined["params"], rtol=1e-9, atol=1e-15)
    assert fit.llf == pytest.approx(refined["loglik"], abs=1e-9)
    assert joint(fit) == pytest.approx(refined["logposterior"], abs=1e-10)
    # glmnet stopped at 1e-7 of its own deviance.
    np.testing.assert_allclose(fit.params, PUBLISHED[case]["reference"]["params"], atol=2e-5)


def test_what_a_penalty_holds_at_zero_can_be_held_there():
    case = "map.glmnet_binomial_lasso_6"
    fit = wb.maximum_a_posteriori(problem_of(case))
    held = wb.maximum_a_posteriori(problem_of(case), fixed={"beta[x1]": 0.0})
    assert held.status == Status.MINIMUM
    np.testing.assert_allclose(held.params, fit.params, rtol=1e-9, atol=1e-15)
    assert fit.bse.isna().all()
    assert held.bse.drop("beta[x1]").notna().all()
    # The slope at zero proves it to be the maximum (KKT).
    slope = held.problem.value_and_gradient(held.theta)[1][0]
    assert abs(slope) < 1 / PUBLISHED[case]["model"]["prior"]["b"]
    # And the pull of the prior is told, in errors of the likelihood's estimate.
    free = wb.maximum_likelihood(problem_of(case))
    shift = wb.prior_pull(free, fit)["shift"]
    np.testing.assert_allclose(shift, (fit.params - free.params) / free.bse)


JEFFREYS = {
    "map.endometrial_jeffreys": ("HG ~ NV + PI + EH", None),
    "map.lizards_jeffreys": ("grahami ~ height + diameter + light + midday + late", "m"),
}


@pytest.mark.parametrize("case", slow_but({"map.lizards_jeffreys"}, JEFFREYS))
def test_a_maximum_under_jeffreys_prior_is_firths(case):
    formula, trials = JEFFREYS[case]
    record = PUBLISHED[case]
    data = dataset(case, formula, columns=[trials] if trials else ())
    if not trials:
        data = data.assign(m=("row", np.ones(data.sizes["row"])))
    fit = wb.maximum_a_posteriori(wb.bind(priors.firth, data))
    terms = ["Intercept", *record["param_names"][1:]]
    params = fit.params[[f"beta[{term}]" for term in terms]]
    assert fit.status == Status.MINIMUM
    np.testing.assert_allclose(params, record["refined"]["params"], rtol=1e-8)
    np.testing.assert_allclose(params, record["reference"]["params"], rtol=1e-8)
    # brglm2's errors: the likelihood's information there, without the prior's.
    if record["reference"]["bse"]:
        covariance = np.linalg.inv(fit.problem.hessian(fit.theta))
        errors = pd.Series(np.sqrt(np.diag(covariance)), fit.params.index)[params.index]
        np.testing.assert_allclose(errors, record["reference"]["bse"], rtol=1e-6)
    # The record leaves the binomial coefficients out.
    coefficients = np.log(comb(data["m"], data["y"])).sum()
    penalised_llf = record["refined"]["penalised_llf"]
    assert joint(fit) - coefficients == pytest.approx(penalised_llf, abs=1e-9)


CONJUGATE = {
    "map.discoveries_gamma_poisson": priors.poisson_under_gamma,
    "map.lew_normal_mean": priors.mean_under_normal,
    "map.lew_invgamma_variance": priors.variance_under_inverse_gamma,
}


@pytest.mark.parametrize("case", CONJUGATE)
def test_a_conjugate_mode_is_that_of_the_natural_scale(case):
    fit = wb.maximum_a_posteriori(wb.bind(CONJUGATE[case], dataset(case, "y ~ 1")))
    closed = PUBLISHED[case]["reference"]
    assert fit.status == Status.MINIMUM
    for name, mode in closed["params_natural_scale"].items():
        assert fit.params[name] == pytest.approx(mode, rel=1e-11)
        assert fit.bse[name] == pytest.approx(closed["laplace_sd_natural"][name], rel=1e-11)
    value = closed["logposterior_unnormalised_at_natural_mode"]
    assert joint(fit) == pytest.approx(value, rel=1e-12)
