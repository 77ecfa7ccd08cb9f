"""Real data, and the answers that Stata and NIST published for them."""

import json
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from models import counts
from tests import declarations

CASES = Path(__file__).parent / "cases"
VISITS = Path(__file__).parent.parent / "reports" / "doctor-visits" / "visits.csv.gz"
PUBLISHED = json.loads((CASES / "published.json").read_text(encoding="utf-8"))
# Each case: the definition, its formulas, and our labels of the published parameters, in order.
TERMS = ["lncoins", "idp", "lpi", "fmde", "physlm", "disea", "hlthg", "hlthf", "hlthp"]
FULL = "mdvis ~ " + " + ".join(TERMS)
BETA = [f"beta[{term}]" for term in [*TERMS, "Intercept"]]
FITS = {
    "disc.randhie_poisson": (counts.poisson, FULL, {}, BETA),
    "disc.randhie_nb2": (counts.negative_binomial, FULL, {}, [*BETA, "alpha"]),
    "disc.randhie_zero_inflated_poisson_logit": (
        counts.zero_inflated_poisson,
        "mdvis ~ idp + lpi + fmde",
        {"zero": "~ lncoins"},
        ["gamma[lncoins]", "gamma[Intercept]", "beta[idp]", "beta[lpi]", "beta[fmde]",
         "beta[Intercept]"],
    ),
    "disc.spector_logit": (
        declarations.logistic,
        "grade ~ gpa + tuce + psi",
        {},
        ["beta[gpa]", "beta[tuce]", "beta[psi]", "beta[Intercept]"],
    ),
    "disc.ships_poisson_clu": (
        counts.poisson,
        "accident ~ yr_con + op_75_79",
        {},
        ["beta[yr_con]", "beta[op_75_79]", "beta[Intercept]"],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def fits():
    found = {}
    for case, (definition, formula, predictors, _) in FITS.items():
        path = CASES / PUBLISHED[case]["data"]
        table = wb.read(path if path.exists() else VISITS)
        data = wb.design(formula, table, **predictors)(table)
        found[case] = wb.maximum_likelihood(wb.bind(definition, data))
    return found


def ours(fit, labels):
    """Estimates and observed-information errors in the published order; alpha as Stata's."""
    params = fit.params[labels].to_numpy(copy=True)
    errors = fit.standard_errors("observed")[labels].to_numpy(copy=True)
    if labels[-1] == "alpha":  # Stata's alpha is the inverse of ours
        errors[-1] /= params[-1] ** 2
        params[-1] = 1 / params[-1]
    return params, errors


@pytest.mark.parametrize("case", FITS)
def test_estimates_and_errors_are_the_published_ones(fits, case):
    fit, labels, refined = fits[case], FITS[case][3], PUBLISHED[case]["refined"]
    params, errors = ours(fit, labels)
    assert fit.status == "a minimum"
    # The record's own tolerances: a hundred-thousandth or 1e-4 standard errors; 1e-6 nats.
    scale = np.asarray(refined["bse_observed_info"])
    np.testing.assert_allclose(params, refined["params"], rtol=1e-5, atol=1e-4 * scale.min())
    np.testing.assert_allclose(errors, scale, rtol=1e-4)
    assert fit.llf == pytest.approx(refined["llf"], abs=1e-6)


@pytest.mark.parametrize("case", FITS)
def test_the_log_likelihood_agrees_away_from_the_optimum(fits, case):
    fit, labels = fits[case], FITS[case][3]
    probe = PUBLISHED[case]["probe"]
    natural = fit.params.copy()
    natural[labels] = probe["params"]
    if labels[-1] == "alpha":
        natural["alpha"] = 1 / natural["alpha"]
    value, _ = fit.problem.value_and_gradient(fit.problem.unconstrained(natural.to_numpy()))
    assert -value == pytest.approx(probe["llf"], abs=1e-6)


def test_stata_prints_the_same_digits(fits):
    params, errors = ours(fits["disc.randhie_poisson"], BETA)
    printed = PUBLISHED["disc.randhie_poisson"]["reference"]
    # Stata stopped within 1e-6 standard errors or so of the optimum: seven digits.
    np.testing.assert_allclose(params, printed["params"], rtol=1e-6)
    np.testing.assert_allclose(errors, printed["bse"], rtol=1e-6)


def test_cluster_errors_are_statas(fits):
    case = "disc.ships_poisson_clu"
    table = wb.read(CASES / "ships.csv", group="ship")
    data = wb.design(FITS[case][1], table)(table)
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, data))
    printed = PUBLISHED[case]["reference"]["bse"]  # Stata's vce(cluster ship), G / (G - 1)
    np.testing.assert_allclose(fit.bse[FITS[case][3]], printed, rtol=1e-7)


def test_held_out_likelihood_of_nists_beam_deflections():
    record = PUBLISHED["held.lew_normal"]["refined"]
    table = wb.read(CASES / "Lew.csv")
    data = wb.design("y ~ 1", table)(table)
    train, test = data.isel(row=slice(0, 100)), data.isel(row=slice(100, 200))
    fit = wb.maximum_likelihood(wb.bind(declarations.linear, train))
    np.testing.assert_allclose(fit.params, record["params"], rtol=1e-8)
    assert fit.llf == pytest.approx(record["train_llf"], abs=1e-6)
    evaluation = wb.evaluate(fit, test)
    assert -evaluation.nll == pytest.approx(record["test_llf"], abs=1e-6)
    printed = PUBLISHED["held.lew_normal"]["reference"]
    assert -evaluation.cross_entropy.value == pytest.approx(printed["test_mean"], abs=1e-8)
    # The record's test_se is of the sum: sd times the root of n.
    assert 100 * evaluation.cross_entropy.se == pytest.approx(printed["test_se"], rel=1e-7)
