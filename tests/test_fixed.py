"""Parameters held at a value, by name and coordinate, and starts given by the user."""

import json
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm

import workbench as wb
from models import binary, counts
from tests import declarations
from tests.declarations import dataset
from workbench.errors import ModelError

CASES = Path(__file__).parent / "cases"
RNG = np.random.default_rng(3)
X = RNG.normal(size=(300, 2))
Y = RNG.negative_binomial(2.0, 2.0 / (2.0 + np.exp(0.5 + 0.4 * X[:, 0])))


@pytest.fixture(scope="module")
def problem():
    return wb.bind(counts.negative_binomial, dataset(Y, X))


def test_a_constrained_logit_is_statas():
    case = json.loads((CASES / "published.json").read_text())["disc.spector_logit_constraint1"]
    table = wb.read(CASES / "spector.csv")
    data = wb.design("grade ~ gpa + tuce + psi", table)(table)
    problem = wb.bind(binary.logit, data)
    fit = wb.maximum_likelihood(problem, fixed={"beta[gpa]": 2.8})
    labels = ["beta[gpa]", "beta[tuce]", "beta[psi]", "beta[Intercept]"]
    refined = case["refined"]
    # The record's tolerances: a hundred-thousandth, 1e-4 of the errors, 1e-6 nats.
    np.testing.assert_allclose(fit.params[labels], refined["params"], rtol=1e-5)
    np.testing.assert_allclose(fit.bse[labels[1:]], refined["bse_observed_info"][1:], rtol=1e-4)
    assert fit.llf == pytest.approx(refined["llf"], abs=1e-6)
    assert np.isnan(fit.bse["beta[gpa]"])
    assert (fit.cov_params().loc["beta[gpa]"] == 0).all()


def test_a_known_dispersion_is_a_generalised_linear_model(problem):
    fit = wb.maximum_likelihood(problem, fixed={"alpha": 2.0})
    design = problem.dataset["X"].values
    family = sm.families.NegativeBinomial(alpha=0.5)
    theirs = sm.GLM(Y, design, family=family).fit(tol=1e-12, cov_type="HC0")
    beta = [label for label in problem.labels if label != "alpha"]
    # IRLS stops where the deviance moves by less than 1e-12.
    np.testing.assert_allclose(fit.params[beta], theirs.params, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(fit.standard_errors("sandwich")[beta], theirs.bse, rtol=1e-6)
    assert fit.llf == pytest.approx(theirs.llf, rel=1e-10)
    assert fit.params["alpha"] == pytest.approx(2.0, rel=1e-15)
    assert fit.k == 3
    assert fit.aic == pytest.approx(2 * 3 - 2 * fit.llf)


def test_holding_a_parameter_at_its_estimate_changes_no_other(problem):
    free = wb.maximum_likelihood(problem)
    held = wb.maximum_likelihood(problem, fixed={"beta[x1]": free.params["beta[x1]"]})
    assert held.status == "a minimum"
    assert held.llf == pytest.approx(free.llf, rel=1e-13)
    # Two searches each stop within 1e-6 standard errors.
    moved = (held.params - free.params) / free.bse
    assert moved.abs().max() < 2e-6


def test_a_parameters_name_holds_all_of_its_coordinates(problem):
    fit = wb.maximum_likelihood(problem, fixed={"beta": 0.0})
    assert (fit.params.drop("alpha") == 0.0).all()
    assert fit.k == 1
    assert "held: beta[Intercept], beta[x1], beta[x2]" in fit.summary()


def test_a_held_fit_travels_and_is_not_compared_with_a_free_one(problem):
    fit = wb.maximum_likelihood(problem, fixed={"alpha": 2.0})
    tree = fit.to_datatree()
    assert tree["fit"]["mean_vector"].sizes["rows"] == 4
    check = next(one for one in wb.check(fit) if one.code == "statsmodels")
    assert check.outcome == "n/a"
    assert "held" in check.why


def test_a_given_start_is_searched_from_and_kept(problem):
    fit = wb.maximum_likelihood(problem, start={"beta[x1]": 0.3, "alpha": 5.0})
    given = next(start for start in fit.optimum.starts if start.name == "given")
    natural = dict(zip(problem.labels, problem.natural(given.begin), strict=True))
    assert natural["beta[x1]"] == 0.3
    assert natural["alpha"] == pytest.approx(5.0)
    assert fit.status == "a minimum"


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        ({"beta[x3]": 0.0}, r"no parameter 'beta\[x3\]', did you mean 'beta\[x"),
        ({"alpha": -1.0}, "outside the support of the declaration: alpha = -1"),
        ({"beta": 0.0, "alpha": 1.0}, "nothing to estimate"),
    ],
)
def test_what_cannot_be_held_is_told_by_name(problem, fixed, message):
    with pytest.raises(ModelError, match=message):
        wb.maximum_likelihood(problem, fixed=fixed)


def test_a_part_of_a_simplex_cannot_be_held_alone():
    y = np.array([0, 0, 1, 2, 2, 2])
    problem = wb.bind(declarations.simplex, dataset(y))
    with pytest.raises(ModelError, match="moves with the others of its kind"):
        wb.maximum_likelihood(problem, fixed={problem.labels[0]: 0.3})
