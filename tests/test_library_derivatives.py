"""The library's derivatives, with columns and rows enough for the way by linear predictors."""

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.discrete.conditional_models import ConditionalLogit

import workbench as wb
from models import categorical
from tests.library import DEFINITIONS, TRUTH, theta_of, with_coefficients, with_columns
from tests.marking import slow_but
from workbench.examples import example

ROWS, COLUMNS = 600, 5
QUICK = {
    "binary:logit", "categorical:multinomial_logit", "continuous:normal", "multivariate:normal",
    "counts:hurdle_negative_binomial", "counts:negative_binomial", "ordered:logit",
}  # fmt: skip
STEP = 1e-4  # in units of theta: (1e-4)^2 of the third derivative is left of a difference


def wide(name):
    """The definition on designs of more columns, its outcomes drawn from itself, and its truth."""
    rng = np.random.default_rng(0)
    data = with_columns(
        example(DEFINITIONS[name], ROWS), lambda: 0.5 * rng.uniform(-1, 1, (ROWS, COLUMNS))
    )
    bound = wb.bind(DEFINITIONS[name], data)
    truth = with_coefficients(TRUTH[name], lambda shape: np.zeros((*shape, COLUMNS)))
    theta = theta_of(bound, truth)
    return bound.with_outcomes(bound.simulate(theta, rng)), theta


@pytest.mark.parametrize("name", slow_but(QUICK, DEFINITIONS))
def test_derivatives_are_those_of_the_values(name):
    bound, theta = wide(name)
    rng = np.random.default_rng(1)
    here = theta + 0.05 * rng.standard_normal(len(theta))
    along = rng.standard_normal(len(theta))
    value, gradient, hessian = bound.derivatives(here, 0.0)
    ahead, behind = (bound.value_and_gradient(here + step * along, 0.0) for step in (STEP, -STEP))
    assert value == pytest.approx(bound.value_and_gradient(here, 0.0)[0], rel=1e-13)
    slope = (ahead[0] - behind[0]) / (2 * STEP)
    assert gradient @ along == pytest.approx(slope, rel=1e-5, abs=1e-5 * np.abs(gradient).max())
    bend = (ahead[1] - behind[1]) / (2 * STEP)
    np.testing.assert_allclose(hessian @ along, bend, atol=1e-5 * np.abs(hessian).max())


# Greene (2003), Econometric Analysis, table 21.11, unweighted sample.
GREENE = {
    "beta[gc]": (-0.01550, 0.004408),
    "beta[ttme]": (-0.09612, 0.01044),
    "beta[air:hinc]": (0.01329, 0.01026),
    "beta[air]": (5.2074, 0.7791),
    "beta[train]": (3.8690, 0.4431),
    "beta[bus]": (3.1632, 0.4503),
}  # fmt: skip


def test_the_choice_of_travel_mode_is_greenes_and_statsmodels():
    trips = sm.datasets.modechoice.load_pandas().data
    for code, mode in enumerate(("air", "train", "bus"), 1):
        trips[mode] = (trips["mode"] == code).astype(float)
    table = wb.read(trips, group="individual")
    design = wb.design("choice ~ 0 + gc + ttme + air:hinc + air + train + bus", table)
    data = design(table)
    fit = wb.maximum_likelihood(wb.bind(categorical.conditional_logit, data))
    assert fit.status == "a minimum"
    assert fit.llf == pytest.approx(-199.1284, abs=5e-5)
    for label, (estimate, error) in GREENE.items():
        assert fit.params[label] == pytest.approx(estimate, rel=5e-4)  # printed digits
        assert fit.bse[label] == pytest.approx(error, rel=5e-4)
    theirs = ConditionalLogit(
        trips["choice"].to_numpy(), data["X"].values, groups=trips["individual"].to_numpy()
    ).fit(method="newton", tol=1e-10, disp=False)
    np.testing.assert_allclose(fit.params, theirs.params, atol=1e-6 * fit.bse.min())
    np.testing.assert_allclose(fit.bse, theirs.bse, rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_the_same_for_a_whole_group_is_not_identified_and_stays_near(seed):
    trips = sm.datasets.modechoice.load_pandas().data
    table = wb.read(trips, group="individual")
    design = wb.design("choice ~ gc + ttme + C(mode) + hinc", table)
    fit = wb.maximum_likelihood(
        wb.bind(categorical.conditional_logit, design(table)), rng=np.random.default_rng(seed)
    )
    assert fit.status == "not identified"
    assert "beta[hinc]" in fit.optimum.verdict.advice
    # Its curvature is rounding, which is no unit for a step: that would be some 1e7 long.
    assert abs(fit.params["beta[hinc]"]) < 1e3
