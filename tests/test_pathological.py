"""Real and constructed data whose likelihood has no regular maximum, and healthy look-alikes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import workbench as wb
from models import binary, continuous, counts
from tests import declarations
from workbench.errors import DataError
from workbench.optimum import Status

CASES = Path(__file__).parent / "cases"
PUBLISHED = json.loads((CASES / "published.json").read_text(encoding="utf-8"))


def table(case):
    frame = pd.read_csv(CASES / PUBLISHED[case]["data"])
    return frame.assign(const=1.0, **{f"x**{power}": frame["x"] ** power for power in range(6)}
                        if "x" in frame else {})  # fmt: skip


def data(case, **columns):
    """Response and design as the record names them; without a design the response alone."""
    model, frame = PUBLISHED[case]["model"], table(case)
    variables = {"y": ("row", frame[model["response"]].to_numpy(float))}
    variables |= {name: ("row", frame[column].to_numpy(float)) for name, column in columns.items()}
    if "design" not in model:
        return xr.Dataset(variables)
    variables["X"] = (("row", "term"), frame[model["design"]].to_numpy(float))
    return xr.Dataset(variables, coords={"term": model["design"]})


def fitted(definition, data):
    return wb.maximum_likelihood(wb.bind(definition, data))


# Case, definition, verdict, and what its advice names.
NO_MAXIMUM = [
    ("patho.endometrial_separation", binary.logit, Status.RUNNING_AWAY, "+1.00 beta[NV]"),
    ("patho.complete_separation_logit", binary.logit, Status.RUNNING_AWAY, "beta[x]"),
    ("patho.poisson_all_zero", counts.poisson, Status.RUNNING_AWAY, "-1.00 beta[const]"),
    ("patho.binomial_all_one", binary.logit, Status.RUNNING_AWAY, "+1.00 beta[const]"),
    ("patho.normal_constant_outcome", continuous.normal, Status.RUNNING_AWAY, "-1.00 log sigma"),
    ("patho.t_df_infinite", continuous.student_t, Status.RUNNING_AWAY, "+1.00 log nu"),
    ("patho.beta_regression_constant", declarations.beta, Status.RUNNING_AWAY, "log precision"),
    ("patho.poisson_all_zero", declarations.rate, Status.IRREGULAR, "-1.00 log mu"),
    ("patho.uniform_scale", declarations.uniform, Status.IRREGULAR, "-1.00 log upper"),
    ("patho.dummy_trap", counts.poisson, Status.NOT_IDENTIFIED, "beta[const]"),
]


@pytest.mark.parametrize(("case", "definition", "status", "named"), NO_MAXIMUM)
def test_the_verdict_is_the_truth_and_names_the_parameter(case, definition, status, named):
    given = data(case)
    if "X" not in given:
        given = given.assign(X=(("row", "term"), np.ones((len(given["y"]), 1))))
        given = given.assign_coords(term=["const"])
    if definition in (declarations.rate, declarations.uniform, declarations.beta):
        given = given.drop_vars("X")
    fit = fitted(definition, given)
    assert fit.status == status
    assert named in fit.optimum.verdict.advice
    assert fit.bse.isna().all()
    supremum = PUBLISHED[case]["truth"]["sup_llf"]
    if supremum != "Infinity":
        # The search ends where less than 1e-4 nats are left; far out, log densities are rounding.
        assert supremum - 1e-4 < fit.llf < supremum + 1e-5


def test_a_variance_of_zero_is_irregular_and_its_mean_is_the_pooled_one():
    truth = PUBLISHED["patho.eight_schools_tau_zero"]["truth"]
    fit = fitted(declarations.known_errors, data("patho.eight_schools_tau_zero", se="se"))
    assert fit.status == Status.IRREGULAR
    assert "-1.00 log tau" in fit.optimum.verdict.advice
    assert fit.params["mu"] == pytest.approx(truth["params"]["mu"], abs=1e-7)
    assert fit.llf == pytest.approx(truth["sup_llf"], abs=1e-9)


@pytest.mark.parametrize(
    ("case", "definition"),
    [
        pytest.param("patho.complete_separation_probit", binary.probit, marks=pytest.mark.slow),
        ("patho.wampler1_perfect_fit", continuous.normal),
    ],
)
def test_no_minimum_is_claimed_where_rounding_hides_the_truth(case, definition):
    # PyMC's probit has log(1 - 1) in its other branch, and residuals of 1e-10 are rounding.
    fit = fitted(definition, data(case))
    assert not fit.optimum.verdict.regular
    assert fit.bse.isna().all()


def test_a_mixture_component_that_collapses_on_a_row_runs_away_without_bound():
    start = PUBLISHED["patho.mixture_unbounded"]["truth"]["start_near_singularity"]
    near = [(start["mu1"], start["sigma1"]), (start["mu2"], start["sigma2"])]
    fit = fitted(declarations.two_normals(*near), data("patho.mixture_unbounded"))
    assert fit.status == Status.RUNNING_AWAY
    assert not fit.optimum.verdict.bounded
    assert "log scale_a" in fit.optimum.verdict.advice


def test_a_mixture_from_a_regular_start_stops_at_the_local_maximum():
    definition = declarations.two_normals((55.0, 5.0), (80.0, 5.0))
    fit = fitted(definition, data("patho.mixture_unbounded"))
    assert fit.status == Status.MINIMUM
    assert fit.llf == pytest.approx(-1034.0017, abs=1e-4)  # as the record prints it


def test_a_raw_calendar_year_is_no_alarm():
    truth = PUBLISHED["patho.uncentred_year"]["truth"]
    fit = fitted(counts.poisson, data("patho.uncentred_year"))
    assert fit.status == Status.MINIMUM
    for name, value in truth["params"].items():
        # A condition number of 1e5 leaves seven digits or so.
        assert fit.params[f"beta[{name}]"] == pytest.approx(value, rel=1e-7)
        assert fit.bse[f"beta[{name}]"] == pytest.approx(truth["bse"][name], rel=1e-7)
    assert fit.llf == pytest.approx(truth["sup_llf"], abs=1e-8)


def test_what_rows_with_nan_and_infinity_leave_is_fitted():
    truth = PUBLISHED["patho.nan_inf_rows"]["truth"]
    dirty = wb.read(CASES / "pathological" / "spector_dirty.csv")
    complete = dirty.take(np.isfinite(dirty.frame).all(axis=1).to_numpy())
    dropped = np.array(truth["dropped_rows_1_based"]) - 1
    assert set(dirty.frame.index) - set(complete.frame.index) == set(dirty.frame.index[dropped])
    data = wb.design("grade ~ gpa + tuce + psi", complete)(complete)
    fit = fitted(binary.logit, data)
    labels = ["beta[gpa]", "beta[tuce]", "beta[psi]", "beta[Intercept]"]
    np.testing.assert_allclose(fit.params[labels], truth["complete_case_params"], rtol=1e-9)
    np.testing.assert_allclose(fit.bse[labels], truth["complete_case_bse"], rtol=1e-9)
    assert fit.llf == pytest.approx(truth["complete_case_llf"], abs=1e-10)


def test_rows_with_nan_and_infinity_are_refused_by_name():
    dirty = wb.read(CASES / "pathological" / "spector_dirty.csv")
    with pytest.raises(DataError, match=r"missing values in grade .*line 17.*gpa .*line 6"):
        wb.design("grade ~ gpa + psi", dirty)
    with pytest.raises(DataError, match=r"tuce.*inf"):
        wb.design("psi ~ tuce", dirty)(dirty)
