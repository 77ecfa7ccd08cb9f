"""NIST's certified nonlinear regressions, from both of the starts that come with them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import workbench as wb
from tests import declarations

CASES = Path(__file__).parent / "cases"
PUBLISHED = json.loads((CASES / "published.json").read_text(encoding="utf-8"))
NONLINEAR = {name: case for name, case in PUBLISHED.items() if name.startswith("nist.nls.")}


def digits(values, certified):
    """The least number of digits in which two vectors agree, 15 at most."""
    error = np.abs(np.asarray(values) / np.asarray(certified) - 1.0)
    return float(-np.log10(max(error.max(), 1e-15)))


@pytest.fixture(scope="module", params=[(name, start) for name in NONLINEAR for start in (1, 2)],
                ids=lambda param: f"{param[0]}, start {param[1]}")  # fmt: skip
def fitted(request):
    name, number = request.param
    case = NONLINEAR[name]
    table = pd.read_csv(CASES / case["data"])
    data = xr.Dataset({column: ("row", table[column].astype(float)) for column in table})
    starts = dict(zip(case["param_names"], case["model"][f"start{number}"], strict=True))
    definition = declarations.nonlinear(case["model"]["formula_numpy"], starts)
    return case, wb.maximum_likelihood(wb.bind(definition, data))


def test_estimates_are_the_certified_ones(fitted):
    case, fit = fitted
    assert fit.status == "a minimum"
    # Certified to eleven digits; eight are left by the worst of conditions (Lanczos3, MGH09).
    assert digits(fit.params[case["param_names"]], case["refined"]["params"]) >= 8


def test_observed_errors_are_those_of_sixty_digits(fitted):
    case, fit = fitted
    assert digits(fit.bse[case["param_names"]], case["refined"]["bse_mle_observed_info"]) >= 6
    assert fit.bse["sigma"] == pytest.approx(case["refined"]["bse_sigma"], rel=1e-6)


def test_the_log_likelihood_is_the_certified_optimums(fitted):
    case, fit = fitted
    assert fit.llf == pytest.approx(case["refined"]["llf_normal_mle"], abs=1e-9)


def test_certified_deviations_are_expected_information_with_the_rows_left_over(fitted):
    case, fit = fitted
    # NIST divides by n - p, where p does not count sigma: n / (n - p) times our covariance.
    n, p = fit.nobs, len(case["param_names"])
    errors = fit.standard_errors("expected")[case["param_names"]] * np.sqrt(n / (n - p))
    assert digits(errors, case["refined"]["sd"]) >= 6
