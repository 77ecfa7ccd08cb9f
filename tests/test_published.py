"""Real data, and the answers that Stata, R and textbooks published for them."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from tests.marking import slow_but
from tests.published import groups
from tests.published.fits import (
    FITS,
    errors_as_printed,
    expressions,
    fit_of,
    natural,
)
from tests.published.records import PUBLISHED, table
from workbench.optimum import Status

TESTS = Path(__file__).parent
# Where the records are that are no fits of a likelihood.
ELSEWHERE = {
    "nist.": "test_nist.py",
    "patho.": "test_pathological.py",
    "map.": "test_published_priors.py",
    "held.": "test_published_heldout.py",
    "info.": "test_published_information.py",
}
# Of families that a quicker case has, too.
SLOW = {
    "cens.bcdeter_weibull",
    "cens.smokedfish_norm",
    "cens.fluazinam_lognormal",
    "cens.lung_weibull",
    "disc.randhie_truncated_poisson",
    "disc.randhie_zero_inflated_poisson_logit",
    "disc.randhie_nb1",
    "disc.ships_negbin_exposure_nonrobust",
    "disc.foodexpenditure_beta",
    "disc.ucla_ordered_logit",
    "disc.methylation_beta_logprec",
    "disc.anes96_mnlogit",
    "disc.spector_probit",
    "dist.quinedays_nbinom",
    "dist.groundbeef_gamma",
    "rreg.biochem_hurdle_pois",
    "dist.danishuni_lnorm",
    "dist.abbey_lnorm",
    "dist.rivers_lnorm",
    "dist.rivers_gamma",
    "disc.docvis_trunc_poisson",
    "disc.docvis_trunc_poisson1",
    "cens.kidney_weibull",
    "cens.gehan_weibull",
    "cens.capacitor_weibull",
    "cens.tobin_tobit",
    "rreg.infert_logit",
    "rreg.mroz_logit",
    "rreg.dobson_poisson",
    "rreg.insectsprays_poisson",
    "rreg.biochem_zip",
    "rreg.biochem_zinb",
    "rreg.wine_clm_logit",
    "rreg.irisbin_mnlogit",
    "rreg.infert_clogit",
    "rreg.lirat_betabinom_hb",
    "rreg.clotting_gamma_lot2",
    "disc.randhie_zinb",
    "disc.randhie_gp2",
    "disc.ucla_ordered_cloglog",
    "cens.salinity_loglogistic",
    "dist.danishuni_pareto2",
    "dist.quinedays_geom",
    "cens.affairs_tobit",
    "disc.randhie_nb2",
    "disc.condpoisson_1d",
    "rreg.lakehuron_ar2",
    "rreg.stats4_hyperbola",
    "rreg.birthwt_logit",
    "dist.oxford_gev",
    "dist.groundbeef_lnorm",
    "dist.pigeonsv1_vonmises",
    "dist.newcomb_logistic",
    "dist.endosulfan_burr",
    "rreg.sleepstudy_ri",
    "rreg.clotting_gamma_lot1_log",
    "glm.medpar_invgauss_identity",
}


def each(cases):
    """Parameters of a test, the slow ones marked."""
    return slow_but(FITS.keys() - SLOW, cases)


WITH_ERRORS = [case for case in FITS if FITS[case].errors and PUBLISHED[case]["reference"]["bse"]]
# But where the source has a covariance, and ours is its factor.
PROBED = [case for case in FITS if "probe" in PUBLISHED[case] and case != "dist.iris_setosa_mvn"]
# Standard errors by which a source's own search stopped short of the optimum.
STOPPED_SHORT = {
    "disc.randhie_gp2": 3e-5,
    "disc.randhie_zinb": 6e-4,
    "disc.ucla_ordered_logit": 8e-4,
    "disc.ucla_ordered_cloglog": 4e-5,
    "glm.cancer_gamma_identity": 4e-5,
    "glm.medpar_invgauss_identity": 5e-4,
    "rreg.lakehuron_ar2": 3e-6,
}
# Relative accuracy of errors that a source computed by differences, or where it stopped short.
ROUGH_ERRORS = {
    "disc.randhie_nb1": 4e-4,
    "disc.randhie_gp2": 2e-6,
    "glm.cpunish_poisson": 9e-6,
    "disc.randhie_zinb": 4e-4,
    "disc.ucla_ordered_logit": 1e-4,
    "disc.ucla_ordered_cloglog": 2e-6,
    "disc.methylation_beta_logprec": 7e-4,
    "rreg.lakehuron_ar2": 3e-4,
}


def half_a_digit(values):
    """Half a unit in the last place of what was printed."""
    places = [Decimal(repr(float(value))).as_tuple().exponent for value in values]
    return 0.5 * 10.0 ** np.array(places)


def test_every_record_is_tested():
    texts = {prefix: (TESTS / file).read_text() for prefix, file in ELSEWHERE.items()}
    tested = set(FITS) | {"rreg.dyestuff2_ri"}
    for case in PUBLISHED:
        text = next((text for prefix, text in texts.items() if case.startswith(prefix)), "")
        if f'"{case}"' in text or f'"{case.rpartition(".")[0]}."' in text:
            tested.add(case)
    assert tested == set(PUBLISHED)


@pytest.mark.parametrize("case", each(FITS))
def test_the_optimum_is_that_of_double_precision(case):
    fit, refined = fit_of(case), PUBLISHED[case]["refined"]
    assert fit.status == Status.MINIMUM
    ours = fit.derived(*expressions(case), kind="observed")
    errors = np.array(refined["bse_observed_info"])
    free = errors > 0  # a held parameter has none
    off = np.abs(ours["estimate"] - refined["params"])[free] / errors[free]
    # A hundred-thousandth of what the records ask for: two roundings of one optimum.
    assert off.max() < 1e-9
    np.testing.assert_allclose(ours["se"][free], errors[free], rtol=1e-9)
    assert fit.llf == pytest.approx(refined["llf"], rel=1e-12, abs=1e-10)


@pytest.mark.parametrize("case", each(FITS))
def test_the_source_prints_the_same_estimates(case):
    record, fit = PUBLISHED[case], fit_of(case)
    errors = np.array(record["refined"]["bse_observed_info"])
    estimates = fit.derived(*expressions(case), kind="observed")["estimate"].to_numpy()
    printed = record["reference"]["params"]
    short = STOPPED_SHORT.get(case, 1e-6)  # where Newton's method stops by default
    off = np.abs(estimates - printed)
    assert (off <= np.maximum(1.01 * half_a_digit(printed), short * errors)).all()


@pytest.mark.parametrize("case", each(STOPPED_SHORT))
def test_a_source_that_stopped_short_has_the_lower_likelihood(case):
    assert likelihood_at(case, PUBLISHED[case]["reference"]["params"]) < fit_of(case).llf


@pytest.mark.parametrize("case", each(WITH_ERRORS))
def test_the_source_prints_the_same_errors(case):
    record = PUBLISHED[case]
    printed = record["reference"]["bse"]
    known = np.array([value is not None for value in printed])
    ours, theirs = errors_as_printed(case)[known], np.array(printed, float)[known]
    rough = ROUGH_ERRORS.get(case, 3e-7)  # R's differences by Richardson's method
    assert (np.abs(ours - theirs) <= np.maximum(1.01 * half_a_digit(theirs), rough * theirs)).all()
    if "bse_alt" in record["refined"]:  # the same kind at the refined optimum
        np.testing.assert_allclose(ours, record["refined"]["bse_alt"], rtol=1e-9)


@pytest.mark.parametrize("case", each(FITS))
def test_the_source_prints_the_same_log_likelihood(case):
    printed, fit = PUBLISHED[case]["reference"], fit_of(case)
    if printed["llf"] is not None:
        # Stata 11 sums to about seven digits.
        allowed = max(1.01 * half_a_digit([printed["llf"]])[0], 1e-7 * abs(printed["llf"]))
        assert fit.llf == pytest.approx(printed["llf"], abs=allowed)
    if "aic" in printed:
        assert fit.aic == pytest.approx(printed["aic"], rel=1e-7)
    if "bic" in printed:
        assert fit.bic == pytest.approx(printed["bic"], rel=1e-7)


def likelihood_at(case, values):
    """Our log-likelihood at the published values of the parameters."""
    fit = fit_of(case)
    known = fit.params.copy()
    for label, value in natural(case, values).items():
        known[label] = value
    return -fit.problem.derivatives(fit.problem.unconstrained(known.to_numpy()))[0]


@pytest.mark.parametrize("case", each(PROBED))
def test_the_log_likelihood_agrees_away_from_the_optimum(case):
    probe = PUBLISHED[case]["probe"]
    assert likelihood_at(case, probe["params"]) == pytest.approx(probe["llf"], rel=1e-12, abs=1e-9)


# Gamma and inverse Gaussian: the coefficients are the same under each of three likelihoods. Case,
# definition, the parameter that is one over the dispersion, and where the record has R's figures.
DISPERSED = [
    ("glm.cancer_gamma_identity", "shape", "scale_pearson", "bse", "llf_R_style"),
    ("glm.medpar_invgauss_identity", "lambda", "scale_pearson", "bse", "llf_R_style"),
    ("rreg.clotting_gamma_lot1_log", "alpha", "dispersion", "sd_pearson", "llf_R_logLik"),
    ("rreg.clotting_gamma_lot2", "shape", "dispersion", "sd_pearson", "llf_R_logLik"),
]


@pytest.mark.parametrize(("case", "held", "dispersion", "errors", "llf"), DISPERSED)
def test_r_plugs_in_two_estimates_of_a_dispersion(case, held, dispersion, errors, llf):
    fit, printed = fit_of(case), PUBLISHED[case]["reference"]
    by_pearson = wb.maximum_likelihood(fit.problem, fixed={held: 1 / printed[dispersion]})
    terms = [ours for ours in expressions(case) if ours != held]
    expected = by_pearson.derived(*terms, kind="expected")["se"]
    # R's iteration stopped at four to five digits of the two generalised linear models.
    np.testing.assert_allclose(expected, printed[errors], rtol=2e-4)
    by_deviance = wb.maximum_likelihood(fit.problem, fixed={held: fit.nobs / printed["deviance"]})
    assert by_deviance.llf == pytest.approx(printed[llf], rel=1e-9)


@pytest.mark.parametrize(("case", "held"), [case[:2] for case in DISPERSED[:2]])
def test_the_joint_maximum_has_the_same_coefficients_and_its_own_errors(case, held):
    fit = wb.maximum_likelihood(fit_of(case).problem)
    joint = PUBLISHED[case]["refined_full_ml"]
    ours = fit.derived(*expressions(case), held, kind="observed")
    np.testing.assert_allclose(ours["estimate"], joint["params"], rtol=1e-9)
    np.testing.assert_allclose(ours["se"], joint["bse_observed_info"], rtol=1e-9)
    assert fit.llf == pytest.approx(joint["llf"], rel=1e-12)


def test_average_marginal_effects_are_statas():
    case = "glm.cpunish_scaled_poisson"
    fit, printed = fit_of(case), PUBLISHED[case]["reference"]["average_marginal_effects"]
    X, mean = fit.problem.dataset["X"].values, fit.predict()["estimate"].to_numpy()
    terms = fit.problem.dataset["term"].values
    beta = fit.params.to_numpy()
    effects = beta * mean.mean()
    slopes = np.eye(len(beta)) * mean.mean() + np.outer(beta, (mean[:, None] * X).mean(axis=0))
    errors = np.sqrt(np.diag(slopes @ fit.cov_params().to_numpy() @ slopes.T))
    places = [list(terms).index(name) for name in printed["names"]]
    # Stata held the columns in single precision.
    np.testing.assert_allclose(effects[places], printed["dydx"], rtol=3e-6)
    np.testing.assert_allclose(errors[places], printed["se"], rtol=3e-6)


def test_a_random_intercept_that_is_not_there_is_irregular():
    case = "rreg.dyestuff2_ri"
    data = groups.in_groups(table(case).frame, "Batch", "Yield", ["Intercept"])
    fit = wb.maximum_likelihood(wb.bind(groups.random_intercept, data))
    refined = PUBLISHED[case]["refined"]
    assert fit.status == Status.IRREGULAR
    assert "-1.00 log sd_group" in fit.optimum.verdict.advice
    assert fit.bse.isna().all()
    mean, _, sigma = refined["params"]
    assert fit.params["sd_group"] < 1e-3 * sigma
    assert fit.params["beta[Intercept]"] == pytest.approx(mean, rel=1e-9)
    assert fit.params["sigma"] == pytest.approx(sigma, rel=1e-8)
    assert fit.llf == pytest.approx(refined["llf"], abs=1e-9)
